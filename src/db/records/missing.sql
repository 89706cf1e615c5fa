-- One row: whether the memory of retired keys, or a right to write to the audit, is missing.
-- $1 the user table as SQL writes it, $2 the body of retire(). What counts as a token table is what attach_records() takes
-- for one.
WITH ours AS (
    SELECT c.oid, n.oid AS schema
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'tokenward' AND c.relname = 'audit'
), retire AS (
    SELECT p.oid
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'tokenward' AND p.proname = 'retire' AND p.pronargs = 0 AND p.prosecdef AND p.prosrc = $2
), watched AS (
    SELECT c.oid
      FROM (VALUES ('authtoken_token', ARRAY['key', 'user_id']),
                   ('knox_authtoken', ARRAY['digest', 'token_key', 'user_id', 'expiry'])) AS asked(path, columns)
      JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.path) AND c.relkind = 'r'
     WHERE NOT EXISTS (
               SELECT FROM pg_catalog.unnest(asked.columns) AS needed(name)
                WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
                                   WHERE a.attrelid = c.oid AND a.attname = needed.name AND NOT a.attisdropped))
), writers AS (
    SELECT DISTINCT acl.grantee
      FROM pg_catalog.pg_class c
      CROSS JOIN pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) acl
      LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee
     WHERE c.oid IN (pg_catalog.to_regclass($1), pg_catalog.to_regclass('authtoken_token'),
                     pg_catalog.to_regclass('knox_authtoken'))
       AND acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')
       AND (acl.grantee = 0 OR r.oid IS NOT NULL)
)
SELECT NOT EXISTS (SELECT FROM ours)
    -- tgtype: 8 DELETE, 16 UPDATE; 32 TRUNCATE and 2 before it.
    OR EXISTS (SELECT FROM watched w
                WHERE (SELECT count(DISTINCT t.tgtype)
                         FROM pg_catalog.pg_trigger t JOIN retire ON retire.oid = t.tgfoid
                        WHERE t.tgrelid = w.oid AND t.tgenabled = 'A' AND t.tgtype IN (8, 16, 34)) < 3)
    OR EXISTS (SELECT FROM writers w CROSS JOIN ours o
                WHERE NOT (pg_catalog.has_schema_privilege(w.grantee, o.schema, 'USAGE')
                           AND pg_catalog.has_any_column_privilege(w.grantee, o.oid, 'INSERT')
                           AND pg_catalog.has_table_privilege(w.grantee, o.oid, 'SELECT'))) AS missing
