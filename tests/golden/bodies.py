#!/usr/bin/env python3
"""Writes bodies.json: logins of every kind, well-formed and hostile, with the answers of Django REST framework's own view.

The view runs in this process, behind Django's WSGI handler; only the look-up of the user is left out, and what would be
looked up is written down. Needs Django and djangorestframework, no database:

    python3 tests/golden/bodies.py
"""

import base64
import io
import json
import logging
import pathlib
import sys

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "rest_framework",
        "rest_framework.authtoken",
    ],
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
)
django.setup()
logging.disable(logging.CRITICAL)

import rest_framework  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.authtoken.serializers import AuthTokenSerializer  # noqa: E402
from rest_framework.authtoken.views import ObtainAuthToken  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class Serializer(AuthTokenSerializer):
    def validate(self, attrs):
        return attrs


class View(ObtainAuthToken):
    authentication_classes = ()
    serializer_class = Serializer

    def post(self, request):
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(dict(serializer.validated_data))


urlpatterns = [path("login/", View.as_view())]


def answer(content_type, body):
    """Status, and the JSON text or `None` for a page; nothing if Django itself breaks."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/login/",
        "SERVER_NAME": "test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "CONTENT_LENGTH": str(len(body)),
    }
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    got = {}

    def start_response(status, headers, exc_info=None):
        got["status"], got["type"] = int(status.split()[0]), dict(headers)["Content-Type"]

    try:
        text = b"".join(application(environ, start_response)).decode()
    except Exception:
        return None
    if got["status"] == 500:
        return None
    return got["status"], text if got["type"] == "application/json" else None


application = get_wsgi_application()
cases = []


def case(content_type, body):
    body = body.encode() if isinstance(body, str) else body
    if (answered := answer(content_type, body)) is None:
        print("left out, Django breaks:", content_type, body[:100])
        return
    status, text = answered
    cases.append({"type": content_type, "body": base64.b64encode(body).decode(), "status": status, "json": text})


JSON, FORM, MULTI = "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=X"
GOOD = '{"username": "bob", "password": "bob-pass"}'

# ---------------------------------------------------------------- media types
for kind in [
    None, "", JSON, "Application/JSON", "application/json;", "application/json;charset", "application/json ; a=b",
    "application/json=x; a=b", "application/json=x", "application / json", "application/json\xa0", "\x85application/json",
    "application/json, text/plain", "application/json+x", "application/*", "*/*", "*/json", "*/x-www-form-urlencoded", "*",
    "*/", "/*", "/", "json", "/json", "text/json", "text/plain", "APPLICATION/X-WWW-FORM-URLENCODED", "*/form-data",
    "multipart/*", "Multipart/Form-Data; boundary=X", "image/\xe9", 'a"b\\c', "a\tb", "\xe2\x80\xa8", ";", "; charset=utf-8",
    "application/json; " + "x" * 237, "application/json; " + "x" * 238, "application/json; " + "x" * 239,
    'application/json; a="b;c"', 'application/json; a="b;c', 'application/json; a="\\";b"; charset=hex',
]:
    for body in [GOOD, "username=bob&password=bob-pass", ""]:
        case(kind, body)

# ---------------------------------------------------------------- charsets
POLISH = '{"username": "\u017c\u00f3\u0142\u0107", "password": "\u20ac"}'
for name in [
    "utf-8", "UTF8", "utf_8", "u8", "utf8-ucs4", '"utf-8"', "'utf-8'", "<utf-8>", "", '""', "nope", "utf-8\xe9", "utf 8", "utf.8",
    "latin.1", "latin-1", "iso-8859-1", "ISO_8859-1:1987", "iso-8859-2", "iso8859-15", "windows-1250", "cp1252", "windows-1252", "koi8-r",
    "mac-roman", "cp437", "cp864", "cp037", "ascii", "us-ascii", "ansi_x3.4-1968", "utf-8-sig", "utf-16", "utf-16-le", "utf-16be",
    "utf-32", "utf-32-le", "utf-32be", "utf-7", "charmap", "hex", "base64", "base64_codec", "rot13", "zlib", "bz2", "quopri", "uu",
    "undefined", "mbcs",
]:
    for body in [GOOD.encode(), POLISH.encode(), b'{"username": "b\xe9b", "password": "\x80\x81"}']:
        case(f"{JSON}; charset={name}", body)
    case(f"{FORM}; charset={name}", b"username=b\xe9b&password=%E9%80")
    plain = name.strip("\"'<>")
    try:
        for text in [POLISH, GOOD]:
            case(f"{JSON}; charset={name}", text.encode(plain, "replace"))
            case(f"{JSON}; charset={name}", text.encode(plain, "replace") + b"\xc3")
            case(f"{JSON}; charset={name}", text.encode(plain, "replace")[:-1])
        value = "".join(f"%{byte:02x}" for byte in "\u017c\u20ac".encode(plain, "replace"))
        case(f"{FORM}; charset={name}", f"username={value}&password={value}x".encode(plain, "replace"))
        part = f'--X\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        value = "\u017c\u20ac".encode(plain, "replace")
        body = b"".join(
            b'--X\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % field
            for field in [(b"username", value), (b"password", value[:-1])]
        )
        case(f"{MULTI}; charset={name}", body + b"--X--\r\n")
    except (LookupError, UnicodeError):
        pass
for params in [
    "charset*=utf-8''latin-1", "charset*=''latin-1", "charset*=latin-1", "charset*=us-ascii'en'latin%2d1", "charset*0=lat; charset*1=in-1",
    "charset*1=in-1; charset*0=lat", "charset*1*=in%2d1; charset*0*=''lat", "charset*01=in-1; charset*0=lat", "charset*=hex''latin-1",
    "charset*=utf-16''latin-1", "Charset=latin-1", " charset = latin-1 ", "charset=latin-1; charset=utf-8", "charset=utf-8; charset=latin-1",
    'charset="latin\\-1"', 'charset="latin-1', 'charset=latin-1"', 'charset="\\"hex\\""', "charset=\\hex", "charset=\"a;b\"", "charset*2=hex",
    "charset*x=hex", "charset**=hex", "charset=<hex>", 'charset="<hex>"', 'charset="<"hex">"', "=hex; charset=latin-1",
]:
    case(f"{JSON}; {params}", b'{"username": "b\xe9b", "password": "x"}')

# ---------------------------------------------------------------- JSON documents
for document in [
    "null", "true", "false", "0", "1.0", '"a"', "[]", "{}", '[{"username": "a"}]', " {} ", "\t\r\n{}\n", "\x0b{}", "\xa0{}", "\ufeff{}", "{}\ufeff",
    "{", "}", "{}}", "{} {}", '{"a"}', '{"a":}', '{"a":1,}', "{,}", "{a: 1}", "{'a': 1}", "[1,]", "[1 2]", "[,]", "[", "]", '"', '"\\', '"\\u', "nul",
    "nulls", "True", "None", "NaN", "Infinity", "-Infinity", "-NaN", "undefined", "//", "{}//", '{"a": NaN}', '[Infinity]', "1e400", "-", "+1", "01",
    ".5", "1.", "1e", "0x1", "1_0", "[" * 500 + "]" * 500, "9" * 4300, "9" * 4301, '{"a": [[' + "9" * 4301 + "]]}", "{}\0", "\0", "a=b",
]:
    case(JSON, document)
for name in ["Username", "username ", "user\\u006eame", "username\\u0000", "user\\ud800name", "\uff55sername", "", "usernam\u00e9"]:
    case(JSON, f'{{"{name}": "bob", "password": "x"}}')
case(JSON, '{"username": "a", "password": "b", "username": "c", "password": null}')
case(JSON, '{"username": null, "password": "b", "username": "c"}')
case(JSON, '{"a": {"username": "a", "password": "b"}}')
for value in [
    "null", "true", "false", "[]", "{}", '["a"]', '""', '" "', '"a"', '" a "', '"\\u0000"', '" \\u0000 "', '"\\ud800"', '"\\udfff a"', '"\\ud83d\\ude00"',
    '"\\ud83d\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"\\ud83d\\u0061"', '"\\ud83d\\n"', '"\\ud83dx"', '"\\u0000\\udc00\\ud800"', '"\\ud83d\\u"', '"\\ud83d\\uzzzz"',
    '"\\u12"', '"\\u 123"', '"\\u+123"', '"\\x41"', '"\\b\\f\\n\\r\\t\\/\\"\\\\"', '"\\U0041"', '"a\tb"', '"a\nb"', '"\x7f"', '"\u2028"', '"\ufeff"', '"\\ufeffa"',
    "0", "-0", "-0.0", "0.0", "1.50", "12345.0", "1e5", "1E5", "1e+5", "1e-5", "0.0001", "0.00001", "1e15", "1e16", "123456789012345678", "1e22", "1e23",
    "5e-324", "1.7976931348623157e308", "1e400", "-1e400", "1e-400", "84665094935279.625", "0.1e1", "9007199254740993.0", "100.0e-2", "2.5", "1" * 400 + ".5",
    "12345678901234567890123456789", "-5", "NaN", "-Infinity",
]:
    case(JSON, f'{{"username": {value}, "password": {value}}}')
for code in [*range(0x09, 0x0E), *range(0x1C, 0x22), 0x85, 0xA0, 0x1680, 0x180E, 0x2000, 0x200A, 0x200B, 0x2028, 0x2029, 0x202F, 0x205F, 0x2060, 0x3000, 0xFEFF]:
    case(JSON, f'{{"username": "\\u{code:04x}", "password": "\\u{code:04x}"}}')
    case(JSON, f'{{"username": "\\u{code:04x}a\\u{code:04x}", "password": "\\u{code:04x}"}}')
for tail in [b"\xc3", b"\xe2\x82", b"\xf0\x9f\x98", b"\xff", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xc3\xa9"]:
    case(JSON, GOOD.encode() + tail)
    case(JSON, b'{"username": "a' + tail + b'", "password": "b"}')

# ---------------------------------------------------------------- forms
for body in [
    "username=bob", "password=x", "username=&password=", "username&password", "username=+&password=+", "username=%20a%20&password=%20a%20", "=", "&", "&&=&",
    "username=a&username=b&password=c&password=d", "username=a;password=b", "username=a&password=b;c", "username==a&password=b=c", "username=a&password=%",
    "username=a&password=%4", "username=a&password=%zz", "username=a&password=%4%41", "username=a&password=%%41", "username=a&password=%u0041", "user%6Eame=a&password=b",
    "+username=a&password=b", "username+=a&password=b", "username=%C3%A9&password=%c3%28", "username=%ff&password=%E2%82", "username=\u00e9%C3&password=\u00e9%A9",
    "username=a%00&password=%00", "username=%ED%A0%80&password=%F0%9F%98%80", "username=%F0%9F%98&password=%C0%80", "username=a%26b&password=%3D%2B%25", "username=a\r\nb&password=\n",
    "\ufeffusername=a&password=b", "username=1.50&password=null", "username[]=a&password=b", "Username=a&password=b", '{"username": "a"}', "username=\u2003&password=\u2003",
]:
    case(FORM, body)
for body in [b"username=b\xe9b&password=\xff%C3%A9", b"username=\xc3\xa9&password=\xe9", b"username=a&password=\x00", b"\xff=&username=%E9&password=\xe9"]:
    case(FORM, body)
for count in [997, 998, 999, 1000]:
    case(FORM, "username=a&password=b" + "&" * count)

# ---------------------------------------------------------------- multipart
def part(name, value, extra="", headers="", newline="\r\n"):
    return f'--X\r\n{headers}Content-Disposition: form-data; name={name}{extra}{newline}{newline}{value}\r\n'


def form(*parts, end="--X--\r\n"):
    return "".join(parts) + end


USER, PASS = part('"username"', "bob"), part('"password"', "bob-pass")
for kind in [
    "multipart/form-data", "multipart/form-data;boundary=X", 'multipart/form-data; boundary="X"', "multipart/form-data; boundary=", 'multipart/form-data; boundary=""',
    "multipart/form-data; boundary=Y", "multipart/form-data; boundary=x", "multipart/form-data; BOUNDARY=X", "multipart/form-data; boundary=X; boundary=Y", "multipart/form-data; boundary*0=X",
    "multipart/form-data; boundary*=utf-8''X", 'multipart/form-data; boundary="X "', "multipart/form-data; boundary=X ; a=b", "multipart/form-data; boundary=\xe9", "multipart/form-data; x=\xe9; boundary=X",
    "multipart/form-data; boundary=<X>", "multipart/form-data; boundary=" + "X" * 201, "multipart/form-data; boundary=" + "X" * 202, "multipart/*; boundary=X", "multipart/mixed; boundary=X",
    "MULTIPART/form-data; boundary=X", "*/form-data; boundary=X", 'multipart/form-data; boundary="a\tb"', "multipart/form-data; boundary=X; charset=hex", "multipart/form-data; charset=nope; boundary=X",
]:
    case(kind, form(USER, PASS))
for body in [
    form(USER), form(PASS), form(USER, PASS, end=""), form(USER, PASS, end="--X"), form(USER, PASS, end="--X--"), form(USER, PASS, end="--X\r\n"), form(USER, PASS)[:-20], form(USER, PASS)[:-40],
    form(USER, PASS, USER.replace("bob", "eve")), "before" + form(USER, PASS) + "after", "\r\n" + form(USER, PASS), form(USER, PASS).replace("\r\n", "\n"), form(USER, PASS).replace("\r\n", "\r"),
    form(USER, PASS).replace("--X\r\n", "--X \r\n"), form(USER, PASS).replace("--X\r\n", "--X--\r\n"), form(USER, PASS).replace("bob-pass\r\n", "bob-pass"), form(USER, PASS).replace("bob-pass\r\n", "bob-pass\n"),
    form(USER, PASS).replace("bob-pass\r\n", "bob-pass\r"), form(USER, PASS).replace("bob-pass", "a--Xb"), form(USER, PASS).replace("bob-pass", "a\r\n--Xb"), form(USER, PASS).replace("bob-pass", "a\r\n\r\n"),
    form(part("username", "bob"), PASS), form(part("'username'", "bob"), PASS), form(part('" username "', "bob"), PASS), form(part('"Username"', "bob"), PASS), form(part('"user\\name"', "bob"), PASS),
    form(part('"username', "bob"), PASS), form(part('username"', "bob"), PASS), form(part("<username>", "bob"), PASS), form(part('"username\u00a0"', "bob"), PASS), form(part('"usern%61me"', "bob"), PASS),
    form(part('""', "bob"), PASS), form(USER.replace("; name", "; a=b; NAME "), PASS), form(USER.replace("name=", "name*=utf-8''"), PASS).replace('"', ""), form(USER.replace('name="username"', "name*0=user; name*1=name"), PASS),
    form(USER.replace('name="username"', "name*=nope''username"), PASS), form(USER.replace('name="username"', "name*0*=''user%6e; name*1=ame"), PASS), form(USER.replace("form-data; ", "attachment; "), PASS),
    form(USER.replace("form-data; ", ""), PASS), form(USER.replace("form-data", "form-data; name=password"), PASS), form(USER.replace("Content-Disposition", "content-DISPOSITION"), PASS),
    form(USER.replace("Content-Disposition:", "Content-Disposition :"), PASS), form(USER.replace("Content-Disposition: ", "Content-Disposition:"), PASS), form(USER.replace("Content-Disposition", "X"), PASS),
    form(USER.replace("Content-Disposition", "Content-Disposition: form-data; name=password\r\nContent-Disposition"), PASS), form(USER.replace("\r\n\r\n", "\r\n\r\n\r\n"), PASS), form(USER.replace("\r\n\r\n", "\r\n"), PASS),
    form(part('"username"', " a "), part('"password"', " a ")), form(part('"username"', " "), part('"password"', " ")), form(part('"username"', ""), part('"password"', "")), form(part('"username"', "a\0"), part('"password"', "\0")),
    form(part('"username"', "a", headers="Content-Type: text/plain; charset=latin-1\r\n"), PASS), form(part('"username"', "a", headers="nonsense\r\n: x\r\n"), PASS), form(part('"username"', "\u00e9\u2028"), PASS),
    "", "X", "--X", "--X\r\n", "--X--\r\n", "--X\r\n\r\n", "--X" * 60, "--X\r\n" * 60 + form(USER, PASS), form(USER, PASS) + form(part('"username"', "eve")),
    form(USER, PASS, part('"username"', "x", '; filename="f"'), USER), form(USER, part('"password"', "x", '; filename="f"')), form(USER, PASS, part('"username"', "x", '; filename="f"'), end=""),
    form(USER, PASS, part('"username"', "x", '; filename="f"'), end="--X"), form(USER, PASS, part('"username"', "x", "; filename=f")), form(USER, PASS, part('"username"', "x", "; filename*=utf-8''f")),
]:
    case(MULTI, body)
for name in [
    "", " ", "/", "a/", "a\\\\", ".", "..", "a/..", "\u00a0", "\u200b", "\u3000", "\u00e9", "&sol;", "&sol", "&bsol;", "&period;", "&#46;", "&#x2E;&#46", "&#46x", "&nbsp;", "&nbsp", "&nbspx", "&shy&#173;", "&zwj;", "&amp;", "&",
    "&#;", "&#0;", "&#128;", "&#129;", "&#xD800;", "&#99999999999999999999;", "&&sol;", "&NewLine;", "&it", "&it;", "\u0301",
]:
    case(MULTI, form(PASS, part('"username"', "x", f'; filename="{name}"')))
    case(MULTI, form(USER, part('"password"', "x", f'; filename="{name}"')))
for encoding in ["base64", "BASE64", " base64 ", "base64; a=b", "base64, x", "quoted-printable"]:
    for value in ["Ym9i", "Ym9", "Ym9=", "Ym", "Ym==", "Y", "Y===", "=Ym9i", "Ym\r\n9i", "Ym9i\r\n", "Ym!9i", "Ym==9i", "Ym=9i", "Ym9iYm9i=", "YmE=YmE=", "/w==", "", "b\u00f3b"]:
        header = f"Content-Transfer-Encoding: {encoding}\r\n"
        case(MULTI, form(USER, part('"password"', value, headers=header)))
        if encoding == "base64":
            case(MULTI, form(USER, PASS, part('"username"', value, '; filename="f"', headers=header)))
for length in [940, 950, 951, 952, 953, 954, 955, 956, 957, 970, 1100]:
    case(MULTI, form(part('"username"', "bob", headers="X: " + "y" * length + "\r\n"), PASS))
for count in [99, 100, 101]:
    case(MULTI, form(USER, PASS, part('"a"', "", '; filename="f"') * count))
case(MULTI, form(USER, PASS, end="--X\r\n" * 1001))
case(MULTI, form(USER, PASS, end="--X\r\n" * 999))

made_by = {
    "python": sys.version.split()[0],
    "django": django.get_version(),
    "djangorestframework": rest_framework.VERSION,
}
lines = ",\n".join(json.dumps(each, ensure_ascii=True) for each in {json.dumps(each): each for each in cases}.values())
target = pathlib.Path(__file__).with_name("bodies.json")
target.write_text(f'{{"made_by": {json.dumps(made_by)}, "cases": [\n{lines}\n]}}\n')
print(f"{lines.count(chr(10)) + 1} cases, {target.stat().st_size} bytes")
