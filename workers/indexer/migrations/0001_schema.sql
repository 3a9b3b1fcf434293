-- The programs' events, and the books that follow from them. The same text for SQLite and PostgreSQL; amounts are in base units, times in
-- unix seconds.

-- The chain that the history is of, by its genesis hash: one row.
CREATE TABLE chain (
    genesis TEXT PRIMARY KEY
);

CREATE TABLE transactions (
    signature TEXT PRIMARY KEY,
    slot BIGINT NOT NULL,
    time BIGINT,
    fee BIGINT NOT NULL,
    compute_units BIGINT NOT NULL
);

-- The newest indexed transaction of each program.
CREATE TABLE cursors (
    program TEXT PRIMARY KEY,
    signature TEXT NOT NULL
);

-- Events in the order in which they happened, from 1.
CREATE TABLE events (
    id BIGINT PRIMARY KEY,
    signature TEXT NOT NULL,
    slot BIGINT NOT NULL,
    time BIGINT,
    program TEXT NOT NULL,
    name TEXT NOT NULL,
    data TEXT NOT NULL
);
-- Without these, a filter that few events pass would have to read all of them.
CREATE INDEX events_by_program ON events (program, id);
CREATE INDEX events_by_name ON events (name, id);

-- Which events name an address.
CREATE TABLE mentions (
    address TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (address, event)
);

-- While the books are being rebuilt, the number of the last event they contain; otherwise empty. A migration that changes what the books
-- hold empties them and inserts 0 here. All tables below but `webhooks` are books.
CREATE TABLE rebuild (
    event BIGINT NOT NULL
);

-- The address of a job may be reused once the job has ended: each use is a row.
CREATE TABLE jobs (
    opened BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    status TEXT NOT NULL,
    escrow TEXT NOT NULL,
    model TEXT NOT NULL,
    mint TEXT NOT NULL,
    foreign_mint BIGINT NOT NULL,
    bounty BIGINT NOT NULL,
    units BIGINT NOT NULL,
    max_price BIGINT NOT NULL,
    device TEXT,
    price BIGINT,
    bond BIGINT,
    outputs TEXT,
    consumer_pays BIGINT,
    supplier_gets BIGINT,
    fees BIGINT,
    challenger TEXT,
    inputs TEXT NOT NULL,
    replicas BIGINT NOT NULL,
    replica BIGINT NOT NULL,
    opened_at BIGINT,
    claimed_at BIGINT,
    committed_at BIGINT,
    revealed_at BIGINT,
    window_ends BIGINT,
    ended_at BIGINT,
    gpu_model BIGINT,
    latency BIGINT,
    updated BIGINT NOT NULL
);
-- Among equally good indexes, SQLite happens to use the one created last (see `every_filter_has_an_index`). Many jobs have a status in
-- common, so that index comes first.
CREATE INDEX jobs_by_status ON jobs (status, opened);
CREATE INDEX jobs_by_escrow ON jobs (escrow, opened);
CREATE INDEX jobs_by_device ON jobs (device, opened);
CREATE INDEX jobs_by_address ON jobs (address, opened);

