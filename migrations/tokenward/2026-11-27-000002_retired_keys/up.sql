-- Remembers each key that stops being one, by a salted digest, in the transaction that changes it and whoever makes the
-- change: tokenward, Django or psql. What was changed by others gets its line in the audit here too.

-- What the digests begin with. Random keys could not be found from a digest without, but sites make keys by hand.
CREATE TABLE tokenward.installation (
    one  boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    salt bytea       NOT NULL CHECK (octet_length(salt) = 32),
    made timestamptz NOT NULL DEFAULT now()
);
-- gen_random_uuid() and sha256() are built in since Postgres 13 and draw on the server's strong randomness.
CREATE FUNCTION tokenward.new_salt() RETURNS bytea
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $salt$
    SELECT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
$salt$;
INSERT INTO tokenward.installation (salt) SELECT tokenward.new_salt();

-- Whether it is a table whose column is of a type that Postgres brings, or of citext: whatever else makes a text of a
-- column may be a function of whoever owns the table.
CREATE FUNCTION tokenward.is_plain(relation oid, column_name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $plain$
    SELECT EXISTS (
        SELECT FROM pg_class c
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = column_name AND NOT a.attisdropped
          JOIN pg_type t ON t.oid = a.atttypid
         WHERE c.oid = relation AND c.relkind IN ('r', 'p')
           AND (t.typnamespace = 'pg_catalog'::regnamespace OR t.typname = 'citext'))
$plain$;

CREATE TABLE tokenward.retired_key (
    -- SHA-256 of the salt and the key; of the salt and the column `digest` for a key of knox.
    digest      bytea       NOT NULL PRIMARY KEY,
    kind        text        NOT NULL CHECK (kind IN ('drf', 'knox')),
    start       text        NOT NULL CHECK (length(start) <= 8),
    user_id     text        NOT NULL,
    username    text,
    retired     timestamptz NOT NULL,
    by          text        NOT NULL,
    verb        text        NOT NULL,
    leak        bigint,
    told        timestamptz,
    told_by     text,
    grace_until timestamptz
);
CREATE INDEX retired_key_start ON tokenward.retired_key (start text_pattern_ops);

-- Arguments of the trigger: the kind, then the user table as SQL writes it, its key column and its name column.
-- Who makes the change as tokenward says so in settings of the transaction: tokenward.actor, .verb, .leak and .grace
-- (an instant). It runs with its owner's rights, so that whoever may change a row needs no right of ours.
CREATE FUNCTION tokenward.retire() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $retire$
DECLARE
    actor text := nullif(current_setting('tokenward.actor', true), '');
    verb text := nullif(current_setting('tokenward.verb', true), '');
    leak bigint := nullif(current_setting('tokenward.leak', true), '')::bigint;
    grace timestamptz := nullif(current_setting('tokenward.grace', true), '')::timestamptz;
    is_drf boolean := TG_ARGV[0] = 'drf';
    application text := nullif(current_setting('application_name', true), '');
    role_name text := session_user || coalesce(' (' || application || ')', '');
    host_name text := coalesce(host(inet_client_addr()), 'local');
    done text := 'done, outside tokenward';
    key_column text := CASE WHEN is_drf THEN 'key' ELSE 'digest' END;
    gone text;
    owners text := '';
    name text := 'NULL::text';
    retire text;
    any_gone boolean;
BEGIN
    -- Texts are made with the owner's rights, so only types are trusted that nobody but a superuser can make.
    IF NOT tokenward.is_plain(TG_RELID, key_column) THEN
        RETURN NULL;
    END IF;
    -- A user table that became a view, or was not there when this was hung up, names no owners.
    IF TG_ARGV[1] <> '' AND tokenward.is_plain(to_regclass(TG_ARGV[1]), TG_ARGV[3]) THEN
        owners := format('LEFT JOIN %s u ON u.%I = g.owner', TG_ARGV[1], TG_ARGV[2]);
        name := format('u.%I::text', TG_ARGV[3]);
    END IF;
    -- It is missing after a restore without the data of our tables.
    INSERT INTO tokenward.installation (salt)
    SELECT tokenward.new_salt() WHERE NOT EXISTS (SELECT FROM tokenward.installation)
        ON CONFLICT DO NOTHING;
    IF verb IS NULL OR actor IS NULL THEN
        verb := CASE TG_OP WHEN 'UPDATE' THEN 'regenerate' ELSE 'revoke' END;
    END IF;
    gone := format(
        'SELECT o.%1$I::text AS key, %2$s AS start, o.user_id AS owner, o.user_id::text AS user_id, %3$s AS was_live
           FROM %4$s o',
        key_column,
        -- Of a short key, made by hand, the half: the start of a key must not be the key.
        CASE WHEN is_drf THEN 'left(o.key::text, least(8, length(o.key::text) / 2))' ELSE 'left(o.token_key::text, 8)' END,
        CASE WHEN is_drf THEN 'true' ELSE 'coalesce(o.expiry > now(), true)' END,
        CASE TG_OP WHEN 'TRUNCATE' THEN TG_RELID::regclass::text ELSE 'tokenward_old' END);
    IF TG_OP = 'UPDATE' THEN
        -- What kept its key, or got it from another row, retired none. Compared byte by byte: a site's collation may
        -- hold two spellings to be equal.
        gone := gone || format(
            ' WHERE NOT EXISTS (SELECT FROM tokenward_new n WHERE n.%1$I::text COLLATE "C" = o.%1$I::text COLLATE "C")',
            key_column);
        EXECUTE 'SELECT EXISTS (' || gone || ')' INTO any_gone;
        IF NOT any_gone THEN
            RETURN NULL;
        END IF;
    END IF;
    retire := '
        WITH gone AS MATERIALIZED (' || gone || '), told AS (
            INSERT INTO tokenward.retired_key AS r
                   (digest, kind, start, user_id, username, retired, by, verb, leak, grace_until)
            SELECT sha256(i.salt || convert_to(g.key, ''UTF8'')), $1, g.start, g.user_id, %1$s, clock_timestamp(), $2,
                   CASE WHEN g.was_live THEN $3 ELSE ''expire'' END, $4, $5
              FROM gone g %2$s CROSS JOIN tokenward.installation i
            ON CONFLICT (digest) DO UPDATE
               SET user_id = excluded.user_id, username = excluded.username, retired = excluded.retired,
                   by = excluded.by, verb = excluded.verb, leak = excluded.leak, grace_until = excluded.grace_until,
                   told = NULL, told_by = NULL
            RETURNING r.start, r.user_id, r.username, r.verb
        ), live AS MATERIALIZED (SELECT * FROM told WHERE told.verb <> ''expire''
        ), written AS (
            -- A statement that retires very many keys gets one line: the keys themselves each have their row.
            INSERT INTO tokenward.audit (os_user, host, database, what, whom, key, result)
            SELECT $6, $7, current_database(), $3, coalesce(l.username, l.user_id), l.start, $8
              FROM live l WHERE $9 AND (SELECT count(*) FROM live) <= 100
            UNION ALL
            SELECT $6, $7, current_database(), $3, '''', NULL, $8 || '': '' || count(*) || '' keys''
              FROM live HAVING $9 AND count(*) > 100
        )
        SELECT count(*) FROM told';
    BEGIN
        EXECUTE format(retire, name, owners)
          USING TG_ARGV[0], coalesce(actor, role_name || '@' || host_name), verb, leak, grace,
                role_name, host_name, done, actor IS NULL;
    EXCEPTION WHEN OTHERS THEN
        -- The user table was changed since, or must not be read. The change goes on, and the owner's name is not told.
        EXECUTE format(retire, 'NULL::text', '')
          USING TG_ARGV[0], coalesce(actor, role_name || '@' || host_name), verb, leak, grace,
                role_name, host_name, done, actor IS NULL;
    END;
    IF TG_OP = 'UPDATE' THEN
        -- A key that was given back is one again.
        EXECUTE format(
            'DELETE FROM tokenward.retired_key r USING tokenward.installation i, tokenward_new n
              WHERE r.digest = sha256(i.salt || convert_to(n.%1$I::text, ''UTF8''))
                AND NOT EXISTS (SELECT FROM tokenward_old o WHERE o.%1$I::text COLLATE "C" = n.%1$I::text COLLATE "C")',
            key_column);
    END IF;
    RETURN NULL;
END
$retire$;

REVOKE ALL ON FUNCTION tokenward.retire(), tokenward.new_salt(), tokenward.is_plain(oid, text) FROM PUBLIC;

-- Lets whoever may change tokens or users write lines of the audit, and read it: no more than that. Who gets such a right
-- later is let in by asking again.
CREATE FUNCTION tokenward.admit_operators(user_table text) RETURNS void
LANGUAGE plpgsql
AS $admit$
DECLARE
    users pg_catalog.oid := pg_catalog.to_regclass(user_table);
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END
          FROM pg_catalog.pg_class c
          CROSS JOIN pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) acl
          LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee
         WHERE c.oid IN (users, pg_catalog.to_regclass('authtoken_token'), pg_catalog.to_regclass('knox_authtoken'))
           AND acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')
           AND (acl.grantee = 0 OR r.oid IS NOT NULL)
    LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA tokenward TO %s', grantee);
        EXECUTE pg_catalog.format('GRANT SELECT ON tokenward.audit, tokenward.audit_head, tokenward.installation,
                                       tokenward.retired_key TO %s', grantee);
        EXECUTE pg_catalog.format('GRANT INSERT (os_user, host, operator, database, what, whom, key, for_leak, result)
                                       ON tokenward.audit TO %s', grantee);
        EXECUTE pg_catalog.format('GRANT UPDATE (told, told_by) ON tokenward.retired_key TO %s', grantee);
    END LOOP;
END
$admit$;

REVOKE ALL ON FUNCTION tokenward.admit_operators(text) FROM PUBLIC;

-- Hangs the memory of retired keys on the token tables that exist, and takes an old one off first. The user table is
-- named as SQL writes it, its name column bare. An INSERT has no trigger: nothing retires by it, and making many tokens
-- costs no more than before.
CREATE FUNCTION tokenward.attach_records(user_table text, name_column text) RETURNS void
LANGUAGE plpgsql
AS $attach$
DECLARE
    users pg_catalog.oid := pg_catalog.to_regclass(user_table);
    users_path text;
    users_key text;
    site record;
    event text;
BEGIN
    SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), a.attname
      INTO users_path, users_key
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
     WHERE c.oid = users;
    FOR site IN
        SELECT c.oid::pg_catalog.regclass AS name, asked.kind
          FROM (VALUES ('authtoken_token', 'drf', ARRAY['key', 'user_id']),
                       ('knox_authtoken', 'knox', ARRAY['digest', 'token_key', 'user_id', 'expiry'])
               ) AS asked(path, kind, columns)
          JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.path)
         -- A table of that name which is not REST framework's or knox's is left alone.
         WHERE c.relkind = 'r'
           AND NOT EXISTS (
                   SELECT FROM pg_catalog.unnest(asked.columns) AS needed(name)
                    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                       WHERE a.attrelid = c.oid AND a.attname = needed.name AND NOT a.attisdropped))
    LOOP
        FOREACH event IN ARRAY ARRAY['UPDATE', 'DELETE', 'TRUNCATE'] LOOP
            EXECUTE pg_catalog.format('DROP TRIGGER IF EXISTS tokenward_retire_%s ON %s', pg_catalog.lower(event), site.name);
            EXECUTE pg_catalog.format(
                'CREATE TRIGGER tokenward_retire_%s %s %s ON %s %s FOR EACH STATEMENT
                     EXECUTE FUNCTION tokenward.retire(%L, %L, %L, %L)',
                pg_catalog.lower(event), CASE event WHEN 'TRUNCATE' THEN 'BEFORE' ELSE 'AFTER' END, event, site.name,
                CASE event WHEN 'UPDATE' THEN 'REFERENCING OLD TABLE AS tokenward_old NEW TABLE AS tokenward_new'
                           WHEN 'DELETE' THEN 'REFERENCING OLD TABLE AS tokenward_old' ELSE '' END,
                site.kind, coalesce(users_path, ''), coalesce(users_key, ''), name_column);
            EXECUTE pg_catalog.format('ALTER TABLE %s ENABLE ALWAYS TRIGGER tokenward_retire_%s', site.name, pg_catalog.lower(event));
        END LOOP;
    END LOOP;
    PERFORM tokenward.admit_operators(user_table);
END
$attach$;

REVOKE ALL ON FUNCTION tokenward.attach_records(text, text) FROM PUBLIC;
