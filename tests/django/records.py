"""After `tokenward migrate` Django's own changes of tokens are in our audit, and `--undo` leaves what Django made."""

import hashlib
import json
import unittest

from django.contrib.auth import get_user_model
from rest_framework.authtoken.models import Token

from support import DjangoCase, create_database, dump, look_at, manage, migrated, owner, url_of

# Knox reads Django's settings as soon as it is imported, and those want what `support` sets.
from knox.models import AuthToken  # isort: skip

User = get_user_model()


class Records(DjangoCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.migrate("--yes")

    @classmethod
    def migrate(cls, *arguments):
        done = cls.tokenward(cls, "migrate", *arguments)
        assert done.returncode == 0, done.stderr.decode()

    def retired(self, text):
        """Whose key it was and what became of it, None for what never was one or still is."""
        with owner(self.database) as other:
            (salt,) = other.execute("SELECT salt FROM tokenward.installation").fetchone()
            digest = hashlib.sha256(bytes(salt) + text.encode()).digest()
            question = "SELECT kind, start, username, verb FROM tokenward.retired_key WHERE digest = %s"
            return other.execute(question, [digest]).fetchone()

    def lines(self, username):
        lines = self.json_lines("audit", "--user", username)
        return [(line["what"], line.get("key"), line["result"]) for line in reversed(lines)]

    def json_lines(self, *arguments):
        return [json.loads(line) for line in self.succeed(*arguments, "--json").splitlines()]

    def test_drf_create_token_reset(self):
        user = User.objects.create_user("olga")
        old = Token.objects.create(user=user).key
        done = manage(self.database, "drf_create_token", "-r", "olga")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        new = self.key_of(user)
        self.assertNotEqual(new, old)
        self.assertEqual(self.retired(old), ("drf", old[:8], "olga", "revoke"))
        self.assertIsNone(self.retired(new))
        self.assertEqual(self.lines("olga"), [("revoke", old[:8] + "…", "done, outside tokenward")])
        self.succeed("audit", "verify")

    def test_a_user_who_is_deleted(self):
        user = User.objects.create_user("piet")
        key = Token.objects.create(user=user).key
        row, _ = AuthToken.objects.create(user)
        digest, start = row.digest, row.token_key[:8]
        user.delete()
        self.assertEqual(self.retired(key), ("drf", key[:8], "piet", "revoke"))
        self.assertEqual(self.retired(digest), ("knox", start, "piet", "revoke"))
        self.assertEqual(len(self.lines("piet")), 2)

    def test_ours_is_written_once(self):
        user = User.objects.create_user("quin")
        old = Token.objects.create(user=user).key
        self.succeed("drf_create_token", "-r", "quin")
        self.assertEqual(self.lines("quin"), [("regenerate", old[:8] + "…", "done")])
        self.assertEqual(self.retired(old), ("drf", old[:8], "quin", "regenerate"))

    def test_undo_leaves_what_django_made(self):
        name = "undone"
        create_database(name, template=migrated())
        look_at(name)
        self.addCleanup(look_at, self.database)
        user = User.objects.create_user("rosa")
        Token.objects.create(user=user)
        before = dump(name)
        for words in (["migrate", "--yes"], ["drf_create_token", "-r", "rosa"], ["migrate", "--undo", "--yes"]):
            self.succeed(*words, url=url_of(name))
        self.assertEqual(dump(name), before)
        self.assertTrue(Token.objects.filter(user=user).exists())


if __name__ == "__main__":
    unittest.main()
