-- What the programs have said, and what follows from it. The same text for SQLite and PostgreSQL; amounts are base units, times unix seconds.

CREATE TABLE transactions (
    signature TEXT PRIMARY KEY,
    slot BIGINT NOT NULL,
    time BIGINT,
    fee BIGINT NOT NULL,
    compute_units BIGINT NOT NULL
);

-- The newest transaction of each program that was taken in.
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

-- Which events name an address.
CREATE TABLE mentions (
    address TEXT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (address, event)
);

-- A job's address may be used again when it has ended: each use is a row.
CREATE TABLE jobs (
    opened BIGINT PRIMARY KEY,
    address TEXT NOT NULL,
    status TEXT NOT NULL,
    escrow TEXT NOT NULL,
    model TEXT NOT NULL,
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
    updated BIGINT NOT NULL
);
CREATE INDEX jobs_by_address ON jobs (address, opened);
CREATE INDEX jobs_by_device ON jobs (device, opened);
CREATE INDEX jobs_by_escrow ON jobs (escrow, opened);
CREATE INDEX jobs_by_status ON jobs (status, opened);

CREATE TABLE escrows (
    address TEXT PRIMARY KEY,
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
    escrowed BIGINT NOT NULL,
    forfeited BIGINT NOT NULL,
    locked_bond BIGINT NOT NULL,
    open_jobs BIGINT NOT NULL,
    rewards BIGINT NOT NULL,
    jobs_done BIGINT NOT NULL,
    jobs_convicted BIGINT NOT NULL,
    updated BIGINT NOT NULL
);
CREATE INDEX devices_by_owner ON devices (owner);

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
    updated BIGINT NOT NULL
);

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
    updated BIGINT NOT NULL
);
CREATE INDEX proposals_by_address ON proposals (address);

-- What would take long to count.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
