DROP TABLE public.knox_authtoken;
DELETE FROM public.django_migrations WHERE app = 'knox';