-- Owner and mint are unknown for an escrow opened before the history begins.
CREATE TABLE escrows (
    address TEXT PRIMARY KEY,
    owner TEXT,
    mint TEXT,
    free BIGINT NOT NULL,
    locked BIGINT NOT NULL,
    fees BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

CREATE TABLE devices (
    address TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    gpu_model BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    active BIGINT NOT NULL,
    own_stake BIGINT NOT NULL,
    co_stake BIGINT NOT NULL,
    cooling BIGINT NOT NULL,
    cooldown_ends BIGINT NOT NULL,
    co_cooling BIGINT NOT NULL,
    aside BIGINT NOT NULL,
    forfeited BIGINT NOT NULL,
    locked_bond BIGINT NOT NULL,
    open_jobs BIGINT NOT NULL,
    rewards BIGINT NOT NULL,
    jobs_done BIGINT NOT NULL,
    jobs_convicted BIGINT NOT NULL,
    checked_in BIGINT,
    updated BIGINT NOT NULL
);
CREATE INDEX devices_by_checked_in ON devices (checked_in);
CREATE INDEX devices_by_owner ON devices (owner, updated);
CREATE INDEX devices_by_updated ON devices (updated);

CREATE TABLE offers (
    address TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    owner TEXT NOT NULL,
    status BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    ticket BIGINT NOT NULL,
    share_bps BIGINT NOT NULL,
    joined BIGINT NOT NULL,
    rewards BIGINT NOT NULL,
    hours_rewarded BIGINT NOT NULL,
    last_hour BIGINT,
    updated BIGINT NOT NULL
);
CREATE INDEX offers_by_owner ON offers (owner, updated);
CREATE INDEX offers_by_device ON offers (device, updated);
CREATE INDEX offers_by_updated ON offers (updated);

CREATE TABLE hours (
    hour BIGINT PRIMARY KEY,
    block BIGINT NOT NULL,
    enterprise BIGINT NOT NULL,
    community BIGINT NOT NULL,
    enterprise_score BIGINT NOT NULL,
    community_score BIGINT NOT NULL
);

CREATE TABLE proposals (
    number BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    proposer TEXT NOT NULL,
    title TEXT NOT NULL,
    kind BIGINT NOT NULL,
    status BIGINT NOT NULL,
    yes BIGINT NOT NULL,
    no BIGINT NOT NULL,
    abstain BIGINT NOT NULL,
    veto BIGINT NOT NULL,
    quorum BIGINT NOT NULL,
    voting_ends BIGINT NOT NULL,
    eta BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    text_hash TEXT NOT NULL,
    created_at BIGINT,
    instructions BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX proposals_by_address ON proposals (address, number);

-- In this and the following tables, `id` is the number of the event that created the row.
CREATE TABLE models (
    id BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    hash TEXT NOT NULL,
    registrar TEXT NOT NULL,
    n_ops BIGINT NOT NULL,
    macs BIGINT NOT NULL,
    sealed_at BIGINT,
    jobs BIGINT NOT NULL
);
CREATE UNIQUE INDEX models_by_address ON models (address);

CREATE TABLE disputes (
    id BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    device TEXT NOT NULL,
    challenger TEXT NOT NULL,
    fault BIGINT NOT NULL,
    unit BIGINT NOT NULL,
    op BIGINT NOT NULL,
    element BIGINT NOT NULL,
    expected BIGINT NOT NULL,
    claimed BIGINT NOT NULL,
    refund BIGINT NOT NULL,
    -- From the bond alone, which is what the device loses.
    reward BIGINT NOT NULL,
    -- What a permit adds to the challenger's reward.
    jackpot BIGINT NOT NULL DEFAULT 0,
    compensation BIGINT NOT NULL,
    burned BIGINT NOT NULL,
    sealed_slot BIGINT NOT NULL,
    convicted_at BIGINT,
    awarded_at BIGINT,
    awarded_to TEXT,
    signature TEXT NOT NULL
);
CREATE INDEX disputes_by_address ON disputes (address, id);
CREATE INDEX disputes_by_device ON disputes (device, id);
CREATE INDEX disputes_by_challenger ON disputes (challenger, id);

-- Slashes by the judges.
CREATE TABLE slashes (
    id BIGINT PRIMARY KEY,
    device TEXT NOT NULL,
    number BIGINT NOT NULL,
    status TEXT NOT NULL,
    reason BIGINT NOT NULL,
    share_bps BIGINT NOT NULL,
    evidence TEXT NOT NULL,
    answer TEXT,
    own BIGINT NOT NULL,
    active BIGINT NOT NULL,
    cooling BIGINT NOT NULL,
    proposed_at BIGINT,
    approved_at BIGINT,
    appealed_at BIGINT,
    ends_at BIGINT,
    ended_at BIGINT,
    signature TEXT NOT NULL
);
CREATE INDEX slashes_by_device ON slashes (device, id);

CREATE TABLE rewards (
    id BIGINT PRIMARY KEY,
    device TEXT NOT NULL,
    hour BIGINT NOT NULL,
    reward BIGINT NOT NULL,
    time BIGINT
);
CREATE INDEX rewards_by_device ON rewards (device, id);

CREATE TABLE shares (
    id BIGINT PRIMARY KEY,
    offer TEXT NOT NULL,
    hour BIGINT NOT NULL,
    reward BIGINT NOT NULL,
    part BIGINT NOT NULL,
    shares BIGINT NOT NULL,
    time BIGINT
);
CREATE INDEX shares_by_offer ON shares (offer, id);

-- Rewards that were paid out: a device's to its owner, an offer's to the holder of a position.
CREATE TABLE claims (
    id BIGINT PRIMARY KEY,
    device TEXT,
    offer TEXT,
    holder TEXT,
    amount BIGINT NOT NULL,
    time BIGINT,
    signature TEXT NOT NULL
);
CREATE INDEX claims_by_device ON claims (device, id);
CREATE INDEX claims_by_holder ON claims (holder, id);

CREATE TABLE votes (
    id BIGINT PRIMARY KEY,
    proposal TEXT NOT NULL,
    -- Number of the proposal, whose address others may have had before or may have later. Null if it was created before the history begins.
    number BIGINT,
    voter TEXT NOT NULL,
    source TEXT NOT NULL,
    choice BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    time BIGINT,
    signature TEXT NOT NULL
);
CREATE INDEX votes_by_proposal ON votes (proposal, id);
CREATE INDEX votes_by_voter ON votes (voter, id);
CREATE INDEX votes_by_number ON votes (number, id);

-- Prices per unit of the jobs claimed in an hour; `paid` is units times price. Figures about jobs, here, below and in `counters`, only
-- include jobs paid in $IO, since anyone can create other mints.
CREATE TABLE prices (
    hour BIGINT NOT NULL,
    gpu_model BIGINT NOT NULL,
    jobs BIGINT NOT NULL,
    units BIGINT NOT NULL,
    paid BIGINT NOT NULL,
    low BIGINT NOT NULL,
    high BIGINT NOT NULL,
    PRIMARY KEY (hour, gpu_model)
);

-- What became of jobs in an hour; `units` are those of settled jobs.
CREATE TABLE throughput (
    hour BIGINT PRIMARY KEY,
    opened BIGINT NOT NULL,
    settled BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    convicted BIGINT NOT NULL,
    units BIGINT NOT NULL
);

-- How many of the jobs revealed in an hour took how many seconds.
CREATE TABLE latencies (
    hour BIGINT NOT NULL,
    seconds BIGINT NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (hour, seconds)
);

-- The newest event that each webhook has accepted.
CREATE TABLE webhooks (
    url TEXT PRIMARY KEY,
    event BIGINT NOT NULL
);

-- Totals that would take long to count.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
