"""Debian mirrors: where `debian:pool/...` urls are looked up.

No mirror is built in. The user's `MAGPKG_DEBIAN_MIRROR` counts, else what `magpkg config mirror` has kept, else the
sources that this machine's own apt uses.
"""

import glob
import os
import re
from collections.abc import Iterator, Mapping

from magpkg.errors import MagpkgError
from magpkg.manifest.owners import read_setting, setting_path

SCHEME = "debian:"
VARIABLE = "MAGPKG_DEBIAN_MIRROR"
SETTING = "mirrors"

# Third parties' sources stand in the same files; only Debian's own suites share its pool. Code names rather than
# version numbers are what a source names, sources.list(5).
_SUITE = re.compile(
    r"(buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)"
    r"(-security|-updates|-backports|-proposed-updates)?(/updates)?/?\Z"
)


def mirrors(
    environment: Mapping[str, str], apt_directory: str = "/etc/apt", *, required: bool = True
) -> tuple[str, ...]:
    """The base urls of the mirrors to try, in order, without a slash at the end.

    Where the user named none, and apt's sources have none either, there is none, or, where one is `required`, a
    MagpkgError that says how to name one.
    """
    named = re.split(r"[\s,]+", environment.get(VARIABLE, "").strip())
    found = [url.rstrip("/") for url in named if url]
    found = found or [*read_setting(setting_path(environment, SETTING), os.geteuid())] or [*_apt_mirrors(apt_directory)]
    if not found and required:
        message = f"no Debian mirror is known: none is set, and {apt_directory} names none"
        hint = f"magpkg config mirror URL keeps one, {VARIABLE} names one for now: the address above dists/ and pool/"
        raise MagpkgError(message, hint)
    return tuple(dict.fromkeys(found))


def _apt_mirrors(directory: str) -> Iterator[str]:
    listed = sorted(glob.glob(f"{directory}/sources.list.d/*"))
    for path in [f"{directory}/sources.list", *listed]:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        if path.endswith(".list"):
            yield from _one_line_sources(text)
        elif path.endswith(".sources"):
            yield from _deb822_sources(text)


def _one_line_sources(text: str) -> Iterator[str]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)", line)
        if match and _SUITE.match(match.group(2)) and is_usable(match.group(1)):
            yield match.group(1).rstrip("/")


def _deb822_sources(text: str) -> Iterator[str]:
    from debian.deb822 import Deb822

    for source in Deb822.iter_paragraphs(text, use_apt_pkg=False):
        if "deb" not in source.get("Types", "").split() or source.get("Enabled", "yes").lower() in ("no", "false", "0"):
            continue
        if any(_SUITE.match(suite) for suite in source.get("Suites", "").split()):
            yield from (url.rstrip("/") for url in source.get("URIs", "").split() if is_usable(url))


def is_usable(url: str) -> bool:
    """Whether an address is of a kind that a mirror can have here."""
    return url.startswith(("http://", "https://", "file:"))
