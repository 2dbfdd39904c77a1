"""Wanted names: what a manifest wants of its lock, found by evaluating it with every package of the suite on offer."""

import os
from collections.abc import Callable, Iterable

from magpkg.manifest.package import UNTAR, Package, make_package
from magpkg.manifest.sources import read_file

_PREFIX = "wanted:"


class WantedNames:
    """Stands in for the lock file at `path` and notes in `names` which of its packages a manifest uses.

    Any name of `offered` can be had, whether the lock has it or not: what is handed out are references, and a package
    that is referred to in the end, from `packages` or as a dependency, is one that the manifest wants.
    """

    def __init__(self, path: str, offered: Callable[[], Iterable[str]]) -> None:
        self.path = os.path.abspath(path)
        self.text = _text(self.path)
        self.names: set[str] = set()
        self._offered = offered

    def lockset(self) -> dict[str, str]:
        """The key of every package on offer, by name."""
        return {name: _PREFIX + name for name in self._offered()}

    def referred(self, key: str) -> Package | None:
        """A package to go on with for a key of `lockset`, which is wanted now; None for other keys."""
        return self.package(key.removeprefix(_PREFIX), "") if key.startswith(_PREFIX) else None

    def package(self, name: str, where: str) -> Package:
        """A package to go on with for a name, which is wanted now."""
        self.names.add(name)
        # One that differs for each name is enough; Debian's names are names of packages here as well.
        return make_package(name, UNTAR)

    def base(self) -> tuple[Package, ...]:
        """Nothing: every lock has the base."""
        return ()


def _text(path: str) -> str:
    # What tells this lock from others when its text comes back from the evaluation; any that no lock has will do
    # where there is no file yet.
    try:
        return read_file(path).decode("utf-8", "replace")
    except FileNotFoundError:
        return f"no lock file yet: {path}"
