-- Scans that begin by themselves.

CREATE TABLE schedules (
    org_id    BLOB NOT NULL REFERENCES orgs,
    id        BLOB NOT NULL,
    name      TEXT NOT NULL,
    scan      TEXT NOT NULL,                -- what is asked for each time
    every     INTEGER NOT NULL CHECK (every > 0), -- seconds
    next      INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    last      INTEGER,                      -- when it was due last
    last_scan BLOB,                         -- the scan that began then,
    skipped   TEXT,                         -- or why none did
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_due ON schedules (next);
