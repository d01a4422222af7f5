-- An appliance's boot takes waiting jobs, its own and those of its pools, under leases. One statement, and one
-- writer: two claimers get different jobs, an expired lease is given out again under the next fence, and a job
-- that was lost too often is not given out any more. What an appliance of a pool cannot do is left to the others.
UPDATE jobs
SET fence = fence + 1,
    appliance = ?2,
    boot = ?3,
    claimed = ?4,
    lease_until = ?5,
    waiting = NULL
WHERE (org_id, id) IN (
    SELECT jobs.org_id, jobs.id
    FROM jobs
    JOIN scans ON scans.org_id = jobs.org_id AND scans.id = jobs.scan
    WHERE jobs.org_id = ?1
      AND (jobs.pool IS NULL AND jobs.appliance = ?2
           OR jobs.pool IN (SELECT pool FROM pool_members WHERE org_id = ?1 AND appliance = ?2))
      AND jobs.ended IS NULL
      AND (jobs.lease_until IS NULL OR jobs.lease_until <= ?4)
      AND jobs.fence - jobs.refused < ?6
      AND NOT EXISTS (
          SELECT 1 FROM job_members
          WHERE job_members.org_id = ?1 AND job_members.job = jobs.id AND job_members.appliance = ?2
            AND job_members.not_before > ?4)
    ORDER BY scans.number, jobs.number
    LIMIT ?7
)
RETURNING
    id, scan, fence, targets, exclude,
    COALESCE(ports, (SELECT ports FROM scans WHERE scans.org_id = jobs.org_id AND scans.id = jobs.scan)) AS ports,
    checks,
    (SELECT web FROM scans WHERE scans.org_id = jobs.org_id AND scans.id = jobs.scan) AS web,
    credential,
    (SELECT version FROM credentials
      WHERE credentials.org_id = jobs.org_id AND credentials.id = jobs.credential) AS version
