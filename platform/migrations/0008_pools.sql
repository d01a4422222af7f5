-- Pools: appliances that reach the same network and share a queue.

CREATE TABLE pools (
    org_id  BLOB NOT NULL REFERENCES orgs,
    id      BLOB NOT NULL,
    name    TEXT NOT NULL,
    created INTEGER NOT NULL,
    removed INTEGER,                        -- stays, so that its scans keep its name
    PRIMARY KEY (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX pools_by_name ON pools (org_id, name) WHERE removed IS NULL;

CREATE TABLE pool_members (
    org_id    BLOB NOT NULL,
    pool      BLOB NOT NULL,
    appliance BLOB NOT NULL,
    PRIMARY KEY (org_id, pool, appliance),
    FOREIGN KEY (org_id, pool) REFERENCES pools (org_id, id),
    FOREIGN KEY (org_id, appliance) REFERENCES appliances (org_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX pools_of_member ON pool_members (org_id, appliance);

-- A scan is done by an appliance or by a pool: its tables are made anew, with everything in them.
CREATE TABLE jobs_before AS SELECT * FROM jobs;
CREATE TABLE scans_before AS SELECT * FROM scans;
DROP TABLE jobs;
DROP TABLE scans;

CREATE TABLE scans (
    org_id      BLOB NOT NULL,
    number      INTEGER NOT NULL,           -- counts up within the organisation
    id          BLOB NOT NULL,
    appliance   BLOB,
    pool        BLOB,
    targets     TEXT NOT NULL,
    exclude     TEXT NOT NULL,
    ports       TEXT NOT NULL,
    checks      TEXT NOT NULL,
    credentials TEXT NOT NULL,
    created     INTEGER NOT NULL,
    ended       INTEGER,
    state       TEXT CHECK (state IN ('complete', 'partial', 'failed')),
    reason      TEXT,
    report      TEXT,
    PRIMARY KEY (org_id, number),
    UNIQUE (org_id, id),
    CHECK ((appliance IS NULL) != (pool IS NULL)),
    FOREIGN KEY (org_id, appliance) REFERENCES appliances (org_id, id),
    FOREIGN KEY (org_id, pool) REFERENCES pools (org_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO scans (org_id, number, id, appliance, targets, exclude, ports, checks, credentials, created, ended, state,
                   reason, report)
SELECT org_id, number, id, appliance, targets, exclude, ports, checks, credentials, created, ended, state, reason, report
FROM scans_before;
DROP TABLE scans_before;

CREATE TABLE jobs (
    org_id         BLOB NOT NULL,
    appliance      BLOB,                    -- whose it is; of a pool's job: who took it last
    pool           BLOB,
    scan           BLOB NOT NULL,
    number         INTEGER NOT NULL,        -- counts up within the scan
    id             BLOB NOT NULL,
    targets        TEXT NOT NULL,
    exclude        TEXT NOT NULL,
    hosts          INTEGER NOT NULL,        -- addresses and names in it
    checks         TEXT NOT NULL,           -- decided when its scan is split
    ports          TEXT,                    -- NULL: those of its scan
    credential     BLOB,                    -- to log in with
    fence          INTEGER NOT NULL DEFAULT 0, -- counts the leases
    refused        INTEGER NOT NULL DEFAULT 0, -- how many of them were not lost, but refused by one of the pool
    boot           BLOB,                    -- who holds the lease
    claimed        INTEGER,                 -- since when
    lease_until    INTEGER,
    progress_done  INTEGER NOT NULL DEFAULT 0,
    progress_total INTEGER NOT NULL DEFAULT 0,
    ended          INTEGER,
    reason         TEXT,                    -- why it failed
    report         TEXT,                    -- how it ended
    waiting        TEXT,                    -- why it was not sent when it was its turn
    PRIMARY KEY (org_id, id),
    UNIQUE (org_id, scan, number),
    CHECK (appliance IS NOT NULL OR pool IS NOT NULL),
    FOREIGN KEY (org_id, scan) REFERENCES scans (org_id, id)
) STRICT, WITHOUT ROWID;
INSERT INTO jobs (org_id, appliance, scan, number, id, targets, exclude, hosts, checks, ports, credential, fence, boot,
                  claimed, lease_until, progress_done, progress_total, ended, reason, report, waiting)
SELECT org_id, appliance, scan, number, id, targets, exclude, hosts, checks, ports, credential, fence, boot,
       claimed, lease_until, progress_done, progress_total, ended, reason, report, waiting
FROM jobs_before;
DROP TABLE jobs_before;
CREATE INDEX jobs_waiting ON jobs (org_id, appliance, scan, number) WHERE ended IS NULL;
CREATE INDEX jobs_of_pools ON jobs (org_id, pool, scan, number) WHERE ended IS NULL AND pool IS NOT NULL;

-- What an appliance of a pool has to do with a job of it.
CREATE TABLE job_members (
    org_id     BLOB NOT NULL,
    job        BLOB NOT NULL,
    appliance  BLOB NOT NULL,
    fence      INTEGER,                     -- the last lease under which it was sent
    not_before INTEGER,                     -- when it may be asked again
    refused    INTEGER NOT NULL DEFAULT 0,  -- 1: not before somebody changes something
    why        TEXT,                        -- it cannot do it
    PRIMARY KEY (org_id, job, appliance),
    FOREIGN KEY (org_id, job) REFERENCES jobs (org_id, id)
) STRICT, WITHOUT ROWID;
