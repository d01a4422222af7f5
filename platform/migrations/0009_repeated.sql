-- Requests that create something, by the key that their sender gave them: sent again, they create nothing more.

CREATE TABLE repeated (
    org_id  BLOB NOT NULL REFERENCES orgs,
    account TEXT NOT NULL,                  -- whose key it is
    key     TEXT NOT NULL,
    request BLOB NOT NULL,                  -- SHA-256 of what was asked for
    answer  TEXT NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (org_id, account, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX repeated_by_age ON repeated (created);
