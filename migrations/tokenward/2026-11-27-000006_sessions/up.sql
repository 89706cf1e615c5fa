-- The audit says which role wrote a line, whatever the line says of who did it; and what retires a key in the name of
-- tokenward leaves a line, whether or not it was tokenward.

-- None in lines from before. The guard sets it, whatever was asked for, and those who may write lines have no right to it.
ALTER TABLE tokenward.audit ADD COLUMN session text;

-- The same form as before for a line without a session, so that older lines still hold; a session that is taken out, put
-- in or changed makes another hash.
CREATE OR REPLACE FUNCTION tokenward.audit_hash(line tokenward.audit, id bigint, prev bytea) RETURNS bytea
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $hash$
    SELECT sha256(convert_to(
        encode(prev, 'hex') || string_agg(
            CASE WHEN field.value IS NULL THEN '-'
                 ELSE octet_length(convert_to(field.value, 'UTF8')) || ':' || field.value END,
            '' ORDER BY field.place),
        'UTF8'))
      FROM unnest(ARRAY[
               id::text, to_char(line.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), line.os_user, line.host,
               line.operator, line.database, line.what, line.whom, line.key, line.for_leak::text, line.result
           ] || CASE WHEN line.session IS NULL THEN '{}' ELSE ARRAY[line.session] END) WITH ORDINALITY AS field(value, place)
$hash$;

CREATE OR REPLACE FUNCTION tokenward.guard_audit() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.hash IS NULL AND OLD.id < 0 AND (NEW.id > 0 OR NEW.prev = '') THEN
        -- Its place in the chain, or that it waits for one, and nothing else.
        OLD.id := NEW.id;
        OLD.prev := NEW.prev;
        OLD.hash := NEW.hash;
        IF OLD IS NOT DISTINCT FROM NEW THEN
            RETURN NEW;
        END IF;
    ELSIF TG_OP = 'INSERT' THEN
        IF NEW.id > 0 AND NEW.hash IS NOT NULL AND current_setting('session_replication_role') = 'replica' THEN
            -- Copied whole by a superuser or for a subscriber; `audit verify` sees what was altered.
            RETURN NEW;
        END IF;
        -- Place, hashes and who is connected are given here, whatever was asked for.
        NEW.prev := NULL;
        NEW.hash := NULL;
        NEW.session := session_user;
        IF NEW.id >= 0 THEN
            RAISE EXCEPTION 'a line of tokenward.audit gets its place when it is committed'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'tokenward.audit is append only' USING ERRCODE = 'insufficient_privilege';
END
$guard$;

-- Whether a line says that this key was retired: by the key, of which it may say more where that is short; or, where it names
-- none, by its owner. His name may have been changed since the line's writer read it, and then the key is what counts, or
-- the owner's id, which who writes one line for all of an owner's keys gives in a setting. Without a path of its own it
-- becomes part of the question that asks it: a thousand keys with a thousand lines are a million calls.
CREATE FUNCTION tokenward.tells_of(line tokenward.audit, gone tokenward.retired_key) RETURNS boolean
LANGUAGE sql STABLE
AS $tells$
    SELECT line.what IN ('regenerate', 'revoke', 'undo', 'logout', 'logoutall')
       AND CASE WHEN line.key IS NULL
                THEN line.whom IN (gone.username, gone.user_id)
                     OR line.what = 'logoutall' AND pg_catalog.current_setting('tokenward.owner', true) = gone.user_id
                WHEN gone.start = '' THEN line.whom IN (gone.username, gone.user_id)
                ELSE pg_catalog.starts_with(line.key, gone.start) END
$tells$;

-- Whoever says that he is tokenward is believed by tokenward.retire() and writes his lines himself. This looks at the
-- commit whether he did, for each key that was retired so, and writes the line that is missing under the role's name.
CREATE FUNCTION tokenward.hold_to_account() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- Before statistics were made, a third of a table is thought to be below zero.
SET enable_seqscan = off
AS $hold$
DECLARE
    name text := coalesce(NEW.username, NEW.user_id);
    role_name text := session_user || coalesce(' (' || nullif(current_setting('application_name', true), '') || ')', '');
    host_name text := coalesce(host(inet_client_addr()), 'local');
    done text := 'done, outside tokenward';
    verb text := CASE NEW.verb WHEN 'regenerate' THEN 'regenerate' ELSE 'revoke' END;
    told bigint;
    is_summed boolean;
