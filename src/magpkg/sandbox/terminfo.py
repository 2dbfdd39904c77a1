"""The description of the user's terminal, of the host where the rootfs has none: terminfo(5)."""

import os
from collections.abc import Iterator, Mapping

from magpkg.launch.hostfiles import FILE
from magpkg.manifest.mount import Mount
from magpkg.sandbox.view import Files

SHOWN_AT = "/run/terminfo"
"""The directory inside in which such an entry is."""

VARIABLES = ("TERMINFO", "TERMINFO_DIRS")
"""The variables in which a terminal such as kitty says where its description is."""

_DIRECTORIES = ("/etc/terminfo", "/lib/terminfo", "/usr/lib/terminfo", "/usr/share/terminfo")
_FURTHER = ("/usr/local/share/terminfo", "/usr/local/lib/terminfo")
_WITHOUT = ("dumb", "unknown")  # what they can do needs no description


def terminfo_mount(rootfs: str, term: str, environment: Mapping[str, str], files: Files) -> Mount | None:
    """The mount that shows the host's entry for the terminal `term`; None where the rootfs has one or the host none."""
    if not term or term in _WITHOUT or "/" in term or not term.isprintable():
        return None
    # By the first letter, or by its number: tic(1) writes one or the other.
    entries = (f"{term[0]}/{term}", f"{ord(term[0]):x}/{term}")
    if any(os.path.lexists(f"{rootfs}{directory}/{entry}") for directory in _DIRECTORIES for entry in entries):
        return None
    for directory in _host_directories(environment):
        for entry in entries:
            path = f"{directory}/{entry}"
            if files.kind(path, follow=True) == FILE:
                return Mount("ro-bind", path, f"{SHOWN_AT}/{entry}", optional=True)
    return None


def _host_directories(environment: Mapping[str, str]) -> Iterator[str]:
    named = [environment.get("TERMINFO", "")]
    if environment.get("HOME"):
        named.append(f"{environment['HOME']}/.terminfo")
    named += environment.get("TERMINFO_DIRS", "").split(":")
    seen = dict.fromkeys([*named, *_DIRECTORIES, *_FURTHER])
    yield from (directory for directory in seen if directory.startswith("/"))
