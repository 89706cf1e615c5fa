#!/usr/bin/env python3
"""Writes src/http/body/charset/{names,pages}.txt from the codecs of the Python that runs it.

A body in another charset is decoded as Django decodes it, which is as Python does; so Python writes the tables.
Run it again when REST framework's supported Pythons change:

    python3 tests/golden/charsets.py
"""
import codecs
import encodings
import encodings.aliases
import pathlib
import pkgutil

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent.parent / "src/http/body/charset"


def page(name):
    """The 256 code points of a charset of one byte each (None: no character), or None if it is not one."""
    characters = []
    for b in range(256):
        try:
            character = bytes([b]).decode(name)
        except UnicodeDecodeError as error:
            if error.reason not in ("character maps to <undefined>", "ordinal not in range(128)"):
                return None
            character = None
        except UnicodeError:
            return None
        if character is not None and (len(character) != 1 or ord(character) > 0xFFFF):
            return None
        characters.append(character)
    # Most are ASCII in their lower half, which then need not be written down.
    return characters[128:] if characters[:128] == [chr(b) for b in range(128)] else characters


modules = {}
for module in pkgutil.iter_modules(encodings.__path__):
    try:
        if codecs.lookup(module.name):
            modules[module.name] = set()
    except LookupError:
        pass
for alias, module in encodings.aliases.aliases.items():
    # Names are compared in lower case, so an alias with capitals is never met.
    if module in modules and alias == alias.lower():
        modules[module].add(alias)

names, pages = [], []
for module, aliases in sorted(modules.items()):
    # The excepted look like Latin-1 or ASCII byte by byte, but several bytes make something else.
    excepted = {"raw_unicode_escape", "idna", "punycode", "ascii", "latin_1"}
    if codecs.lookup(module)._is_text_encoding and module not in excepted and (characters := page(module)):
        pages.append(module + " " + "".join("----" if c is None else f"{ord(c):04X}" for c in characters))
    names.append(" ".join([module, *sorted(aliases)]))

OUT.joinpath("names.txt").write_text("\n".join(names) + "\n")
OUT.joinpath("pages.txt").write_text("\n".join(pages) + "\n")
print(f"{len(names)} codecs, {len(pages)} pages")
