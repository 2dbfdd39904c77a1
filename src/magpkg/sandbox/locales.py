"""Locales: whether a rootfs has one, locale(7)."""

import os
import struct

VARIABLES = (
    "LANG",
    "LC_ALL",
    "LC_ADDRESS",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NAME",
    "LC_NUMERIC",
    "LC_PAPER",
    "LC_TELEPHONE",
    "LC_TIME",
)
"""All variables that name a locale."""

_DIRECTORY = "/usr/lib/locale"
_ALWAYS = ("", "C", "POSIX", "C.utf8")  # the last is in the C library since its version 2.35
# The head of locale-archive, struct locarhead in the C library's locale/locarchive.h: a magic number, a serial number,
# and for the hash table of names, then for the names themselves, where they are, how many there are, and the room.
_HEAD = struct.Struct("=8I")
_MAGIC = 0xDE020109


def has_locale(rootfs: str, name: str) -> bool:
    """Whether programs of this rootfs find the locale `name`, such as de_DE.UTF-8 or sr_RS@latin."""
    wanted = _normalized(name)
    if wanted in _ALWAYS:
        return True
    if "/" in wanted or not wanted.isprintable():
        return False
    return os.path.isdir(f"{rootfs}{_DIRECTORY}/{wanted}") or wanted.encode() in _archived(rootfs)


def _normalized(name: str) -> str:
    """The name as the C library files it: of the encoding only letters, in small, and digits."""
    rest, at, modifier = name.partition("@")
    language, dot, encoding = rest.partition(".")
    plain = "".join(letter for letter in encoding.lower() if letter.isalnum())
    return f"{language}{dot}{'iso' if plain.isdigit() else ''}{plain}{at}{modifier}"


def _archived(rootfs: str) -> frozenset[bytes]:
    """The names in the archive of locales, without what they stand for, which may be hundreds of megabytes."""
    try:
        with open(f"{rootfs}{_DIRECTORY}/locale-archive", "rb") as file:
            magic, _, _, _, _, start, used, _ = _HEAD.unpack(file.read(_HEAD.size))
            if magic != _MAGIC:
                return frozenset()
            file.seek(start)
            return frozenset(file.read(min(used, 1 << 20)).split(b"\0"))
    except (OSError, struct.error):
        return frozenset()
