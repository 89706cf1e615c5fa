-- What `tokenward migrate --auto-token on` stands on: a new user gets a token in the same transaction,
-- whoever inserts the row. The trigger itself is attached by auto_token_on.sql, because the name of the
-- user table and of its key differ from site to site. Schema tokenward is made before this runs.

-- A key as Django REST framework makes it: 40 lower-case hex digits (Token.generate_key).
-- Two random UUIDs hold 244 random bits; their hash is cut to the 160 bits of a key.
-- gen_random_uuid() and sha256() are built in since Postgres 13 and draw on the server's strong
-- randomness, so no extension is needed.
CREATE FUNCTION tokenward.make_key() RETURNS varchar
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
    SELECT pg_catalog.left(
        pg_catalog.encode(
            pg_catalog.sha256(
                pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())),
            'hex'),
        40)
$$;

-- Trigger function: first argument the user table's primary key column, second the schema of
-- authtoken_token. It runs once a statement and reads the new rows as a set, so a bulk insert of users
-- costs one INSERT, not one for each. Users of every kind get a token, inactive ones too, as with
-- the post_save signal that REST framework's documentation shows.
-- It runs with its owner's rights: who may insert a user need not be allowed to touch tokens. The
-- search path is pinned, or that user could slip in functions and operators of his own.
CREATE FUNCTION tokenward.give_token() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format(
        'INSERT INTO %I.authtoken_token (key, created, user_id)
         SELECT tokenward.make_key(), now(), %I FROM tokenward_new_users
         ON CONFLICT DO NOTHING',
        TG_ARGV[1], TG_ARGV[0]);
    RETURN NULL;
END
$$;

-- A trigger needs no EXECUTE right to fire. Without it nobody else can hang the function on a table of
-- his own and have tokens made for users he names.
REVOKE ALL ON FUNCTION tokenward.make_key(), tokenward.give_token() FROM PUBLIC;
