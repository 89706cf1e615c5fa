"""tokenward on a database that Django made and goes on using: no migration of ours runs in it, ever."""

import datetime
import json
import random
import threading
import time
import unittest

from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from support import SECONDS, DjangoCase, dump, migrated, owner, url_of

User = get_user_model()


def make_users(prefix, count, **fields):
    return User.objects.bulk_create(User(username=f"{prefix}{n:04}", password="!", **fields) for n in range(count))


class Tokens(DjangoCase):
    def test_a_new_key_opens_and_an_old_one_does_not(self):
        alice = User.objects.create_user("alice")
        before = datetime.datetime.now(datetime.UTC)
        made = self.json("token", "generate", "alice")
        self.assertEqual(
            {name: made[name] for name in ("username", "user_id", "kind", "key", "new")},
            {"username": "alice", "user_id": alice.pk, "kind": "drf", "key": self.key_of(alice), "new": True},
        )
        token = Token.objects.get(user=alice)
        self.assertTrue(before <= token.created <= datetime.datetime.now(datetime.UTC), token.created)
        self.assertEqual(datetime.datetime.fromisoformat(made["created"]).replace(microsecond=0), token.created.replace(microsecond=0))
        self.assert_live(made["key"], "alice")

        again = self.json("token", "generate", "alice")
        self.assertEqual((again["key"], again["new"]), (made["key"], False))

        new = self.json("token", "regenerate", "alice")["key"]
        self.assertNotEqual(new, made["key"])
        self.assert_live(new, "alice")
        self.assert_dead(made["key"])

        self.succeed("token", "revoke", "alice")
        self.assert_dead(new)
        self.assertIsNone(self.key_of(alice))

    def test_a_key_that_django_made_is_ours_to_change(self):
        bob = User.objects.create_user("bob")
        old = Token.objects.create(user=bob).key
        self.assertEqual(self.json("token", "generate", "bob")["key"], old)
        new = self.json("token", "regenerate", "bob")["key"]
        self.assert_dead(old)
        self.assert_live(new, "bob")
        self.assertEqual(Token.objects.get_or_create(user=bob)[0].key, new)

    def test_a_dry_run_changes_nothing(self):
        carol = User.objects.create_user("carol")
        old = Token.objects.create(user=carol).key
        said = self.succeed("token", "regenerate", "carol", "--dry-run")
        self.assertIn(old[:8], said)
        self.assertNotIn(old, said)
        self.assert_live(old, "carol")

    def test_verify_says_whose_a_key_is(self):
        dora = User.objects.create_user("dora")
        key = Token.objects.create(user=dora).key
        self.assertIn("dora", self.succeed("verify", stdin=key + "\n"))
        self.assertIn("dora", self.succeed("verify", "--json", stdin=key + "\n"))
        self.fail_with(1, "verify", stdin="0" * 40 + "\n")

    def test_a_user_who_does_not_exist(self):
        for arguments in (["generate", "nobody"], ["regenerate", "nobody"], ["revoke", "nobody"]):
            self.assertIn("nobody", self.fail_with(1, "token", *arguments))
        refused = self.tokenward("token", "generate", "nobody", "--json")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("nobody", json.loads(refused.stdout)["error"]["message"])

    def test_nothing_of_ours_is_left_in_the_schema(self):
        User.objects.create_user("frida")
        self.succeed("token", "generate", "frida")
        self.succeed("token", "backfill", "--yes")
        self.assertEqual(dump(self.database), dump(migrated()))


