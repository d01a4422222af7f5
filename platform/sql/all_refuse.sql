-- Fails the jobs that every appliance of their pool has refused, with the reason of each. Of one job alone, if
-- one is named.
UPDATE jobs
SET ended = ?3,
    lease_until = NULL,
    reason = 'no appliance of the pool can do it: ' || (
        SELECT SUBSTR(GROUP_CONCAT(appliances.name || ': ' || job_members.why, '; '), 1, 1000)
        FROM job_members
        JOIN appliances ON appliances.org_id = job_members.org_id AND appliances.id = job_members.appliance
        JOIN pool_members ON pool_members.org_id = job_members.org_id
             AND pool_members.pool = jobs.pool AND pool_members.appliance = job_members.appliance
        WHERE job_members.org_id = jobs.org_id AND job_members.job = jobs.id AND job_members.refused = 1)
WHERE org_id = ?1
  AND pool IS NOT NULL
  AND ended IS NULL
  AND boot IS NULL
  AND (?2 IS NULL OR id = ?2)
  AND EXISTS (
      SELECT 1 FROM pool_members WHERE pool_members.org_id = jobs.org_id AND pool_members.pool = jobs.pool)
  AND NOT EXISTS (
      SELECT 1 FROM pool_members
      WHERE pool_members.org_id = jobs.org_id AND pool_members.pool = jobs.pool
        AND NOT EXISTS (
            SELECT 1 FROM job_members
            WHERE job_members.org_id = jobs.org_id AND job_members.job = jobs.id
              AND job_members.appliance = pool_members.appliance AND job_members.refused = 1))
RETURNING org_id, scan
