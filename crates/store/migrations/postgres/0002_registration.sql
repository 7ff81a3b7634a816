-- What the vendor was told about each account. `digest` columns hold digests of what was
-- said, never the words: these contain external ids.
CREATE TABLE registrations (
    account       TEXT NOT NULL,
    role          TEXT NOT NULL,
    name          TEXT NOT NULL,
    version       BIGINT NOT NULL,
    told_digest   TEXT,
    told_at       BIGINT,
    vendor_id     TEXT,
    validated_at  BIGINT,
    withdrawn_at  BIGINT,
    -- The call that is still to be made.
    action        TEXT,
    task_digest   TEXT,
    wanted_at     BIGINT,
    attempts      BIGINT NOT NULL DEFAULT 0,
    -- When it is to be tried (again); none once it was given up.
    due_at        BIGINT,
    trouble       TEXT,
    trouble_at    BIGINT,
    PRIMARY KEY (account, role)
);
CREATE INDEX registrations_due ON registrations (role, due_at, account) WHERE due_at IS NOT NULL;

-- Under which specification a sweep looked: what it found right is right by that one alone.
CREATE TABLE sweep_revisions (
    sweep    TEXT NOT NULL PRIMARY KEY,
    revision TEXT NOT NULL
);

-- One row: a digest of the settings with which the vendor lets nobody in.
CREATE TABLE registration_refused (
    id       BIGINT PRIMARY KEY CHECK (id = 1),
    settings TEXT NOT NULL
);
