-- A job ends under the lease that it was done under; a late finisher changes nothing.
UPDATE jobs
SET ended = ?5,
    reason = ?6,
    report = ?7,
    lease_until = NULL
WHERE org_id = ?1
  AND id = ?2
  AND fence = ?3
  AND boot = ?4
  AND ended IS NULL
