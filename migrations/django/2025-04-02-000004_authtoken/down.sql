DROP TABLE public.authtoken_token;
DELETE FROM public.django_migrations WHERE app = 'authtoken';
