"""What both test programs stand on: the binary, databases on its private server, Django in this process.

`run` has made an empty home, started the private server in it and set the environment. Each test class gets a
database of its own, copied from one that `manage.py migrate` made; so nothing here depends on the order of tests.
"""

import contextlib
import glob
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).parent
BINARY = os.environ["TOKENWARD_BIN"]
SECONDS = 60  # no command of these tests comes near it; one that does hangs

# The private database's own URL; Django's settings want one before any test has a database.
PRIVATE_URL = subprocess.run(
    [BINARY, "private", "url"], check=True, capture_output=True, text=True, timeout=SECONDS
).stdout.strip()
os.environ["DATABASE_URL"] = PRIVATE_URL

import django  # noqa: E402

django.setup()

import psycopg  # noqa: E402
from django.db import connection, connections  # noqa: E402
from psycopg import sql  # noqa: E402
from psycopg.conninfo import conninfo_to_dict  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

KEY = re.compile(r"^[0-9a-f]{40}$")
PRIVATE = conninfo_to_dict(PRIVATE_URL)
if not PRIVATE.get("host", "").startswith("/"):
    # Anything else would be a server of this machine that is not ours to make databases on.
    raise SystemExit("`tokenward private url` named no socket of a private server")


def url_of(name, user=None, password=None):
    """The URL of another database of the private server, for its owner or for a role of ours."""
    user, password = (user, password) if user else (PRIVATE.get("user", ""), PRIVATE.get("password", ""))
    quote = lambda text: urllib.parse.quote(text, safe="")  # noqa: E731
    where = urllib.parse.urlencode({key: PRIVATE[key] for key in ("host", "port") if key in PRIVATE})
    return f"postgresql://{quote(user)}:{quote(password)}@/{quote(name)}?{where}"


@contextlib.contextmanager
def owner(name):
    """A connection of the server's owner, beside Django and tokenward. Each statement commits by itself."""
    with psycopg.connect(**{**PRIVATE, "dbname": name}, autocommit=True) as other:
        yield other


def create_database(name, template="template0"):
    with owner("postgres") as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))


def pg_program(name):
    """One of Postgres' client programs, sought where tokenward seeks the server's."""
    places = [os.environ.get("TOKENWARD_PG_BIN")]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        places.append(subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip())
    usual = [
        "/usr/lib/postgresql/*/bin",
        "/usr/pgsql-*/bin",
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ]
    found = [folder for pattern in usual for folder in glob.glob(pattern)]
    newest_first = sorted(found, key=lambda folder: int(re.search(r"\d+", folder)[0]), reverse=True)
    for place in [*places, *os.environ["PATH"].split(os.pathsep), *newest_first]:
        if place and (program := shutil.which(name, path=place)):
            return program
    raise FileNotFoundError(f"no {name}; install Postgres' client programs")


def dump(name, *options):
    """The tables of a database as pg_dump words them, without what differs from run to run."""
    lines = subprocess.run(
        [pg_program("pg_dump"), "--schema-only", "--no-owner", "--no-privileges", "--no-comments", *options, url_of(name)],
        check=True, capture_output=True, text=True, timeout=SECONDS,
    ).stdout.splitlines()
    return [line for line in lines if line and not re.match(r"--|SET |SELECT pg_catalog.set_config|\\(un)?restrict ", line)]


def manage(database, *arguments):
    """`manage.py ARGUMENTS` as a person runs it: a process of its own."""
    return subprocess.run(
        [sys.executable, HERE / "manage.py", *arguments],
        capture_output=True, timeout=SECONDS, env={**os.environ, "DATABASE_URL": url_of(database)},
    )


class DjangoCase(unittest.TestCase):
    """Tests in one database that Django made: `self.tokenward` and Django's models both work on it."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.database = cls.__name__.lower()
        create_database(cls.database, template=migrated())
        cls.url = url_of(cls.database)
        look_at(cls.database)
        cls.addClassCleanup(connection.close)

    def tokenward(self, *arguments, stdin="", url=None):
        """Runs the binary on the class's database; its exit code, stdout and stderr as bytes."""
        return subprocess.run(
            [BINARY, *arguments],
            input=stdin.encode(), capture_output=True, timeout=SECONDS, env={**os.environ, "DATABASE_URL": url or self.url},
        )

    def succeed(self, *arguments, **more):
        """Runs the binary, which must succeed; its standard output."""
        done = self.tokenward(*arguments, **more)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr.decode()}{done.stdout.decode()}")
        return done.stdout.decode()

    def json(self, *arguments, **more):
        return json.loads(self.succeed(*arguments, "--json", **more))

    def fail_with(self, code, *arguments, **more):
        """Runs the binary, which must fail with this exit code; what it said on stderr."""
        done = self.tokenward(*arguments, **more)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr.decode()}{done.stdout.decode()}")
        return done.stderr.decode()

    def ask(self, key):
        """What REST framework answers to a request that carries the key."""
        return APIClient().get("/api/example/", HTTP_AUTHORIZATION=f"Token {key}")

    def assert_live(self, key, username):
        answer = self.ask(key)
        self.assertEqual((answer.status_code, answer.json()), (200, {"user": username, "auth": key}))

    def assert_dead(self, key, detail="Invalid token."):
        answer = self.ask(key)
        self.assertEqual((answer.status_code, answer.json()), (401, {"detail": detail}))

    def key_of(self, user):
        """The user's key as it stands in the database, None without one."""
        return Token.objects.filter(user=user).values_list("key", flat=True).first()

    def assert_one_token_each(self, users):
        """Exactly one well-made token for each of these users."""
        keys = dict(Token.objects.filter(user__in=users).values_list("user_id", "key"))
        self.assertEqual(set(keys), {user.pk for user in users})
        self.assertEqual(len(set(keys.values())), len(users))
        for key in keys.values():
            self.assertRegex(key, KEY)

    def assert_same_as_django(self, *arguments):
        """Runs `drf_create_token ARGUMENTS` here and in Django, on the same rows: the same bytes, the same exit code.

        Ours goes first, so that Django then finds the token that we made and prints it.
        """
        ours = self.tokenward("drf_create_token", *arguments)
        theirs = manage(self.database, "drf_create_token", *[word for word in arguments if word not in ("-r", "--reset")])
        self.assertEqual((ours.returncode, ours.stdout, ours.stderr), (theirs.returncode, theirs.stdout, theirs.stderr))
        return ours


def look_at(name):
    """Turns Django in this process to another database; threads started later follow."""
    connection.close()
    connections["default"].settings_dict["NAME"] = name


def migrated():
    """The name of a database as `manage.py migrate` leaves it, made on first use."""
    name = "made_by_" + os.environ["DJANGO_SETTINGS_MODULE"].replace(".", "_")
    with owner("postgres") as server:
        known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s AND datistemplate", [name]).fetchone()
    if not known:
        create_database(name)
        done = manage(name, "migrate")
        assert done.returncode == 0, done.stderr.decode()
        with owner("postgres") as server:
            server.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE true").format(sql.Identifier(name)))
    return name