class Command(DjangoCase):
    """`drf_create_token`, byte for byte what `manage.py drf_create_token` writes."""

    def test_new_and_existing(self):
        for name in ("plain", "per%cent", "zoë.王芳", "with space"):
            user = User.objects.create(username=name, password="!")
            with self.subTest(name):
                new = self.assert_same_as_django(name)
                self.assertEqual(new.stdout.decode(), f"Generated token {self.key_of(user)} for user {name}\n")
                self.assertEqual(self.tokenward("drf_create_token", name).stdout, new.stdout)

    def test_reset(self):
        user = User.objects.create_user("reset me")
        seen = {Token.objects.create(user=user).key}
        for words in (["-r", "reset me"], ["--reset", "reset me"], ["reset me", "-r"]):
            self.assertEqual(self.assert_same_as_django(*words).returncode, 0)
            self.assertNotIn(self.key_of(user), seen)
            seen.add(self.key_of(user))

    def test_reset_without_a_token_makes_one(self):
        user = User.objects.create_user("bare")
        self.assertEqual(self.assert_same_as_django("-r", "bare").returncode, 0)
        self.assertIsNotNone(self.key_of(user))

    def test_an_inactive_user_gets_one_too(self):
        User.objects.create_user("asleep", is_active=False)
        self.assertEqual(self.assert_same_as_django("asleep").returncode, 0)

    def test_an_unknown_user(self):
        for name in ("nobody", "", "Plain", "nö body"):
            with self.subTest(name):
                done = self.assert_same_as_django(name)
                self.assertEqual(done.returncode, 1)
                self.assertEqual(done.stderr.decode(), f"CommandError: Cannot create the Token: user {name} does not exist\n")


class Users(DjangoCase):
    PASSWORD = "größer als 72 Bytes: " + "密码" * 20

    def test_a_created_user_is_one_that_django_would_have_made(self):
        before = datetime.datetime.now(datetime.UTC)
        self.succeed("user", "create", "grace", stdin=self.PASSWORD + "\n")
        grace = User.objects.get(username="grace")
        grace.full_clean()
        self.assertTrue(before <= grace.date_joined <= datetime.datetime.now(datetime.UTC), grace.date_joined)
        self.assertEqual(
            (grace.is_active, grace.is_staff, grace.is_superuser, grace.last_login, grace.email, grace.first_name, grace.last_name),
            (True, False, False, None, "", "", ""),
        )
        self.assertRegex(grace.password, r"^bcrypt_sha256\$\$2b\$12\$[./A-Za-z0-9]{53}$")
        self.assertFalse(grace.check_password(self.PASSWORD + "x"))
        self.assertEqual(authenticate(username="grace", password=self.PASSWORD), grace)
        self.assertGreater(User.objects.create_user("heidi").pk, grace.pk)
        self.fail_with(1, "user", "create", "grace", stdin="once more\n")
        self.assertEqual(User.objects.filter(username="grace").count(), 1)

    def test_rest_framework_gives_the_token_for_a_password_of_ours(self):
        ivan = User.objects.create_user("ivan", password="old")
        self.succeed("user", "password", "ivan", stdin=self.PASSWORD + "\n")
        key = self.json("token", "generate", "ivan")["key"]

        def obtain(password):
            answer = APIClient().post("/api-token-auth/", {"username": "ivan", "password": password}, format="json")
            return answer.status_code, answer.json()

        self.assertEqual(obtain(self.PASSWORD), (200, {"token": key}))
        self.assertEqual(obtain("old")[0], 400)
        # Login made Django write the password anew in its own format; ours replaces that as well.
        ivan.refresh_from_db()
        self.assertTrue(ivan.password.startswith("pbkdf2_sha256$"), ivan.password[:14])
        self.succeed("user", "password", "ivan", stdin="newer\n")
        self.assertEqual(obtain("newer"), (200, {"token": key}))
        self.assertEqual(obtain(self.PASSWORD)[0], 400)

    def test_a_password_that_django_set_is_left_alone(self):
        for hasher in ("bcrypt_sha256", "pbkdf2_sha256", "argon2", "scrypt"):
            name = f"judy-{hasher}"
            stored = make_password("hers", hasher=hasher)
            User.objects.create(username=name, password=stored)
            with self.subTest(hasher):
                self.json("token", "generate", name)
                self.succeed("user", "off", name)
                self.succeed("user", "on", name)
                self.json("token", "regenerate", name)
                self.succeed("user", "show", name)
                self.succeed("token", "revoke", name)
                self.assertEqual(User.objects.get(username=name).password, stored)

    def test_off_and_on(self):
        kim = User.objects.create_user("kim")
        key = Token.objects.create(user=kim).key
        self.succeed("user", "off", "kim")
        self.assert_dead(key, "User inactive or deleted.")
        self.succeed("user", "on", "kim")
        self.assert_live(key, "kim")


