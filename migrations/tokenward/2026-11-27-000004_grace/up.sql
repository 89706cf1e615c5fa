-- A retired key that our listener still takes for a while (retired_key.grace_until): found fast by who looks keys up, ended by
-- whatever ends its user's access, and told of when it ends before its time. Whoever makes the change, Django and psql
-- included, needs no right of ours.

CREATE INDEX retired_key_grace ON tokenward.retired_key (digest) WHERE grace_until IS NOT NULL;
CREATE INDEX retired_key_grace_user ON tokenward.retired_key (user_id) WHERE grace_until IS NOT NULL;

-- A token that is replaced or deleted without grace leaves its owner none at all: what is revoked, and what replaces a key
-- that leaked, must not leave an older one open.
CREATE FUNCTION tokenward.end_grace() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $end$
BEGIN
    UPDATE tokenward.retired_key SET grace_until = NULL WHERE user_id = NEW.user_id AND grace_until IS NOT NULL;
    RETURN NULL;
END
$end$;

-- `retired` is set by what retires a key again, and by nothing else.
CREATE TRIGGER end_grace AFTER INSERT OR UPDATE OF retired ON tokenward.retired_key
    FOR EACH ROW WHEN (NEW.kind = 'drf' AND NEW.grace_until IS NULL) EXECUTE FUNCTION tokenward.end_grace();

-- A user who is switched off. Argument: the column of his id.
CREATE FUNCTION tokenward.end_grace_of_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $end$
DECLARE
    id text;
BEGIN
    EXECUTE format('SELECT ($1).%I::text', TG_ARGV[0]) INTO id USING NEW;
    UPDATE tokenward.retired_key SET grace_until = NULL WHERE user_id = id AND grace_until IS NOT NULL;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- A site's change never hangs on us, and while he is off no key of his is taken.
    RAISE WARNING 'the grace of a key was not ended: %', SQLERRM;
    RETURN NULL;
END
$end$;

-- What a listener remembers of a key in its grace it must forget when that changes.
CREATE FUNCTION tokenward.tell_grace() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $tell$
BEGIN
    PERFORM pg_notify('tokenward', CASE TG_OP WHEN 'TRUNCATE' THEN '*' ELSE OLD.user_id END);
    RETURN NULL;
END
$tell$;

CREATE TRIGGER tell_grace_update AFTER UPDATE ON tokenward.retired_key
    FOR EACH ROW WHEN (OLD.grace_until IS NOT NULL AND OLD.grace_until IS DISTINCT FROM NEW.grace_until)
    EXECUTE FUNCTION tokenward.tell_grace();
CREATE TRIGGER tell_grace_delete AFTER DELETE ON tokenward.retired_key
    FOR EACH ROW WHEN (OLD.grace_until IS NOT NULL) EXECUTE FUNCTION tokenward.tell_grace();
CREATE TRIGGER tell_grace_truncate AFTER TRUNCATE ON tokenward.retired_key
    FOR EACH STATEMENT EXECUTE FUNCTION tokenward.tell_grace();
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER end_grace;
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER tell_grace_update;
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER tell_grace_delete;
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER tell_grace_truncate;

REVOKE ALL ON FUNCTION tokenward.end_grace(), tokenward.end_grace_of_user(), tokenward.tell_grace() FROM PUBLIC;

-- Hangs the end of grace on the user table, named as SQL writes it, and takes an old one off first. A login, which updates
-- another column, does not fire it. A table without a switch has none to watch.
CREATE FUNCTION tokenward.attach_grace(user_table text, name_column text) RETURNS void
LANGUAGE plpgsql
AS $attach$
DECLARE
    site record;
BEGIN
    FOR site IN
        SELECT c.oid::pg_catalog.regclass AS name, key.attname AS key
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
          JOIN pg_catalog.pg_attribute key ON key.attrelid = c.oid AND key.attnum = i.indkey[0]
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'is_active' AND NOT a.attisdropped
           AND a.atttypid = 'pg_catalog.bool'::pg_catalog.regtype
         WHERE c.oid = pg_catalog.to_regclass(user_table) AND c.relkind IN ('r', 'p')
    LOOP
        EXECUTE pg_catalog.format('DROP TRIGGER IF EXISTS tokenward_end_grace ON %s', site.name);
        EXECUTE pg_catalog.format(
            'CREATE TRIGGER tokenward_end_grace AFTER UPDATE OF is_active ON %s
                 FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active)
                 EXECUTE FUNCTION tokenward.end_grace_of_user(%L)',
            site.name, site.key);
        EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER tokenward_end_grace', site.name);
    END LOOP;
END
$attach$;

REVOKE ALL ON FUNCTION tokenward.attach_grace(text, text) FROM PUBLIC;
