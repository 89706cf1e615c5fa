"""`tokenward migrate --auto-token on`: whoever makes a user, the token comes with it, in the same transaction."""

import unittest

from django.contrib.auth import get_user_model
from django.db import transaction
from rest_framework.authtoken.models import Token

from support import DjangoCase, dump, migrated, owner

User = get_user_model()


class AutoToken(DjangoCase):
    def setUp(self):
        self.succeed("migrate", "--auto-token", "on", "--yes")

    def test_django_makes_a_user(self):
        with transaction.atomic():
            olga = User.objects.create_user("olga")
            key = self.key_of(olga)  # there already, before the commit
            self.assert_one_token_each([olga])
        self.assert_live(key, "olga")
        self.assertEqual(Token.objects.get_or_create(user=olga)[0].key, key)

    def test_many_at_once_and_inactive_ones(self):
        made = User.objects.bulk_create(User(username=f"p{n}", password="!", is_active=n % 2 == 0) for n in range(500))
        self.assert_one_token_each(made)

    def test_a_rolled_back_user_leaves_no_token(self):
        before = Token.objects.count()
        with transaction.atomic():
            User.objects.create_user("quentin")
            self.assertEqual(Token.objects.count(), before + 1)
            transaction.set_rollback(True)
        self.assertEqual(Token.objects.count(), before)

    def test_our_own_user_create(self):
        self.succeed("user", "create", "rita", stdin="pw\n")
        self.assert_one_token_each([User.objects.get(username="rita")])

    def test_a_role_that_may_make_users_but_not_tokens(self):
        with owner(self.database) as other:
            other.execute("CREATE ROLE sign_up")
            other.execute("GRANT INSERT, SELECT ON auth_user TO sign_up")
            other.execute("SET ROLE sign_up")
            other.execute(
                "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined)"
                " VALUES ('sven', '!', false, '', '', '', false, true, now())"
            )
        self.assert_one_token_each([User.objects.get(username="sven")])

    def test_twice_on_is_on_and_off_is_off(self):
        self.succeed("migrate", "--auto-token", "on", "--yes")
        self.assert_one_token_each([User.objects.create_user("tess")])
        self.succeed("migrate", "--auto-token", "off", "--yes")
        self.assertIsNone(self.key_of(User.objects.create_user("ulla")))
        self.succeed("migrate", "--auto-token", "off", "--yes")

    def test_undo_leaves_what_django_made(self):
        self.assertNotEqual(dump(self.database), dump(migrated()))
        self.succeed("migrate", "--undo", "--yes")
        self.assertEqual(dump(self.database), dump(migrated()))
        self.assertIsNone(self.key_of(User.objects.create_user("vera")))


if __name__ == "__main__":
    unittest.main()
