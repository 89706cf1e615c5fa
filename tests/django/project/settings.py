"""A Django site as small as one with tokens can be. What is not named here keeps its default."""

import os

from psycopg.conninfo import conninfo_to_dict


def database(url):
    """Django's settings for a database, from any connection string that libpq takes."""
    rest = conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    settings = {django: rest.pop(libpq, "") for django, libpq in names.items()}
    return {"ENGINE": "django.db.backends.postgresql", **settings, "OPTIONS": rest}


SECRET_KEY = "only tests are served"
ALLOWED_HOSTS = ["*"]
DATABASES = {"default": database(os.environ["DATABASE_URL"])}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "rest_framework.authtoken",
    "knox",
]
ROOT_URLCONF = "project.urls"
USE_TZ = True
REST_FRAMEWORK = {
    # The browsable API would want templates and static files.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
