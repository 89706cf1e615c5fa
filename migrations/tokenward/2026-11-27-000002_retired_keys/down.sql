-- CASCADE takes the triggers off the token tables too.
DROP FUNCTION tokenward.retire() CASCADE;
DROP FUNCTION tokenward.attach_records(text, text);
DROP FUNCTION tokenward.admit_operators(text);
DROP TABLE tokenward.retired_key, tokenward.installation;
