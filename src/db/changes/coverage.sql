-- One row about the session, its server and the change notices: asked at every heartbeat.
-- $1 the user table as SQL writes it, $2 its name column, quoted, $3 whether groups are read, $4 the body of tell().
WITH tell AS (
    SELECT p.oid, p.xmin::text AS version
      FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'tokenward' AND p.proname = 'tell' AND p.pronargs = 0 AND p.prosecdef AND p.prosrc = $4
), watched AS (
    SELECT c.oid, c.relname::text AS name, c.relfilenode, asked.events,
           -- Rows that come by another way than the table itself fire none of its statement triggers.
           c.relkind = 'r' AND NOT c.relispartition AND NOT c.relhassubclass
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid) AS is_plain,
           CASE WHEN asked.is_user THEN
               (SELECT pg_catalog.array_agg(a.attname::text)
                  FROM pg_catalog.pg_attribute a
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                   AND (a.attname IN ('is_active', 'email', 'first_name', 'last_name')
                        OR '"' || pg_catalog.replace(a.attname::text, '"', '""') || '"' = $2))
           END AS columns
      FROM (VALUES ('authtoken_token', false, true, 56), ('knox_authtoken', false, true, 56), ($1::text, true, true, 56),
                   ('auth_user_groups', false, $3::boolean, 60), ('auth_group', false, $3, 56)
           ) AS asked(path, is_user, counts, events)
      JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.path)
     WHERE asked.counts
), covered AS (
    SELECT w.name, w.oid, w.relfilenode,
           w.is_plain AND coalesce(pg_catalog.bit_or(t.tgtype) & w.events = w.events, false) AS is_covered,
           pg_catalog.string_agg(pg_catalog.concat_ws(' ', t.oid, t.xmin, t.version), ',' ORDER BY t.oid) AS triggers
      FROM watched w
      -- tgtype: 4 INSERT, 8 DELETE, 16 UPDATE, 32 TRUNCATE; a trigger for each row, before or instead has 1, 2 or 64.
      LEFT JOIN (SELECT t.oid, t.xmin::text AS xmin, t.tgrelid, t.tgtype::integer AS tgtype, t.tgargs, tell.version
                   FROM pg_catalog.pg_trigger t JOIN tell ON tell.oid = t.tgfoid
                  WHERE t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgtype & 67 = 0) AS t
             ON t.tgrelid = w.oid
            AND NOT (t.tgtype = 16 AND EXISTS (
                    SELECT FROM pg_catalog.unnest(w.columns) AS needed(name)
                     WHERE pg_catalog.position('\000'::bytea || t.tgargs,
                                    '\000'::bytea || pg_catalog.convert_to(needed.name, 'UTF8') || '\000'::bytea) = 0))
     GROUP BY w.name, w.oid, w.relfilenode, w.is_plain, w.events
)
SELECT pg_catalog.pg_backend_pid() AS pid,
       pg_catalog.pg_is_in_recovery() AS is_standby,
       EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS c(name) WHERE c.name = 'tokenward') AS is_listening,
       pg_catalog.concat_ws(' ', pg_catalog.pg_postmaster_start_time(),
           (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) AS server,
       (SELECT pg_catalog.string_agg(c.name, ', ' ORDER BY c.name) FROM covered c WHERE NOT c.is_covered) AS uncovered,
       (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(':', c.oid, c.relfilenode, c.triggers), ';' ORDER BY c.oid)
          FROM covered c) AS fingerprint
