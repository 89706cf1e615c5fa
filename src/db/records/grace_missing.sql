-- One row: whether the user table $1, as SQL writes it, lacks the trigger that ends a grace. What has no switch needs none.
SELECT EXISTS (
           SELECT FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisprimary
             JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'is_active' AND NOT a.attisdropped
              AND a.atttypid = 'pg_catalog.bool'::pg_catalog.regtype
            WHERE c.oid = pg_catalog.to_regclass($1) AND c.relkind IN ('r', 'p'))
   AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger t
             JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.proname = 'end_grace_of_user'
             JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND n.nspname = 'tokenward'
            WHERE t.tgrelid = pg_catalog.to_regclass($1) AND t.tgenabled = 'A') AS missing
