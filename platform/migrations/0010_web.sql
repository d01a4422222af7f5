-- How a scan tests web applications, as its operator asked; NULL: as usual.

ALTER TABLE scans ADD COLUMN web TEXT;
