DROP FUNCTION tokenward.attach_uses(text, text);
DROP TABLE tokenward.last_use;
ALTER TABLE tokenward.installation DROP COLUMN uses_since, DROP COLUMN uses_last;
