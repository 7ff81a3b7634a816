-- Times are microseconds since 1970-01-01 UTC. Account ids are text of twelve
-- digits, so that leading zeros stay. `body` columns hold JSON and are the whole
-- truth of their row; the other columns are there to find and count rows.

CREATE TABLE sweeps (
    no           INTEGER PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    mode         TEXT NOT NULL,
    trigger_kind TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    outcome      TEXT,
    reason       TEXT,
    in_sync      INTEGER NOT NULL DEFAULT 0,
    drifted      INTEGER NOT NULL DEFAULT 0,
    repaired     INTEGER NOT NULL DEFAULT 0,
    failed       INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    pending      INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Clustered by sweep and account: a page of a report is one stretch of the tree.
CREATE TABLE reports (
    sweep_no INTEGER NOT NULL REFERENCES sweeps (no),
    account  TEXT NOT NULL,
    outcome  TEXT NOT NULL,
    ou_path  TEXT NOT NULL,
    search   TEXT NOT NULL,
    body     TEXT NOT NULL,
    PRIMARY KEY (sweep_no, account)
) STRICT, WITHOUT ROWID;

-- The newest report of each account of the organization. Its own copy, so that
-- pruning old sweeps takes nobody off the page.
CREATE TABLE fleet (
    account      TEXT NOT NULL PRIMARY KEY,
    outcome      TEXT NOT NULL,
    reason       TEXT,
    ou_path      TEXT NOT NULL,
    search       TEXT NOT NULL,
    looked_at    INTEGER,
    -- Sort keys, compared byte by byte.
    key_worst    TEXT NOT NULL,
    key_name     TEXT NOT NULL,
    key_observed TEXT NOT NULL,
    body         TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- `key` is the digest of role, kind and subject.
CREATE TABLE findings (
    account     TEXT NOT NULL,
    key         TEXT NOT NULL,
    role        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    severity    TEXT NOT NULL,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    resolved_at INTEGER,
    repairs     INTEGER NOT NULL,
    body        TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX findings_open ON findings (account, key) WHERE resolved_at IS NULL;

-- The chain: append-only, each hash over the one before it. Intents, their
-- completions, adoptions and what people told rolekeeper are records alike.
CREATE TABLE journal (
    seq     INTEGER PRIMARY KEY,
    kind    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    sweep   TEXT,
    account TEXT,
    -- Of a completion: the intent it ends.
    entry   INTEGER,
    body    TEXT NOT NULL,
    hash    TEXT NOT NULL
) STRICT;
CREATE INDEX journal_sweep ON journal (sweep, seq) WHERE kind = 'intent';
CREATE INDEX journal_account ON journal (account, seq) WHERE kind = 'intent';
CREATE INDEX journal_completion ON journal (entry) WHERE kind = 'completion';

-- One row: the chain's last record, and the last one that retention removed.
CREATE TABLE journal_head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    seq         INTEGER NOT NULL,
    hash        TEXT NOT NULL,
    anchor_seq  INTEGER NOT NULL,
    anchor_hash TEXT NOT NULL
) STRICT;
INSERT INTO journal_head (id, seq, hash, anchor_seq, anchor_hash)
VALUES (1, 0, 'rolekeeper.journal/v1', 0, 'rolekeeper.journal/v1');

-- Intents without a completion.
CREATE TABLE journal_open (
    entry INTEGER PRIMARY KEY
) STRICT;

-- What rolekeeper made or adopted. Its own table, so that ownership outlives
-- the journal records it came from.
CREATE TABLE owned (
    account  TEXT NOT NULL,
    key      TEXT NOT NULL,
    resource TEXT NOT NULL,
    entry    INTEGER NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE documents (
    policy_id  TEXT NOT NULL,
    version_id TEXT NOT NULL,
    document   TEXT NOT NULL,
    PRIMARY KEY (policy_id, version_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE rates (
    name TEXT NOT NULL PRIMARY KEY,
    rate REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE census (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    accounts INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE halts (
    id        INTEGER PRIMARY KEY,
    why       TEXT NOT NULL,
    by_whom   TEXT NOT NULL,
    at        INTEGER NOT NULL,
    lifted_by TEXT,
    lifted_at INTEGER
) STRICT;
CREATE INDEX halts_in_force ON halts (id) WHERE lifted_at IS NULL;

CREATE TABLE requests (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    mode         TEXT NOT NULL,
    accounts     TEXT,
    trigger_kind TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    at           INTEGER NOT NULL
) STRICT;

CREATE TABLE cancels (
    sweep   TEXT NOT NULL PRIMARY KEY,
    by_whom TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE approvals (
    sweep       TEXT NOT NULL PRIMARY KEY,
    changes     INTEGER NOT NULL,
    widens      TEXT NOT NULL,
    asked_at    INTEGER NOT NULL,
    approved_by TEXT,
    approved_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE lease (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    token      INTEGER NOT NULL,
    holder     TEXT,
    expires_at INTEGER NOT NULL
) STRICT;
INSERT INTO lease (id, token, holder, expires_at) VALUES (1, 0, NULL, 0);

-- `key` is the digest of target and dedup_key.
CREATE TABLE notices (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    key          TEXT NOT NULL UNIQUE,
    kind         TEXT NOT NULL,
    dedup_key    TEXT NOT NULL,
    target       TEXT NOT NULL,
    body         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    -- When it is to be tried (again); none once it was delivered or given up.
    due_at       INTEGER,
    delivered_at INTEGER,
    last_error   TEXT
) STRICT;
CREATE INDEX notices_due ON notices (due_at, id) WHERE due_at IS NOT NULL;
