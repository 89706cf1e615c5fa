"""The same site with a user model of its own."""

from .settings import *  # noqa: F401,F403
from .settings import INSTALLED_APPS

INSTALLED_APPS = ["people", *INSTALLED_APPS]
AUTH_USER_MODEL = "people.Person"
