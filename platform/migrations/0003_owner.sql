-- What operators sign and seal: kept as it came in, read to show it and to choose from it.

ALTER TABLE orgs ADD COLUMN owner_signed_only INTEGER NOT NULL DEFAULT 0; -- 1: no credential without the owner's signature

ALTER TABLE appliances ADD COLUMN keys BLOB;        -- what it says of its keys, signed by its identity key
ALTER TABLE appliances ADD COLUMN owner BLOB;       -- the owner key that it says is pinned
ALTER TABLE appliances ADD COLUMN keys_alarm INTEGER; -- when its credential key was last another one
ALTER TABLE appliances ADD COLUMN word BLOB;        -- what its owner says to it alone: a pin or a release
ALTER TABLE appliances ADD COLUMN word_owner BLOB;  -- the key that the pin names

-- What an owner says to all of its appliances; one of each kind from each key.
CREATE TABLE owner_words (
    org_id BLOB NOT NULL REFERENCES orgs,
    kind   TEXT NOT NULL CHECK (kind IN ('epoch', 'rotation')),
    signer BLOB NOT NULL,                   -- id of the key that has signed it
    epoch  INTEGER NOT NULL,
    next   BLOB,                            -- the key that a rotation names
    word   BLOB NOT NULL,
    PRIMARY KEY (org_id, kind, signer)
) STRICT, WITHOUT ROWID;

CREATE TABLE grants (
    org_id BLOB NOT NULL REFERENCES orgs,
    id     BLOB NOT NULL,
    kept   INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    signed BLOB NOT NULL,
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX grants_in_order ON grants (org_id, kept, id);

CREATE TABLE credentials (
    org_id   BLOB NOT NULL REFERENCES orgs,
    id       BLOB NOT NULL,
    version  INTEGER NOT NULL,              -- stays when it is removed, so that no older one comes back
    label    TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    kept     INTEGER NOT NULL,
    sealing  BLOB,                          -- NULL when removed
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX credentials_in_order ON credentials (org_id, label, id);

ALTER TABLE scans ADD COLUMN credentials TEXT NOT NULL DEFAULT '[]';

ALTER TABLE jobs ADD COLUMN ports TEXT;             -- NULL: those of its scan
ALTER TABLE jobs ADD COLUMN credential BLOB;        -- to log in with
ALTER TABLE jobs ADD COLUMN waiting TEXT;           -- why it was not sent when it was its turn
