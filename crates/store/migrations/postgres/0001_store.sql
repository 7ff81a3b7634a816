-- Times are microseconds since 1970-01-01 UTC. Account ids are text of twelve
-- digits, so that leading zeros stay. `body` columns hold JSON and are the whole
-- truth of their row; the other columns are there to find and count rows.

CREATE TABLE sweeps (
    no           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    mode         TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    started_at   BIGINT NOT NULL,
    finished_at  BIGINT,
    outcome      TEXT,
    reason       TEXT,
    in_sync      BIGINT NOT NULL DEFAULT 0,
    drifted      BIGINT NOT NULL DEFAULT 0,
    repaired     BIGINT NOT NULL DEFAULT 0,
    failed       BIGINT NOT NULL DEFAULT 0,
    skipped      BIGINT NOT NULL DEFAULT 0,
    pending      BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE reports (
    sweep_no BIGINT NOT NULL REFERENCES sweeps (no),
    account  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    ou_path  TEXT NOT NULL,
    search   TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (sweep_no, account)
);

-- The newest report of each account of the organization. Its own copy, so that
-- pruning old sweeps takes nobody off the page.
CREATE TABLE fleet (
    account      TEXT NOT NULL PRIMARY KEY,
    outcome      TEXT NOT NULL,
    reason       TEXT,
    ou_path      TEXT COLLATE "C" NOT NULL,
    search       TEXT NOT NULL,
    looked_at    BIGINT,
    -- Sort keys, compared byte by byte.
    key_worst    TEXT COLLATE "C" NOT NULL,
    key_name     TEXT COLLATE "C" NOT NULL,
    key_observed TEXT COLLATE "C" NOT NULL,
    body         TEXT NOT NULL
);

-- `key` is the digest of role, kind and subject.
CREATE TABLE findings (
    account     TEXT NOT NULL,
    key         TEXT NOT NULL,
    role        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    severity    TEXT NOT NULL,
    first_seen  BIGINT NOT NULL,
    last_seen   BIGINT NOT NULL,
    resolved_at BIGINT,
    repairs     BIGINT NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (account, key)
);
CREATE INDEX findings_open ON findings (account, key) WHERE resolved_at IS NULL;

-- The chain: append-only, each hash over the one before it. Intents, their
-- completions, adoptions and what people told rolekeeper are records alike.
CREATE TABLE journal (
    seq     BIGINT PRIMARY KEY,
    kind    TEXT NOT NULL,
    at      BIGINT NOT NULL,
    sweep   TEXT,
    account TEXT,
    -- Of a completion: the intent it ends.
    entry   BIGINT,
    body    TEXT NOT NULL,
    hash    TEXT NOT NULL
);
CREATE INDEX journal_sweep ON journal (sweep, seq) WHERE kind = 'intent';
CREATE INDEX journal_account ON journal (account, seq) WHERE kind = 'intent';
CREATE INDEX journal_completion ON journal (entry) WHERE kind = 'completion';

-- One row: the chain's last record, and the last one that retention removed.
CREATE TABLE journal_head (
    id          BIGINT PRIMARY KEY CHECK (id = 1),
    seq         BIGINT NOT NULL,
    hash        TEXT NOT NULL,
    anchor_seq  BIGINT NOT NULL,
    anchor_hash TEXT NOT NULL
);
INSERT INTO journal_head (id, seq, hash, anchor_seq, anchor_hash)
VALUES (1, 0, 'rolekeeper.journal/v1', 0, 'rolekeeper.journal/v1');

-- Intents without a completion.
CREATE TABLE journal_open (
    entry BIGINT PRIMARY KEY
);

-- What rolekeeper made or adopted. Its own table, so that ownership outlives
-- the journal records it came from.
CREATE TABLE owned (
    account  TEXT NOT NULL,
    key      TEXT NOT NULL,
    resource TEXT NOT NULL,
    entry    BIGINT NOT NULL,
    PRIMARY KEY (account, key)
);

CREATE TABLE documents (
    policy_id  TEXT NOT NULL,
    version_id TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (policy_id, version_id)
);

CREATE TABLE rates (
    name TEXT NOT NULL PRIMARY KEY,
    rate DOUBLE PRECISION NOT NULL
);

CREATE TABLE census (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    accounts BIGINT NOT NULL,
    at       BIGINT NOT NULL
);

CREATE TABLE halts (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    why       TEXT NOT NULL,
    by_whom   TEXT NOT NULL,
    at        BIGINT NOT NULL,
    lifted_by TEXT,
    lifted_at BIGINT
);
CREATE INDEX halts_in_force ON halts (id) WHERE lifted_at IS NULL;

CREATE TABLE requests (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mode         TEXT NOT NULL,
    accounts     TEXT,
    trigger_kind TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    at           BIGINT NOT NULL
);

CREATE TABLE cancels (
    sweep   TEXT NOT NULL PRIMARY KEY,
    by_whom TEXT NOT NULL,
    at      BIGINT NOT NULL
);

CREATE TABLE approvals (
    sweep       TEXT NOT NULL PRIMARY KEY,
    changes     BIGINT NOT NULL,
    widens      TEXT NOT NULL,
    asked_at    BIGINT NOT NULL,
    approved_by TEXT,
    approved_at BIGINT
);

CREATE TABLE lease (
    id         BIGINT PRIMARY KEY CHECK (id = 1),
    token      BIGINT NOT NULL,
    holder     TEXT,
    expires_at BIGINT NOT NULL
);
INSERT INTO lease (id, token, holder, expires_at) VALUES (1, 0, NULL, 0);

-- `key` is the digest of target and dedup_key.
CREATE TABLE notices (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    dedup_key    TEXT NOT NULL,
    target       TEXT NOT NULL,
    body         TEXT NOT NULL,
    at           BIGINT NOT NULL,
    attempts     BIGINT NOT NULL,
    -- When it is to be tried (again); none once it was delivered or given up.
    due_at       BIGINT,
    delivered_at BIGINT,
    last_error   TEXT
);
CREATE INDEX notices_due ON notices (due_at, id) WHERE due_at IS NOT NULL;

-- Says whose tables these are.
CREATE TABLE identity (
    application TEXT NOT NULL PRIMARY KEY
);
INSERT INTO identity (application) VALUES ('rolekeeper');
