-- CASCADE takes the triggers off the user table too.
DROP FUNCTION tokenward.attach_grace(text, text);
DROP FUNCTION tokenward.end_grace_of_user() CASCADE;
DROP FUNCTION tokenward.end_grace() CASCADE;
DROP FUNCTION tokenward.tell_grace() CASCADE;
DROP INDEX tokenward.retired_key_grace, tokenward.retired_key_grace_user;
