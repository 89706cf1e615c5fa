#!/usr/bin/env python3
"""Writes ../golden/django.json: keys, password strings and rows that Django itself made.

Run it by hand, rarely: `DATABASE_URL=... DJANGO_VENV/bin/python make_golden.py`, on a database that holds nothing
else (it is migrated, and the two rows made are rolled back). The result is committed; the Rust tests read it.
"""

import datetime
import json
import os
import pathlib

import bcrypt
import django
from argon2 import low_level

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
    # One character below and exactly at the 128 bits that today's salts have, in characters that are not one byte.
    for salt in ["a" * 21, "a" * 22, "é" * 21, "é" * 22]:
        yield password("secret", short_salt.encode("secret", salt, iterations=10))
    yield password("secret", short_salt.encode("secret", "a" * 22, iterations=1_000_001))
    for version in ["2a", "2x", "2y"]:
        for hasher in (QUICK["bcrypt_sha256"], QUICK["bcrypt"]):
            yield password("secret", hasher.encode("secret", bcrypt.gensalt(4).replace(b"$2b$", f"${version}$".encode())))
    for n, r, p in [(2**14, 8, 1), (2**10, 4, 3), (2, 1, 1)]:
        scrypt = hashers.ScryptPasswordHasher()
        yield password(WIDE, scrypt.encode(WIDE, scrypt.salt(), n=n, r=r, p=p))
    # More memory than OpenSSL gives by default: a site that has raised `maxmem`.
    large = with_cost(hashers.ScryptPasswordHasher, work_factor=2**16, parallelism=1, maxmem=2**27)
    yield password_of(large, "secret")
    yield from argon2_varieties()


def password_of(hasher, clear):
    """A password string that only a site with this hasher of its own can check."""
    encoded = hasher.encode(clear, hasher.salt())
    assert hasher.verify(clear, encoded)
    return {"hasher": hasher.algorithm, "password": clear, "encoded": encoded, "outdated": True, "rewritten_at_login": True}


def argon2_varieties():
    """All that `argon2_verify` takes: three varieties, the older version, no version, odd memory, lengths at their least."""
    secret, salt = WIDE.encode(), b"salt of 16 bytes"
    for variety in low_level.Type:
        for version in (16, 19):
            data = low_level.hash_secret(secret, salt, 2, 77, 3, 32, variety, version).decode()
            yield password(WIDE, "argon2" + data)
            if version == 16:
                yield password(WIDE, "argon2" + data.replace("$v=16", ""))
    yield password(WIDE, "argon2" + low_level.hash_secret(secret, salt[:8], 1, 8, 1, 4, low_level.Type.ID).decode())
    yield password(WIDE, "argon2" + low_level.hash_secret(secret, salt * 4, 3, 64, 1, 99, low_level.Type.ID).decode())


def malformed():
    """What Django opens with no password: it says no, or fails."""
    whole = {name: hasher.encode("secret", hasher.salt()) for name, hasher in QUICK.items()}
    whole["pbkdf2_sha256"] = QUICK["pbkdf2_sha256"].encode("secret", "salt")
    strings = ["", "$", "$$$$", "plaintext", "md5$salt$hash", "PBKDF2_SHA256$1000$salt$x", "argon2id$v=19$m=8,t=1,p=1$a$b", "\N{KEY}$"]
    for name, encoded in whole.items():
        strings += [name, name + "$", name + "$$", name + "$" * 6, " " + encoded, encoded + " ", encoded + "$", encoded + "="]
        strings += [encoded[:-1], encoded[:-1] + "\N{LATIN SMALL LETTER E WITH ACUTE}", encoded.replace("$", "", 1), encoded.replace("$", "$$", 1)]
        strings += ["$".join(encoded.split("$")[:parts]) for parts in range(2, len(encoded.split("$")))]
        strings.append(encoded.upper())
    pbkdf2 = whole["pbkdf2_sha256"]
    strings += [pbkdf2.replace("$1000$", f"${count}$") for count in ("01000", "+1000", "1_000", " 1000", "-1000", "0", "1e3", "\N{ARABIC-INDIC DIGIT ONE}000", "")]
    strings.append(pbkdf2.replace("$salt$", "$$"))
    argon2 = whole["argon2"]
    costs = [("m=512", "m=0512"), ("m=512", "m=7"), ("m=512", "m=-1"), ("t=1", "t=0"), ("p=1", "p=0"), ("p=1", "p=65"), ("m=512,t=1", "t=1,m=512")]
    costs += [("v=19", "v=18"), ("v=19", "v=20"), ("v=19", "19"), (",p=1", ""), (",p=1", ",p=1,keyid=YQ"), ("argon2$argon2id", "argon2$argon2"), ("t=1", "t=+1")]
    strings += [argon2.replace(old, new) for old, new in costs]
    strings.append("argon2" + low_level.hash_secret(b"secret", b"saltsalt", 1, 8, 1, 16, low_level.Type.ID).decode().replace("c2FsdHNhbHQ", "c2Fs"))
    strings += [whole["bcrypt"].replace("$04$", f"${cost}$") for cost in ("4", "+4", "03", "00", "32", "4x", "-4")]
    strings += [whole["bcrypt"].replace("$2b$", f"${version}$") for version in ("2", "2c", "1", "2B", "")]
    scrypt = whole["scrypt"]
    strings += [scrypt.replace("$16$", f"${cost}$") for cost in ("0", "1", "15", "016", "-16", "4x", "")]
    strings += [scrypt.replace("$8$5$", f"${costs}$") for costs in ("0$5", "8$0", "08$5", "8$", "$5", "8")]
    for encoded in strings:
        try:
            opens = hashers.verify_password("secret", encoded)[0]
        except Exception:  # noqa: BLE001 - Django fails in many ways here
            opens = False
        assert not opens, encoded
    return strings


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
        "malformed": malformed(),
        "unusable": unusable(),
        "rows": list(rows()),
    }
    target = pathlib.Path(__file__).parent.parent / "golden" / "django.json"
    target.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{target}: {len(golden['passwords'])} passwords, {len(golden['rows'])} rows")


if __name__ == "__main__":
    main()
