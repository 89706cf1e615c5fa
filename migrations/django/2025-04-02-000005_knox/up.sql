-- django-rest-knox 5.1: 0001 to 0009 make the table by way of a salt and a shorter token_key that are gone again. What
-- stands here is the end of that road. Only the digest of a key is kept; `token_key`, the key's first characters,
-- finds it.
-- A site that took this database over may have knox of its own already: the table, or with KNOX_TOKEN_MODEL only the
-- rows of its migrations. Then it stays as it is.
DO $$
BEGIN
    IF to_regclass('public.knox_authtoken') IS NOT NULL
        OR EXISTS (SELECT FROM public.django_migrations WHERE app = 'knox')
    THEN
        RETURN;
    END IF;

    CREATE TABLE public.knox_authtoken (
        digest    varchar(128) NOT NULL PRIMARY KEY,
        created   timestamp with time zone NOT NULL,
        user_id   integer      NOT NULL,
        expiry    timestamp with time zone,
        token_key varchar(25)  NOT NULL,
        CONSTRAINT knox_authtoken_user_id_e5a5d899_fk_auth_user_id FOREIGN KEY (user_id)
            REFERENCES public.auth_user (id) DEFERRABLE INITIALLY DEFERRED
    );
    CREATE INDEX knox_authtoken_digest_188c7e77_like ON public.knox_authtoken (digest varchar_pattern_ops);
    CREATE INDEX knox_authtoken_user_id_e5a5d899 ON public.knox_authtoken (user_id);
    CREATE INDEX knox_authtoken_token_key_8f4f7d47 ON public.knox_authtoken (token_key);
    CREATE INDEX knox_authtoken_token_key_8f4f7d47_like ON public.knox_authtoken (token_key varchar_pattern_ops);

    INSERT INTO public.django_migrations (app, name, applied) VALUES
        ('knox', '0001_initial', now()),
        ('knox', '0002_auto_20150916_1425', now()),
        ('knox', '0003_auto_20150916_1526', now()),
        ('knox', '0004_authtoken_expires', now()),
        ('knox', '0005_authtoken_token_key', now()),
        ('knox', '0006_auto_20160818_0932', now()),
        ('knox', '0007_auto_20190111_0542', now()),
        ('knox', '0008_remove_authtoken_salt', now()),
        ('knox', '0009_extend_authtoken_field', now());
END
$$;
