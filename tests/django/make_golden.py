#!/usr/bin/env python3
"""Writes ../golden/django.json: keys, password strings and rows that Django itself made.

Run it by hand, rarely: `DATABASE_URL=... DJANGO_VENV/bin/python make_golden.py`, on a database that holds nothing
else (it is migrated, and the two rows made are rolled back). The result is committed; the Rust tests read it.
"""

import datetime
import json
import os
import pathlib

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

import rest_framework  # noqa: E402
from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model, hashers  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

# Django reads plain bcrypt only where it is asked to; everything else is its default list.
settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, "django.contrib.auth.hashers.BCryptPasswordHasher"]

LONG = "a passphrase that is a good deal longer than the seventy-two bytes that bcrypt looks at"
WIDE = "pässwörd-пароль-密码-🔑"
LONG_WIDE = "密" * 30


def with_cost(hasher_class, **cost):
    """The hasher with a work factor of our choice: quick to check in a test."""
    hasher = hasher_class()
    for name, value in cost.items():
        setattr(hasher, name, value)
    return hasher


QUICK = {
    "pbkdf2_sha256": with_cost(hashers.PBKDF2PasswordHasher, iterations=1000),
    "pbkdf2_sha1": with_cost(hashers.PBKDF2SHA1PasswordHasher, iterations=1000),
    "argon2": with_cost(hashers.Argon2PasswordHasher, time_cost=1, memory_cost=512, parallelism=1),
    "bcrypt_sha256": with_cost(hashers.BCryptSHA256PasswordHasher, rounds=4),
    "bcrypt": with_cost(hashers.BCryptPasswordHasher, rounds=4),
    "scrypt": with_cost(hashers.ScryptPasswordHasher, work_factor=2**4),
}
AS_DJANGO_DOES = [
    hashers.PBKDF2PasswordHasher(),
    hashers.PBKDF2SHA1PasswordHasher(),
    hashers.Argon2PasswordHasher(),
    hashers.BCryptSHA256PasswordHasher(),
    hashers.BCryptPasswordHasher(),
    hashers.ScryptPasswordHasher(),
]


def password(clear, encoded):
    """A password string, and what Django says of it.

    `outdated` is the hasher's own must_update: other work factor than today, salt too short.
    `rewritten_at_login` is what login goes by: outdated, or not of the preferred hasher (pbkdf2_sha256).
    """
    correct, rewritten = hashers.verify_password(clear, encoded)
    assert correct, encoded
    assert not hashers.verify_password(clear[:-1] + "?", encoded)[0] or encoded.startswith("bcrypt$"), encoded
    hasher = hashers.identify_hasher(encoded)
    return {
        "hasher": hasher.algorithm,
        "password": clear,
        "encoded": encoded,
        "outdated": hasher.must_update(encoded),
        "rewritten_at_login": rewritten,
    }


def passwords():
    for hasher in QUICK.values():
        for clear in ["secret", WIDE, LONG, LONG_WIDE, "  spaces count  "]:
            yield password(clear, hasher.encode(clear, hasher.salt()))
    for hasher in AS_DJANGO_DOES:
        yield password("secret", hasher.encode("secret", hasher.salt()))
    short_salt = hashers.PBKDF2PasswordHasher()
    yield password("secret", short_salt.encode("secret", "seasalt"))


def bcrypt_prefix():
    """Plain bcrypt looks at 72 bytes: what follows them does not count, for Django neither."""
    hasher = QUICK["bcrypt"]
    encoded = hasher.encode(LONG, hasher.salt())
    assert hashers.verify_password(LONG[:72] + "anything", encoded)[0]
    return {"password": LONG, "also_right": LONG[:72] + "anything", "wrong": LONG[:71], "encoded": encoded}


def unusable():
    made = [hashers.make_password(None) for _ in range(3)]
    assert not any(map(hashers.is_password_usable, made))
    return made


def rows():
    """Two users with tokens as Django saves them, each value beside what psql shows for it."""
    moments = [
        datetime.datetime(2025, 1, 31, 14, 2, 11, 123456, tzinfo=datetime.UTC),
        datetime.datetime(2025, 1, 31, 14, 2, 11, tzinfo=datetime.UTC),
    ]
    with transaction.atomic():
        for index, moment in enumerate(moments):
            user = get_user_model().objects.create(username=f"user{index}", date_joined=moment)
            token = Token.objects.create(user=user)
            Token.objects.filter(pk=token.pk).update(created=moment)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL timezone = 'UTC'")
                columns = "key, created::text, extract(epoch FROM created)::text"
                cursor.execute(f"SELECT {columns} FROM authtoken_token WHERE key = %s", [token.pk])
                key, shown, epoch = cursor.fetchone()
            read = Token.objects.get(pk=key)
            yield {"username": user.username, "key": key, "created": read.created.isoformat(), "psql": shown, "epoch": epoch}
        transaction.set_rollback(True)


def main():
    call_command("migrate", verbosity=0)
    golden = {
        "made_by": f"Django {django.__version__}, REST framework {rest_framework.VERSION}, by tests/django/make_golden.py",
        "keys": [Token.generate_key() for _ in range(8)],
        "passwords": list(passwords()),
        "bcrypt_72_bytes": bcrypt_prefix(),
        "unusable": unusable(),
        "rows": list(rows()),
    }
    target = pathlib.Path(__file__).parent.parent / "golden" / "django.json"
    target.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{target}: {len(golden['passwords'])} passwords, {len(golden['rows'])} rows")


if __name__ == "__main__":
    main()
