-- The column and the functions of the audit go with the table. CASCADE takes the trigger.
DROP FUNCTION tokenward.hold_to_account() CASCADE;
DROP FUNCTION tokenward.tells_of(tokenward.audit, tokenward.retired_key);
