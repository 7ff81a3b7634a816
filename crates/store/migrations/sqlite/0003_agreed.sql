-- What a sweep's specifications give beyond those that were agreed to: a JSON list of sentences.
ALTER TABLE sweeps ADD COLUMN widens TEXT NOT NULL DEFAULT '[]';

-- The specifications that were agreed to last, by role. `body` is as the domain wrote it.
CREATE TABLE agreed (
    role    TEXT NOT NULL PRIMARY KEY,
    digest  TEXT NOT NULL,
    body    TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    sweep   TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
