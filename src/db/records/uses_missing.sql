-- One row: whether the table of last uses is missing, or somebody who may change tokens or the user table $1, as SQL writes
-- it, may not write to it.
WITH ours AS (
    SELECT c.oid, n.oid AS schema
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'tokenward' AND c.relname = 'last_use'
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
    OR EXISTS (SELECT FROM writers w CROSS JOIN ours o
                WHERE NOT (pg_catalog.has_schema_privilege(w.grantee, o.schema, 'USAGE')
                           AND pg_catalog.has_table_privilege(w.grantee, o.oid, 'SELECT')
                           AND pg_catalog.has_table_privilege(w.grantee, o.oid, 'INSERT')
                           AND pg_catalog.has_table_privilege(w.grantee, o.oid, 'UPDATE')
                           AND pg_catalog.has_table_privilege(w.grantee, o.oid, 'DELETE'))) AS missing
