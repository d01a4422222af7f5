-- What a finding is about: hosts and how they hang together are found among all others by it.

ALTER TABLE findings ADD COLUMN type TEXT GENERATED ALWAYS AS (json_extract(finding, '$.type')) VIRTUAL;
CREATE INDEX findings_by_type ON findings (org_id, type, target);
