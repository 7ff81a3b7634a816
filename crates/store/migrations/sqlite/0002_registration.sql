-- What the vendor was told about each account. `digest` columns hold digests of what was
-- said, never the words: these contain external ids.
CREATE TABLE registrations (
    account       TEXT NOT NULL,
    role          TEXT NOT NULL,
    name          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    told_digest   TEXT,
    told_at       INTEGER,
    vendor_id     TEXT,
    validated_at  INTEGER,
    withdrawn_at  INTEGER,
    -- The call that is still to be made.
    action        TEXT,
    task_digest   TEXT,
    wanted_at     INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    -- When it is to be tried (again); none once it was given up.
    due_at        INTEGER,
    trouble       TEXT,
    trouble_at    INTEGER,
    PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX registrations_due ON registrations (role, due_at, account) WHERE due_at IS NOT NULL;

-- Under which specification a sweep looked: what it found right is right by that one alone.
CREATE TABLE sweep_revisions (
    sweep    TEXT NOT NULL PRIMARY KEY,
    revision TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row: a digest of the settings with which the vendor lets nobody in.
CREATE TABLE registration_refused (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    settings TEXT NOT NULL
) STRICT;
