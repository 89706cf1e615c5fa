"""Writes basic.txt: what Python makes of the credentials of a Basic header, as REST framework's BasicAuthentication
reads them. One line each: the credentials in hex, then name and password in hex of UTF-8, or `-` if there are none."""
import base64
import random

random.seed(7617)  # RFC 7617
ALPHABET = b"ABYZabyz0189+/==-_.\xff"


def read(word):
    try:
        raw = base64.b64decode(word)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        name, password = text.split(":", 1)
    except ValueError:
        return "-"
    return "%s:%s" % (name.encode().hex(), password.encode().hex())


def words():
    for length in range(1, 13):
        for _ in range(8):
            yield bytes(random.choice(ALPHABET) for _ in range(length))
    for _ in range(200):
        name = bytes(random.choice(b"ab:\xc5\xbc\xe9\0 ") for _ in range(random.randrange(6)))
        word = bytearray(base64.b64encode(name + b":" + name[::-1]))
        for _ in range(random.randrange(3)):
            word.insert(random.randrange(len(word) + 1), random.choice(ALPHABET))
        if random.randrange(4) == 0:
            word = word.rstrip(b"=")
        yield bytes(word)


with open("basic.txt", "w", encoding="ascii") as out:
    for word in words():
        out.write("%s %s\n" % (word.hex(), read(word)))
