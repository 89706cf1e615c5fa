-- CASCADE takes the trigger off the user table too, whatever that table is called.
DROP FUNCTION tokenward.give_token() CASCADE;
DROP FUNCTION tokenward.make_key();
