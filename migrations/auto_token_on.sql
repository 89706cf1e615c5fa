-- Filled in by tokenward: the user table as a quoted, schema-qualified identifier; its primary key
-- column and the schema of authtoken_token as quoted literals.
--
-- It does not go together with the post_save signal of REST framework's documentation, nor with any code that
-- calls Token.objects.create() for a new user: that finds the user's token there already and fails on
-- authtoken_token_user_id_key. get_or_create() is content.
CREATE TRIGGER tokenward_auto_token
    AFTER INSERT ON {user_table}
    REFERENCING NEW TABLE AS tokenward_new_users
    FOR EACH STATEMENT
    EXECUTE FUNCTION tokenward.give_token({user_key}, {token_schema});
