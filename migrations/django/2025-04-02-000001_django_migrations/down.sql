DROP TABLE public.django_migrations;
