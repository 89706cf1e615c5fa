"""nginx and Caddy as examples/ configure them, between a client and a service that echoes what reaches it.

`run` has made an empty home, started the private server in it, and put the programs on PATH. Every wait has an end.
"""

import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

BINARY = os.environ["TOKENWARD_BIN"]
EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SECONDS = 60  # nothing here comes near it; what does hangs

# What may reach the service of a client's own: none of these.
FORGED = {
    "Remote-User": "root",
    "remote-email": "root@example.com",
    "Remote-Name": "Root",
    "Remote-Groups": "admins",
    "X-Auth-User-Id": "1",
    "Remote_User": "root",
    "REMOTE_GROUPS": "admins",
    "X_Auth_User_Id": "1",
    "X-Auth-User_Id": "1",
}


def tokenward(*words, stdin=None):
    ran = subprocess.run([BINARY, *words], input=stdin, capture_output=True, text=True, timeout=SECONDS)
    if ran.returncode != 0:
        raise AssertionError(f"tokenward {words[0]} {words[1]}: {ran.stderr}")
    return ran.stdout.strip()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that reached it."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        # HTTP gives bytes; http.server makes each a character.
        pairs = [[name, value.encode("latin-1").decode()] for name, value in self.headers.items()]
        body = json.dumps(pairs).encode()
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


class Programs:
    """tokenward and the service, which both proxies stand before."""

    def __init__(self):
        self.service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        threading.Thread(target=self.service.serve_forever, daemon=True).start()
        self.key, self.unicode_key = (
            self.user("alice", "alice@example.com"),
            self.user("Zoë.Łuk", "zoe@example.com"),
        )
        # By its URL, so that the server may be stopped under it.
        environment = {**os.environ, "DATABASE_URL": tokenward("private", "url")}
        self.serve = subprocess.Popen(
            [BINARY, "serve", "--bind", "127.0.0.1:0"], env=environment, stderr=subprocess.PIPE, text=True
        )
        for line in self.serve.stderr:
            if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("tokenward serve does not listen")
        # Nobody reads on; the log must not wait for us.
        threading.Thread(target=self.serve.stderr.read, daemon=True).start()

    @staticmethod
    def user(name, email):
        tokenward("user", "create", name, "--email", email, "--no-password")
        return tokenward("token", "generate", "--raw", name)

    def stop(self):
        self.serve.send_signal(signal.SIGTERM)
        self.serve.wait(SECONDS)
        self.serve.stderr.close()
        self.service.shutdown()
        self.service.server_close()


def setUpModule():
    global PROGRAMS
    PROGRAMS = Programs()
    unittest.addModuleCleanup(PROGRAMS.stop)


