-- An appliance presents a ticket: it must have been signed, and must not be dead. Presenting it shows
-- that it was kept, so all older ones die; and the next one may be signed.
UPDATE appliances
SET ticket = ?2,
    issued = MAX(issued, ?2 + 1),
    image = ?3
WHERE id = ?1
  AND removed IS NULL
  AND ticket <= ?2
  AND issued >= ?2
RETURNING org_id
