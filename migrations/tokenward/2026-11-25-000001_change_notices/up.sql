-- Tells every listener, in the transaction that makes it, of each change that a remembered key must not outlive: a
-- token changed or deleted, a user switched off, renamed or deleted, a group joined, left or renamed. A notice holds
-- the users' ids, never a key. What only adds tokens or users, a login (last_login) and a new password send none: each
-- NOTIFY takes a lock of the whole server when it commits, and nothing that was unknown is remembered.
--
-- The functions stand here; attach_notices() hangs them on the site's tables, whose names differ, and is asked again
-- when a table comes later. A transaction that sent a notice cannot be prepared for a two-phase commit (NOTIFY).

-- Arguments of the trigger: the user id's column, then the columns whose change counts in an UPDATE; without those
-- every UPDATE counts. `*` in place of the first: a change concerns all users, and the next one is the row's own id.
-- It runs with its owner's rights, so whoever may change a row needs no right of ours, and its search path is pinned.
-- Texts are compared byte by byte: a site's collation may hold two spellings of a name to be equal.
CREATE FUNCTION tokenward.tell() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $tell$
DECLARE
    for_all boolean := TG_ARGV[0] = '*';
    first_column integer := CASE WHEN for_all THEN 2 ELSE 1 END;
    id text := quote_ident(TG_ARGV[first_column - 1]);
    old_columns text;
    new_columns text;
    changed text;
    told text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('tokenward', '*');
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        changed := format('SELECT %s AS id FROM tokenward_old', id);
    ELSIF TG_OP = 'INSERT' THEN
        changed := format('SELECT %s AS id FROM tokenward_new', id);
    ELSIF TG_NARGS = first_column THEN
        changed := format('SELECT %1$s AS id FROM tokenward_old UNION ALL SELECT %1$s FROM tokenward_new', id);
    ELSE
        FOR i IN first_column .. TG_NARGS - 1 LOOP
            old_columns := concat_ws(', ', old_columns, format('o.%I::text COLLATE "C"', TG_ARGV[i]));
            new_columns := concat_ws(', ', new_columns, format('n.%I::text COLLATE "C"', TG_ARGV[i]));
        END LOOP;
        changed := format(
            'SELECT coalesce(o.%1$s, n.%1$s) AS id FROM tokenward_old o FULL JOIN tokenward_new n ON o.%1$s = n.%1$s
              WHERE o.%1$s IS NULL OR n.%1$s IS NULL OR ROW(%2$s) IS DISTINCT FROM ROW(%3$s)',
            id, old_columns, new_columns);
    END IF;
    -- 200 ids of the longest kind, uuid, are 7,399 bytes; a notice must stay under 8,000.
    EXECUTE format(
        'SELECT CASE WHEN count(*) > 200 THEN ''*'' ELSE string_agg(id, '','') END
           FROM (SELECT DISTINCT id::text AS id FROM (%s) AS changed LIMIT 201) AS few',
        changed) INTO told;
    IF told IS NOT NULL THEN
        PERFORM pg_notify('tokenward', CASE WHEN for_all THEN '*' ELSE told END);
    END IF;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    -- As when a column was renamed since. The change must go on, and must not stay untold.
    PERFORM pg_notify('tokenward', '*');
    RETURN NULL;
END
$tell$;

-- Without EXECUTE nobody else can hang it on a table of his own; to fire a trigger none is needed.
REVOKE ALL ON FUNCTION tokenward.tell() FROM PUBLIC;

-- Hangs the notices on the tables that exist, and takes old ones off first. The user table is named as SQL writes it, its
-- name column bare. ALWAYS: sessions with session_replication_role = replica would fire no other trigger. A change
-- that only adds counts for memberships alone.
CREATE FUNCTION tokenward.attach_notices(user_table text, name_column text) RETURNS void
LANGUAGE plpgsql
AS $attach$
DECLARE
    site record;
    event record;
BEGIN
    FOR site IN
        SELECT c.oid::pg_catalog.regclass AS name, asked.is_user,
               CASE WHEN asked.is_user THEN
                   (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname <> key.attname, a.attnum)
                      FROM pg_catalog.pg_index i
                      JOIN pg_catalog.pg_attribute key ON key.attrelid = c.oid AND key.attnum = i.indkey[0]
                      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                     WHERE i.indrelid = c.oid AND i.indisprimary
                       AND a.attname IN (key.attname, name_column, 'is_active', 'email', 'first_name', 'last_name'))
               ELSE asked.arguments END AS arguments,
               asked.events
          FROM (VALUES
                   ('authtoken_token', false, ARRAY['user_id'], ARRAY['UPDATE', 'DELETE', 'TRUNCATE']),
                   ('knox_authtoken', false, ARRAY['user_id'], ARRAY['UPDATE', 'DELETE', 'TRUNCATE']),
                   (user_table, true, NULL, ARRAY['UPDATE', 'DELETE', 'TRUNCATE']),
                   ('auth_user_groups', false, ARRAY['user_id'], ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']),
                   ('auth_group', false, ARRAY['*', 'id', 'name'], ARRAY['UPDATE', 'DELETE', 'TRUNCATE'])
               ) AS asked(path, is_user, arguments, events)
          JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.path)
         WHERE asked.path NOT IN ('auth_user_groups', 'auth_group')
            OR pg_catalog.to_regclass(user_table) = pg_catalog.to_regclass('auth_user')
    LOOP
        FOR event IN
            SELECT e.name,
                   'tokenward_tell_' || pg_catalog.lower(e.name) AS trigger,
                   CASE e.name
                       WHEN 'INSERT' THEN 'REFERENCING NEW TABLE AS tokenward_new'
                       WHEN 'UPDATE' THEN 'REFERENCING OLD TABLE AS tokenward_old NEW TABLE AS tokenward_new'
                       WHEN 'DELETE' THEN 'REFERENCING OLD TABLE AS tokenward_old'
                       ELSE ''
                   END AS tables
              FROM pg_catalog.unnest(site.events) AS e(name)
        LOOP
            EXECUTE pg_catalog.format('DROP TRIGGER IF EXISTS %I ON %s', event.trigger, site.name);
            EXECUTE pg_catalog.format(
                'CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION tokenward.tell(%s)',
                event.trigger, event.name, site.name, event.tables,
                (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(a), ', ' ORDER BY n)
                   FROM pg_catalog.unnest(site.arguments) WITH ORDINALITY AS u(a, n)));
            EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', site.name, event.trigger);
        END LOOP;
    END LOOP;
END
$attach$;