class Checks:
    """What holds before either proxy."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        # nginx's workers are another user when root starts it.
        os.chmod(folder.name, 0o755)
        cls.port = free_port()
        text = cls.EXAMPLE.read_text()
        for example, ours in (("8080", cls.port), ("8000", PROGRAMS.port), ("9000", PROGRAMS.service.server_port)):
            text, count = re.subn(rf"(?<=:){example}\b", str(ours), text)
            assert count >= 1, f"the example does not name the port {example}"
        log = open(os.path.join(folder.name, "log"), "w")
        cls.addClassCleanup(log.close)
        proxy = subprocess.Popen(cls.command(pathlib.Path(folder.name), text), stdout=log, stderr=log)
        cls.addClassCleanup(proxy.wait, SECONDS)
        cls.addClassCleanup(proxy.terminate)
        end = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", cls.port), SECONDS).close()
                return
            except ConnectionRefusedError:
                if proxy.poll() is not None or time.monotonic() > end:
                    log.flush()
                    raise AssertionError(pathlib.Path(log.name).read_text()) from None
                time.sleep(0.02)

    def ask(self, key=None, headers=(), method="GET", path="/", body=None):
        """The status, the answer's headers, and what the service saw, if it was asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.putrequest(method, path)
            shown = [("Authorization", f"Token {key}")] if key else []
            for name, value in [*shown, *dict(headers).items()]:
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            seen = json.loads(content) if content.startswith(b"[[") else None
            return answer.status, answer.headers, seen
        finally:
            connection.close()

    def identity(self, seen):
        """All that the service could take for who it is."""
        looks = re.compile(r"^(remote|x[-_]auth)", re.IGNORECASE)
        return {name: value for name, value in seen if looks.match(name) and value}

    def assert_alice(self, seen):
        identity = {name.lower(): value for name, value in self.identity(seen).items()}
        number = identity.pop("x-auth-user-id")
        self.assertRegex(number, r"^\d+$")
        self.assertEqual(identity, {"remote-user": "alice", "remote-email": "alice@example.com"})
        names = [name.lower() for name, _ in seen]
        self.assertEqual(len(names), len(set(names)), "no header twice")

    def test_a_good_key_reaches_the_service_with_who_it_is_and_without_the_key(self):
        for method, body in (("GET", None), ("POST", b"hello"), ("DELETE", None)):
            status, _, seen = self.ask(PROGRAMS.key, method=method, body=body)
            self.assertEqual(status, 200)
            self.assert_alice(seen)
            self.assertNotIn(PROGRAMS.key, json.dumps(seen))

    def test_a_name_of_any_letters_comes_through(self):
        status, _, seen = self.ask(PROGRAMS.unicode_key)
        self.assertEqual(status, 200)
        names = {name.lower(): value for name, value in seen}
        self.assertEqual(names["remote-user"], "Zoë.Łuk")

    def test_what_a_client_says_of_itself_is_dropped(self):
        status, _, seen = self.ask(PROGRAMS.key, FORGED)
        self.assertEqual(status, 200)
        self.assert_alice(seen)

    def test_nobody_else_reaches_the_service(self):
        other = "0" * 40
        for key, headers in (
            (None, {}),
            (other, {}),
            (None, FORGED),
            (other, FORGED),
            (None, {"Authorization": f"Bearer {PROGRAMS.key}"}),
            (None, {"Authorization": "Token"}),
        ):
            status, answered, seen = self.ask(key, headers)
            self.assertEqual((status, answered["WWW-Authenticate"], seen), (401, "Token", None))

    def test_two_keys_are_none(self):
        for both in ((PROGRAMS.key, "0" * 40), ("0" * 40, PROGRAMS.key)):
            with socket.create_connection(("127.0.0.1", self.port), SECONDS) as client:
                lines = "".join(f"Authorization: Token {key}\r\n" for key in both)
                client.sendall(f"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{lines}\r\n".encode())
                self.assertRegex(client.makefile("rb").readline(), rb"^HTTP/1.1 4\d\d ")

    def test_long_headers_of_others_are_no_reason_to_refuse(self):
        cookie = {"Cookie": "c" * 7000, "X-Long": "x" * 900}
        self.assertEqual(self.ask(PROGRAMS.key, cookie)[0], 200)

    def test_an_error_of_the_service_is_its_own(self):
        status, answered, seen = self.ask(PROGRAMS.key, path="/broken")
        self.assertEqual((status, answered["Retry-After"]), (500, None))
        self.assert_alice(seen)

    def test_without_the_database_nobody_is_let_through_until_it_is_back(self):
        self.assertEqual(self.ask(PROGRAMS.key)[0], 200)
        tokenward("private", "stop")
        try:
            # A key that was just good is remembered for no longer than this.
            time.sleep(1)
            for _ in range(3):
                status, answered, seen = self.ask(PROGRAMS.key, FORGED)
                self.assertEqual((status, answered["Retry-After"], seen), (503, "1", None))
        finally:
            tokenward("private", "start")
        end = time.monotonic() + SECONDS
        while self.ask(PROGRAMS.key)[0] != 200:
            self.assertLess(time.monotonic(), end, "it does not come back")
            time.sleep(0.1)


class Nginx(Checks, unittest.TestCase):
    EXAMPLE = EXAMPLES / "nginx/tokenward.conf"

    @staticmethod
    def command(folder, text):
        (folder / "tokenward.conf").write_text(text)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/pid; error_log stderr;\n"
            "events {}\n"
            f"http {{ access_log off; {places} include {folder}/tokenward.conf; }}\n"
        )
        return ["nginx", "-p", str(folder), "-e", "stderr", "-c", f"{folder}/nginx.conf"]


class Caddy(Checks, unittest.TestCase):
    EXAMPLE = EXAMPLES / "caddy/Caddyfile"

    @staticmethod
    def command(folder, text):
        # Its port for administration is the machine's, which may have a Caddy of its own.
        (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + text)
        return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]
