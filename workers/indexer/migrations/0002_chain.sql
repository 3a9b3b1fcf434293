-- The chain that the history is of, by its genesis hash: one row.
CREATE TABLE chain (
    genesis TEXT PRIMARY KEY
);
