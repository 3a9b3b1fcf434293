-- Votes can be filtered by the number of their proposal.
CREATE INDEX votes_by_number ON votes (number, id);
