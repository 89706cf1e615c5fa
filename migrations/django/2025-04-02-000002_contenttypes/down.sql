DROP TABLE public.django_content_type;
DELETE FROM public.django_migrations WHERE app = 'contenttypes';
