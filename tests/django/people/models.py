"""A user model that shares little with Django's own: another table, another key, an address for a name."""

import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class PersonManager(BaseUserManager):
    def create_user(self, email, password=None):
        person = self.model(email=self.normalize_email(email))
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    uuid = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "email"
    objects = PersonManager()

    class Meta:
        # Capitals and a space: a name that works only where it is quoted.
        db_table = "Company People"
