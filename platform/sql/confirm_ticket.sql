-- A boot has kept the next ticket: the one that it presented dies. Of two copies that presented the same
-- ticket, the second finds it dead here.
UPDATE appliances
SET ticket = boots.ticket + 1,
    boot = boots.id,
    boots = appliances.boots + 1,
    seen = ?4
FROM boots
WHERE appliances.id = ?1
  AND appliances.removed IS NULL
  AND boots.org_id = appliances.org_id
  AND boots.appliance = appliances.id
  AND boots.id = ?2
  AND boots.ticket + 1 = ?3
  AND boots.ticket = appliances.ticket
RETURNING appliances.org_id
