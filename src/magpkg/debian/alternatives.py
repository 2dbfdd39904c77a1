"""Alternatives: the links that update-alternatives(1) would make, as a table that ships with magpkg has them."""

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from magpkg import __file__ as package_file

TABLE = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data/magpkg/fixups/alternatives.txt")

# Where libraries are, by architecture: DEB_HOST_MULTIARCH of dpkg-architecture(1).
_MULTIARCH = {
    "amd64": "x86_64-linux-gnu",
    "arm64": "aarch64-linux-gnu",
    "armhf": "arm-linux-gnueabihf",
    "i386": "i386-linux-gnu",
    "ppc64el": "powerpc64le-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "s390x": "s390x-linux-gnu",
}


@dataclass(frozen=True, slots=True)
class Link:
    """A symlink: where it is, and where it leads."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class _Row:
    version: str
    links: tuple[Link, ...]


class Alternatives:
    """The table of links, by package."""

    def __init__(self, text: str) -> None:
        self._rows: dict[str, list[_Row]] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                package, directory, target, *names = line.split()
                name, _, version = package.partition("@")
                links = tuple(Link(posixpath.join(directory, word), target.replace("*", word)) for word in names)
                self._rows.setdefault(name, []).append(_Row(version, links))

    def links(self, name: str, version: str, architecture: str) -> list[Link]:
        """The links of one package in one version, for a system of one architecture."""
        rows = [row for row in self._rows.get(name, ()) if _begins(version, row.version)]
        words = {"{architecture}": architecture, "{multiarch}": _MULTIARCH.get(architecture, architecture)}
        return [Link(_filled(link.path, words), _filled(link.target, words)) for row in rows for link in row.links]


def load_alternatives() -> Alternatives:
    """The table that ships with magpkg."""
    with open(TABLE, encoding="utf-8") as file:
        return Alternatives(file.read())


def link_commands(links: Iterable[Link]) -> Iterator[str]:
    """The lines of a shell script that makes the links below /out."""
    made: set[str] = set()
    for link in links:
        directory = posixpath.dirname(link.path)
        if directory not in made:
            made.add(directory)
            yield f"mkdir -p {_quoted(f'/out{directory}')}"
        yield f"ln -s {_quoted(link.target)} {_quoted(f'/out{link.path}')}"


def _quoted(word: str) -> str:
    # Always with quotes, as shlex.quote does it only where it must: the text of a script is hashed.
    return "'" + word.replace("'", "'\\''") + "'"


def _begins(version: str, start: str) -> bool:
    return not start or (version.startswith(start) and not version[len(start) :][:1].isdigit())


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
