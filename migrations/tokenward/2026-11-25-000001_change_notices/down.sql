-- CASCADE takes the triggers off Django's tables too, whatever the user table is called.
DROP FUNCTION tokenward.tell() CASCADE;
DROP FUNCTION tokenward.attach_notices(text, text);
