-- A code is kept for a while after it was used or has expired, so that who types it is told which.
-- Those that wait are given another one: nothing is lost with the table.
DROP TABLE codes;
CREATE TABLE codes (
    code     TEXT NOT NULL PRIMARY KEY,
    identity BLOB NOT NULL,
    image    BLOB NOT NULL,
    address  TEXT NOT NULL,                 -- where it asked from
    expires  INTEGER NOT NULL,
    taken    INTEGER                        -- when it was approved
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_identity ON codes (identity);
CREATE INDEX codes_by_address ON codes (address);
