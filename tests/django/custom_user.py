"""A site with a user model of its own: UUIDs for keys, an address for a name, a table that wants quoting."""

import json
import os
import pathlib
import unittest

from django.contrib.auth import authenticate, get_user_model
from django.db import transaction

from support import DjangoCase, dump, migrated

Person = get_user_model()


class CustomUser(DjangoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.config = pathlib.Path(os.environ["HOME"], "custom.toml")
        cls.config.touch(mode=0o600)  # it holds a password
        cls.config.write_text(
            "[profile.site]\n"
            f"url = {json.dumps(cls.url)}\n"
            'user_table = "Company People"\n'
            'username_column = "email"\n'
        )

    def tokenward(self, *arguments, **more):
        return super().tokenward("--config", str(self.config), "--profile", "site", *arguments, **more)

    def test_tokens(self):
        anna = Person.objects.create_user("anna@example.test")
        made = self.json("token", "generate", "anna@example.test")
        self.assertEqual((made["username"], made["user_id"]), ("anna@example.test", str(anna.pk)))
        self.assert_live(made["key"], "anna@example.test")
        new = self.json("token", "regenerate", "anna@example.test")["key"]
        self.assert_dead(made["key"])
        self.assert_live(new, "anna@example.test")
        self.assertIn("anna@example.test", self.succeed("verify", stdin=new + "\n"))
        self.assertIn("anna@example.test", self.succeed("token", "list"))
        self.succeed("token", "revoke", "anna@example.test")
        self.assert_dead(new)

    def test_drf_create_token(self):
        Person.objects.create_user("ben@example.test")
        for arguments in (["ben@example.test"], ["-r", "ben@example.test"]):
            self.assertEqual(self.assert_same_as_django(*arguments).returncode, 0)
        self.assertEqual(self.assert_same_as_django("nobody@example.test").returncode, 1)

    def test_backfill(self):
        made = Person.objects.bulk_create(Person(email=f"n{n}@example.test", password="!") for n in range(1500))
        self.json("token", "backfill", "--yes")
        self.assert_one_token_each(made)

    def test_password_and_off(self):
        Person.objects.create_user("cleo@example.test", password="old")
        key = self.json("token", "generate", "cleo@example.test")["key"]
        self.succeed("user", "password", "cleo@example.test", stdin="new one\n")
        self.assertIsNotNone(authenticate(username="cleo@example.test", password="new one"))
        self.assertIsNone(authenticate(username="cleo@example.test", password="old"))
        self.succeed("user", "off", "cleo@example.test")
        self.assert_dead(key, "User inactive or deleted.")
        self.succeed("user", "on", "cleo@example.test")
        self.assert_live(key, "cleo@example.test")

    def test_auto_token_and_undo(self):
        self.succeed("migrate", "--auto-token", "on", "--yes")
        with transaction.atomic():
            self.assert_one_token_each([Person.objects.create_user("dina@example.test")])
        made = Person.objects.bulk_create(Person(email=f"b{n}@example.test", password="!") for n in range(100))
        self.assert_one_token_each(made)
        self.succeed("migrate", "--undo", "--yes")
        self.assertEqual(dump(self.database), dump(migrated()))
        self.assertIsNone(self.key_of(Person.objects.create_user("emil@example.test")))


if __name__ == "__main__":
    unittest.main()
