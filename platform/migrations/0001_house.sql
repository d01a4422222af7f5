-- Ids are blobs, times are seconds since 1970, lists and reports are JSON.
-- org_id leads the keys, so that a sharded database can be split by it.

CREATE TABLE orgs (
    org_id  BLOB NOT NULL PRIMARY KEY,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    org_id      BLOB NOT NULL REFERENCES orgs,
    name        TEXT NOT NULL,
    password    TEXT NOT NULL,              -- Argon2id, PHC string
    must_change INTEGER NOT NULL,           -- 1 until the first login has set a password
    created     INTEGER NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;
-- People log in by name alone.
CREATE UNIQUE INDEX accounts_by_name ON accounts (name);

CREATE TABLE sessions (
    org_id  BLOB NOT NULL,
    hash    BLOB NOT NULL,                  -- SHA-256 of the secret
    account TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (org_id, hash),
    FOREIGN KEY (org_id, account) REFERENCES accounts (org_id, name) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sessions_by_hash ON sessions (hash);

CREATE TABLE tokens (
    org_id  BLOB NOT NULL REFERENCES orgs,
    id      BLOB NOT NULL,
    kind    TEXT NOT NULL CHECK (kind IN ('api', 'activation')),
    name    TEXT NOT NULL,
    hash    BLOB NOT NULL,                  -- SHA-256 of the secret
    account TEXT NOT NULL,                  -- who made it
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used    INTEGER,                        -- last use; of an activation token the only one
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX tokens_by_hash ON tokens (hash);

-- Identities that ask to be activated by a code. They belong to nobody yet, hence no org_id.
CREATE TABLE codes (
    identity BLOB NOT NULL PRIMARY KEY,
    code     TEXT NOT NULL UNIQUE,
    image    BLOB NOT NULL,
    address  TEXT NOT NULL,                 -- where it asked from
    expires  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_by_address ON codes (address);

CREATE TABLE appliances (
    org_id      BLOB NOT NULL REFERENCES orgs,
    id          BLOB NOT NULL,
    name        TEXT NOT NULL,
    identity    BLOB NOT NULL,              -- Ed25519 public key
    token       BLOB,                       -- hash of the activation token, if it was one
    activated   INTEGER NOT NULL,
    share       BLOB,                       -- wrapped under keystore/appliance-ID; NULL when removed
    ticket      INTEGER NOT NULL,           -- the oldest ticket that still boots
    issued      INTEGER NOT NULL,           -- the newest that was ever signed
    boot        BLOB,                       -- the boot that was confirmed last
    boots       INTEGER NOT NULL DEFAULT 0,
    image       BLOB NOT NULL,
    seen        INTEGER,
    clone_alarm INTEGER,
    removed     INTEGER,
    receipt     BLOB,                       -- signed, once the wrapping key is destroyed
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX appliances_by_id ON appliances (id);
CREATE UNIQUE INDEX appliances_by_identity ON appliances (identity);

CREATE TABLE boots (
    org_id      BLOB NOT NULL,
    appliance   BLOB NOT NULL,
    id          BLOB NOT NULL,              -- digest of the boot request
    ticket      INTEGER NOT NULL,           -- the one it presented
    sealing_key BLOB NOT NULL,
    created     INTEGER NOT NULL,
    confirmed   INTEGER,
    next_event  INTEGER NOT NULL DEFAULT 0, -- all events below are kept
    PRIMARY KEY (org_id, appliance, id),
    FOREIGN KEY (org_id, appliance) REFERENCES appliances (org_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE scans (
    org_id    BLOB NOT NULL,
    number    INTEGER NOT NULL,             -- counts up within the organisation
    id        BLOB NOT NULL,
    appliance BLOB NOT NULL,
    targets   TEXT NOT NULL,
    exclude   TEXT NOT NULL,
    ports     TEXT NOT NULL,
    checks    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    ended     INTEGER,
    state     TEXT CHECK (state IN ('complete', 'partial', 'failed')),
    reason    TEXT,
    report    TEXT,
    PRIMARY KEY (org_id, number),
    UNIQUE (org_id, id),
    FOREIGN KEY (org_id, appliance) REFERENCES appliances (org_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    org_id         BLOB NOT NULL,
    appliance      BLOB NOT NULL,
    scan           BLOB NOT NULL,
    number         INTEGER NOT NULL,        -- counts up within the scan
    id             BLOB NOT NULL,
    targets        TEXT NOT NULL,
    exclude        TEXT NOT NULL,
    hosts          INTEGER NOT NULL,        -- addresses and names in it
    fence          INTEGER NOT NULL DEFAULT 0, -- counts the leases
    boot           BLOB,                    -- who holds the lease
    claimed        INTEGER,                 -- since when
    lease_until    INTEGER,
    progress_done  INTEGER NOT NULL DEFAULT 0,
    progress_total INTEGER NOT NULL DEFAULT 0,
    ended          INTEGER,
    reason         TEXT,                    -- why it failed
    report         TEXT,                    -- how it ended
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, scan, number),
    FOREIGN KEY (org_id, scan) REFERENCES scans (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_waiting ON jobs (org_id, appliance, scan, number) WHERE ended IS NULL;

CREATE TABLE findings (
    org_id     BLOB NOT NULL,
    appliance  BLOB NOT NULL,
    id         BLOB NOT NULL,
    rank       INTEGER NOT NULL,            -- 0 critical .. 4 info, to sort by
    target     TEXT NOT NULL,
    port       INTEGER NOT NULL,            -- -1 when it is about none
    scan       BLOB NOT NULL,               -- that saw it last
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    finding    TEXT NOT NULL,
    PRIMARY KEY (org_id, appliance, id),
    FOREIGN KEY (org_id, appliance) REFERENCES appliances (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX findings_in_order ON findings (org_id, rank, target, port, id, appliance);

-- Which scan saw which finding.
CREATE TABLE sightings (
    org_id    BLOB NOT NULL,
    scan      BLOB NOT NULL,
    appliance BLOB NOT NULL,
    finding   BLOB NOT NULL,
    PRIMARY KEY (org_id, scan, appliance, finding),
    FOREIGN KEY (org_id, appliance, finding) REFERENCES findings (org_id, appliance, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    org_id BLOB NOT NULL REFERENCES orgs,
    number INTEGER NOT NULL,                -- counts up within the organisation
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    PRIMARY KEY (org_id, number)
) STRICT, WITHOUT ROWID;
