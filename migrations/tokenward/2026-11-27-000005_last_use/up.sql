-- When each token was last used with our listener, and from where. The listener writes many at a time and seldom; Django
-- knows nothing of it.

-- Since when, and until when, a listener has been writing uses down; none before the first does. Nobody can tell what was
-- used before, or while no listener ran.
ALTER TABLE tokenward.installation ADD COLUMN uses_since timestamptz, ADD COLUMN uses_last timestamptz;

CREATE TABLE tokenward.last_use (
    kind      text        NOT NULL CHECK (kind IN ('drf', 'knox')),
    -- Whose token of REST framework it is, for each user has one; of a token of knox its digest.
    id        text        NOT NULL,
    -- When the token was made that was used: one that took its place since was not.
    made      timestamptz NOT NULL,
    at        timestamptz NOT NULL,
    -- The last first.
    addresses inet[]      NOT NULL CHECK (cardinality(addresses) <= 8),
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 80);

-- Lets those who may change tokens or users write down uses too: a listener runs as one of them.
CREATE FUNCTION tokenward.attach_uses(user_table text, name_column text) RETURNS void
LANGUAGE plpgsql
AS $attach$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT CASE acl.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(r.rolname) END
          FROM pg_catalog.pg_class c
          CROSS JOIN pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) acl
          LEFT JOIN pg_catalog.pg_roles r ON r.oid = acl.grantee
         WHERE c.oid IN (pg_catalog.to_regclass(user_table), pg_catalog.to_regclass('authtoken_token'),
                         pg_catalog.to_regclass('knox_authtoken'))
           AND acl.privilege_type IN ('INSERT', 'UPDATE', 'DELETE')
           AND (acl.grantee = 0 OR r.oid IS NOT NULL)
    LOOP
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA tokenward TO %s', grantee);
        EXECUTE pg_catalog.format('GRANT SELECT, UPDATE (uses_since, uses_last) ON tokenward.installation TO %s', grantee);
        EXECUTE pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON tokenward.last_use TO %s', grantee);
    END LOOP;
END
$attach$;

REVOKE ALL ON FUNCTION tokenward.attach_uses(text, text) FROM PUBLIC;
