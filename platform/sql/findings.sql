-- The index findings_in_order gives the order; the cursor is a place in it.
SELECT *
FROM findings
WHERE org_id = ?1
  AND (?2 IS NULL OR EXISTS (
      SELECT 1 FROM sightings
      WHERE sightings.org_id = findings.org_id
        AND sightings.scan = ?2
        AND sightings.appliance = findings.appliance
        AND sightings.finding = findings.id))
  AND (?3 IS NULL OR appliance = ?3)
  AND (?4 IS NULL OR rank = ?4)
  AND (?5 IS NULL OR target = ?5)
  AND (?12 IS NULL OR type = ?12)
  AND (?6 IS NULL OR (rank, target, port, id, appliance) > (?6, ?7, ?8, ?9, ?10))
ORDER BY rank, target, port, id, appliance
LIMIT ?11