BEGIN
    -- Given back since, or retired again, which has its own turn.
    IF NOT EXISTS (SELECT FROM tokenward.retired_key r WHERE r.digest = NEW.digest AND r.retired = NEW.retired) THEN
        RETURN NULL;
    END IF;
    -- A line of this transaction is one that waits for its place, since nobody else's is seen before it has one. They are
    -- few, and the primary key has them together; the owner's other lines, which may be very many, are not looked at.
    IF EXISTS (SELECT FROM tokenward.audit a
                WHERE a.id < 0 AND a.hash IS NULL AND (a.prev IS NULL OR a.xmin = pg_current_xact_id()::xid)
                  AND tokenward.tells_of(a, NEW))
    -- Or it was sealed just now, before this looks, as where the line was written first: such are the chain's end.
       OR EXISTS (SELECT FROM tokenward.audit a
                   WHERE a.id > (SELECT h.last - 2000 FROM tokenward.audit_head h)
                     AND a.xmin = pg_current_xact_id()::xid AND tokenward.tells_of(a, NEW))
    THEN
        RETURN NULL;
    END IF;
    UPDATE tokenward.retired_key r SET by = role_name || '@' || host_name WHERE r.digest = NEW.digest;
    -- A transaction that retires very many keys gets a hundred lines and one for the rest, as a statement does.
    SELECT count(*) FILTER (WHERE a.result = done), coalesce(bool_or(a.result = done || ': more keys'), false)
      INTO told, is_summed
      FROM tokenward.audit a
     WHERE a.id < 0 AND a.hash IS NULL AND a.prev IS NULL;
    IF NOT is_summed THEN
        INSERT INTO tokenward.audit (os_user, host, database, what, whom, key, result)
        SELECT role_name, host_name, current_database(), verb, line.whom, line.key, line.result
          FROM (SELECT name AS whom, NEW.start AS key, done AS result WHERE told < 100
                UNION ALL SELECT '', NULL, done || ': more keys' WHERE told >= 100) AS line;
    END IF;
    RETURN NULL;
END
$hold$;

-- What was done by others has its lines already, and queues nothing here.
CREATE CONSTRAINT TRIGGER hold_to_account AFTER INSERT OR UPDATE OF retired ON tokenward.retired_key
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('tokenward.actor', true) <> '') EXECUTE FUNCTION tokenward.hold_to_account();
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER hold_to_account;

REVOKE ALL ON FUNCTION tokenward.hold_to_account(), tokenward.tells_of(tokenward.audit, tokenward.retired_key) FROM PUBLIC;

-- The grace of an owner ends with a key that is retired without, once a statement now: a site that deletes very many tokens
-- waited for each.
CREATE OR REPLACE FUNCTION tokenward.end_grace() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $end$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE tokenward.retired_key r SET grace_until = NULL
         WHERE r.grace_until IS NOT NULL
           AND r.user_id IN (SELECT n.user_id FROM tokenward_new n WHERE n.kind = 'drf' AND n.grace_until IS NULL);
    -- `retired` is set by what retires a key again, and by nothing else: the statement above comes here, and ends here.
    ELSIF EXISTS (SELECT FROM tokenward_new n JOIN tokenward_old o USING (digest) WHERE n.retired <> o.retired) THEN
        UPDATE tokenward.retired_key r SET grace_until = NULL
         WHERE r.grace_until IS NOT NULL
           AND r.user_id IN (SELECT n.user_id FROM tokenward_new n JOIN tokenward_old o USING (digest)
                              WHERE n.retired <> o.retired AND n.kind = 'drf' AND n.grace_until IS NULL);
    END IF;
    RETURN NULL;
END
$end$;

DROP TRIGGER end_grace ON tokenward.retired_key;
CREATE TRIGGER end_grace AFTER INSERT ON tokenward.retired_key REFERENCING NEW TABLE AS tokenward_new
    FOR EACH STATEMENT EXECUTE FUNCTION tokenward.end_grace();
CREATE TRIGGER end_grace_again AFTER UPDATE ON tokenward.retired_key
    REFERENCING OLD TABLE AS tokenward_old NEW TABLE AS tokenward_new
    FOR EACH STATEMENT EXECUTE FUNCTION tokenward.end_grace();
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER end_grace;
ALTER TABLE tokenward.retired_key ENABLE ALWAYS TRIGGER end_grace_again;
