#!/usr/bin/env python3
"""Writes ../golden/knox.json: keys that knox itself made, with the rows it keeps of them.

Run it by hand, rarely, as make_golden.py; what it makes in the database is rolled back. The result is committed; the
Rust tests read it.
"""

import importlib.metadata
import json
import os
import pathlib

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from knox import crypto  # noqa: E402
from knox.models import AuthToken  # noqa: E402
from knox.settings import CONSTANTS  # noqa: E402

# What sites' own prefixes and hands may make of a key.
ODD = ["tiny", "fifteen chars..", "pre_" + "0" * 64, "密" * 40, "🔑" * 16, "K\u0308ey", "0" * 64]


def rows():
    """Tokens as knox creates them, and what it answers for the request's `auth`."""
    with transaction.atomic():
        user = get_user_model().objects.create(username="zoë")
        for prefix in ["", "", "", "pre_", "ten chars."]:
            row, key = AuthToken.objects.create(user, prefix=prefix)
            with connection.cursor() as cursor:
                cursor.execute("SELECT digest, token_key FROM knox_authtoken WHERE digest = %s", [row.pk])
                digest, token_key = cursor.fetchone()
            yield {"prefix": prefix, "key": key, "digest": digest, "token_key": token_key, "auth": str(row)}
        transaction.set_rollback(True)


def odd():
    for key in ODD:
        yield {"key": key, "digest": crypto.hash_token(key), "token_key": key[: CONSTANTS.TOKEN_KEY_LENGTH]}


def main():
    call_command("migrate", verbosity=0)
    knox = importlib.metadata.version("django-rest-knox")
    golden = {
        "made_by": f"Django {django.__version__}, knox {knox}, by tests/django/make_golden_knox.py",
        "username": "zoë",
        "rows": list(rows()),
        "odd": list(odd()),
    }
    target = pathlib.Path(__file__).parent.parent / "golden" / "knox.json"
    target.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{target}: {len(golden['rows'])} rows, {len(golden['odd'])} odd keys")


if __name__ == "__main__":
    main()
