-- CASCADE takes the triggers off the token tables too.
DROP FUNCTION tokenward.retire() CASCADE;
DROP FUNCTION tokenward.attach_records(text, text);
DROP FUNCTION tokenward.admit_operators(text);
DROP FUNCTION tokenward.new_salt();
DROP FUNCTION tokenward.is_plain(oid, text);
DROP TABLE tokenward.retired_key, tokenward.installation;
