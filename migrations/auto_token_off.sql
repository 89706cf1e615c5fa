DROP TRIGGER IF EXISTS tokenward_auto_token ON {user_table};
