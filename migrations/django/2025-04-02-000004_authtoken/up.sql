-- rest_framework.authtoken: 0001 makes the table; 0002 to 0004 change only what Django knows of it.
CREATE TABLE public.authtoken_token (
    key     varchar(40) NOT NULL PRIMARY KEY,
    created timestamp with time zone NOT NULL,
    user_id integer     NOT NULL UNIQUE,
    CONSTRAINT authtoken_token_user_id_35299eff_fk_auth_user_id FOREIGN KEY (user_id)
        REFERENCES public.auth_user (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX authtoken_token_key_10f0b77e_like ON public.authtoken_token (key varchar_pattern_ops);

INSERT INTO public.django_migrations (app, name, applied) VALUES
    ('authtoken', '0001_initial', now()),
    ('authtoken', '0002_auto_20160226_1747', now()),
    ('authtoken', '0003_tokenproxy', now()),
    ('authtoken', '0004_alter_tokenproxy_options', now());