class LeastRights(DjangoCase):
    """A role that may read the users and do with tokens as it likes, and nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with owner(cls.database) as server:
            server.execute("CREATE ROLE token_clerk LOGIN PASSWORD 'for these tests'")
            server.execute("GRANT SELECT ON auth_user TO token_clerk")
            server.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON authtoken_token TO token_clerk")
        cls.url = url_of(cls.database, "token_clerk", "for these tests")

    def test_everything_about_tokens_works(self):
        liam = User.objects.create_user("liam")
        first = self.json("token", "generate", "liam")["key"]
        self.assertIn("liam", self.succeed("verify", stdin=first + "\n"))
        self.assertIn("liam", self.succeed("token", "list"))
        self.assertIn("liam", self.succeed("user", "list"))
        second = self.json("token", "regenerate", "liam")["key"]
        self.assert_dead(first)
        self.assert_live(second, "liam")
        self.assertEqual(self.assert_same_as_django("liam").stdout.decode(), f"Generated token {second} for user liam\n")
        self.succeed("token", "revoke", "liam")
        self.assert_dead(second)
        users = [liam, *make_users("many", 50)]
        self.json("token", "backfill", "--yes")
        self.assert_one_token_each(users)

    def test_what_it_may_not_do_is_said_in_words(self):
        mia = User.objects.create_user("mia")
        refused = self.fail_with(3, "user", "off", "mia")
        self.assertIn("token_clerk", refused)
        self.assertIn("auth_user", refused)
        self.assertIn("update", refused.lower())
        mia.refresh_from_db()
        self.assertTrue(mia.is_active)
        self.assertIn("insert", self.fail_with(3, "user", "create", "noah", stdin="pw\n").lower())
        self.assertFalse(User.objects.filter(username="noah").exists())


class Backfill(DjangoCase):
    def test_every_active_user_then_every_user(self):
        active, asleep = make_users("on", 1200), make_users("off", 30, is_active=False)
        kept = Token.objects.create(user=active[7]).key
        self.succeed("token", "backfill", "--dry-run")
        self.assertEqual(Token.objects.count(), 1)
        self.assertNotEqual(self.fail_with(5, "token", "backfill"), "")
        self.assertEqual(Token.objects.count(), 1)
        self.json("token", "backfill", "--yes")
        self.assert_one_token_each(active)
        self.assertFalse(Token.objects.filter(user__in=asleep).exists())
        self.assertEqual(self.key_of(active[7]), kept)
        keys = dict(Token.objects.values_list("user_id", "key"))
        self.json("token", "backfill", "--all", "--yes")
        self.assert_one_token_each([*active, *asleep])
        self.assertEqual(keys, dict(Token.objects.filter(user__in=active).values_list("user_id", "key")))


class BackfillBesideDjango(DjangoCase):
    def test_many_users_from_both_sides(self):
        users = make_users("both", 3000)
        errors, stop = [], threading.Event()

        def work(mine):
            try:
                for user in mine:
                    if stop.is_set():
                        break
                    Token.objects.get_or_create(user=user)
            except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
                errors.append(error)
            finally:
                connection.close()

        # One from the far end towards tokenward, one here and there: both meet its batches.
        scattered = random.Random(1).sample(users, 1000)
        threads = [threading.Thread(target=work, args=[mine]) for mine in (users[::-1], scattered)]
        for thread in threads:
            thread.start()
        try:
            self.json("token", "backfill", "--yes")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(errors, [])
        self.assert_one_token_each(users)

    def test_a_token_that_django_is_just_about_to_commit(self):
        users = make_users("wait", 20)
        done = []
        with transaction.atomic():
            key = Token.objects.create(user=users[10]).key
            backfill = threading.Thread(target=lambda: done.append(self.tokenward("token", "backfill", "--yes")))
            backfill.start()
            self.wait_until_somebody_waits_for_us()
        backfill.join()
        self.assertEqual(done[0].returncode, 0, done[0].stderr.decode())
        self.assertEqual(self.key_of(users[10]), key)
        self.assert_one_token_each(users)

    def wait_until_somebody_waits_for_us(self):
        """The backfill must wait for our uncommitted row: on one user there can be one token."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (ours,) = cursor.fetchone()
        deadline = time.monotonic() + SECONDS
        with owner(self.database) as other:
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
            while other.execute(waiting, [ours]).fetchone() == (0,):
                self.assertLess(time.monotonic(), deadline, "the backfill never met the row")
                time.sleep(0.01)


if __name__ == "__main__":
    unittest.main()
