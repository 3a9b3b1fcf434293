-- The number of the proposal that a vote is of: another proposal may have had its address before, or have it later. Null of a vote on one
-- that was created before the history begins.
ALTER TABLE votes ADD COLUMN number BIGINT;
UPDATE votes SET number =
    (SELECT MAX(number) FROM proposals WHERE proposals.address = votes.proposal AND proposals.created_at <= votes.time);
