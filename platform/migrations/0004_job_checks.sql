-- What a job checks is decided when its scan is split: behind a login it depends on the credential.

ALTER TABLE jobs ADD COLUMN checks TEXT NOT NULL DEFAULT '[]';
UPDATE jobs SET checks = CASE
    WHEN credential IS NOT NULL THEN '["inventory"]'
    ELSE (SELECT json_group_array(value) FROM scans, json_each(scans.checks)
           WHERE scans.org_id = jobs.org_id AND scans.id = jobs.scan AND value != 'inventory')
END;
