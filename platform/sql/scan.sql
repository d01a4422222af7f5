SELECT
    scans.*,
    (SELECT COUNT(*) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id) AS jobs,
    (SELECT COUNT(*) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id AND jobs.ended IS NOT NULL) AS jobs_done,
    (SELECT COUNT(*) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id AND jobs.fence > 0) AS taken,
    (SELECT MIN(COALESCE(jobs.waiting, CASE
          WHEN jobs.pool IS NOT NULL AND NOT EXISTS (
              SELECT 1 FROM pool_members
              WHERE pool_members.org_id = jobs.org_id AND pool_members.pool = jobs.pool)
          THEN 'its pool has no appliance: put one in with `vedette pool add`' END)) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id
        AND jobs.ended IS NULL AND jobs.boot IS NULL) AS waiting,
    (SELECT COALESCE(SUM(progress_done), 0) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id) AS progress_done,
    (SELECT COALESCE(SUM(progress_total), 0) FROM jobs
      WHERE jobs.org_id = scans.org_id AND jobs.scan = scans.id) AS progress_total,
    (SELECT COUNT(*) FROM sightings
      WHERE sightings.org_id = scans.org_id AND sightings.scan = scans.id) AS findings
FROM scans
