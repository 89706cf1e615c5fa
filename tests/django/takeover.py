"""Django takes over the private database: it finds its tables as it would have made them, and nothing to do."""

import unittest

from django.contrib.auth import get_user_model

import support
from support import PRIVATE, DjangoCase, create_database, dump, look_at, manage, owner, url_of

# Knox reads Django's settings as soon as it is imported, and those want what `support` sets.
from knox.auth import TokenAuthentication  # isort: skip
from knox.models import AuthToken  # isort: skip

User = get_user_model()


class Takeover(DjangoCase):
    """Works on the private database itself, which `run` has only just had made."""

    @classmethod
    def setUpClass(cls):
        cls.database = PRIVATE["dbname"]
        cls.url = support.PRIVATE_URL
        look_at(cls.database)
        cls.addClassCleanup(support.connection.close)

    def manage(self, *arguments):
        done = manage(self.database, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()

    def test_django_finds_nothing_to_migrate(self):
        self.manage("migrate", "--check")
        self.assertIn("No changes detected", self.manage("makemigrations", "--check"))
        self.manage("check", "--database", "default")

    def test_nor_does_a_site_without_knox(self):
        self.manage("migrate", "--check", "--settings=project.settings_without_knox")
        self.assertIn("No changes detected", self.manage("makemigrations", "--check", "--settings=project.settings_without_knox"))

    def test_knox_goes_on_with_its_table(self):
        user = User.objects.create_user("harriet")
        row, key = AuthToken.objects.create(user)
        self.assertEqual(TokenAuthentication().authenticate_credentials(key.encode()), (user, row))
        user.delete()
        self.assertFalse(AuthToken.objects.filter(pk=row.pk).exists())

    def test_the_schema_is_the_one_that_migrate_makes(self):
        create_database("migrated_from_nothing")
        self.assertEqual(manage("migrated_from_nothing", "migrate").returncode, 0)
        # Our triggers hang on Django's tables, and go with `tokenward migrate --undo`.
        triggers = ("tokenward_tell_", "tokenward_retire_", "tokenward_end_grace")
        lines = dump(self.database, "--schema=public")
        ours = [line for line in lines if not any(name in line for name in triggers)]
        self.assertEqual(ours, dump("migrated_from_nothing", "--schema=public"))

        def applied(name):
            with owner(name) as other:
                return other.execute("SELECT id, app, name FROM public.django_migrations ORDER BY id").fetchall()

        self.assertEqual(applied(self.database), applied("migrated_from_nothing"))

    def test_django_goes_on_with_our_users(self):
        self.succeed("user", "create", "Bartholomew", stdin="tide and time\n")
        key = self.json("token", "generate", "Bartholomew")["key"]
        self.assertIn("No migrations to apply", self.manage("migrate"))
        self.assertEqual(self.manage("drf_create_token", "Bartholomew"), f"Generated token {key} for user Bartholomew\n")
        self.assert_live(key, "Bartholomew")
        # Django's next user gets the next id: both draw on one sequence.
        made = User.objects.create_user("after", password=None)
        self.assertGreater(made.pk, User.objects.get(username="Bartholomew").pk)
        self.assertRegex(self.manage("drf_create_token", "after"), r"^Generated token [0-9a-f]{40} for user after\n$")
        self.assert_live(self.key_of(made), "after")

    def test_the_url_is_one_that_libpq_takes(self):
        with owner(self.database) as other:
            self.assertEqual(other.execute("SELECT current_database()").fetchone(), (self.database,))
        # Ours, put together from its parts, names the same place.
        self.assertEqual(self.succeed("token", "list", url=url_of(self.database)), self.succeed("token", "list"))


if __name__ == "__main__":
    unittest.main()
