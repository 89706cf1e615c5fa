-- Filled in by tokenward: the user table as a quoted, schema-qualified identifier; its primary key
-- column and the schema of authtoken_token as quoted literals.
CREATE TRIGGER tokenward_auto_token
    AFTER INSERT ON {user_table}
    REFERENCING NEW TABLE AS tokenward_new_users
    FOR EACH STATEMENT
    EXECUTE FUNCTION tokenward.give_token({user_key}, {token_schema});
