"""Configuration: one more package for a closure of Debian packages, with what installing them as a whole would make.

It has dpkg's database, the library cache and, where that is asked for or needed, all that Debian's own scripts make. It
depends on the Debian packages alone, so that venvs which differ in other things share it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from magpkg.manifest.package import FIXUP_ENDING, OWN_BUILDS, UNDEB, UNTAR, Package, make_package

NAME = "configured"
"""The name of the package; its tree is `configured-<hash>`."""

ALWAYS, NEVER, WHERE_NEEDED = "always", "never", "auto"
"""Whether Debian's own scripts run: `configure` of a manifest is true, false or 'auto'."""

_BUILD = f"{OWN_BUILDS}configure "
_PROCEDURE = 13
"""The version of how a closure is configured; raised whenever the same packages come to something else."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Whether Debian's scripts run, and the names of the packages whose scripts never do."""

    mode: str = WHERE_NEEDED
    skip: tuple[str, ...] = ()


DEFAULT = Configuration()
"""What a manifest that says nothing of it gets."""


def configured(closure: Sequence[Package], wanted: Configuration) -> tuple[Package, ...]:
    """The closure, in merge order, with the package of its configuration where it has packages of Debian.

    What is Debian's comes first, then the configuration, then all else, which may replace what that made.
    """
    debian: dict[str, Package] = {}
    for package in closure:
        if _is_debian(package, debian):
            debian[package.hash] = package
    if not any(package.build == UNDEB for package in debian.values()):
        return tuple(closure)
    text = json.dumps({"mode": wanted.mode, "procedure": _PROCEDURE, "skip": sorted(set(wanted.skip))}, sort_keys=True)
    made = make_package(NAME, f"{_BUILD}{text}", (), debian.values())
    return (*debian.values(), made, *(package for package in closure if package.hash not in debian))


def parameters(package: Package) -> Configuration:
    """What the package of a configuration was made with."""
    fields = json.loads(package.build.removeprefix(_BUILD))
    return Configuration(fields["mode"], tuple(fields["skip"]))


def is_configuration(package: Package) -> bool:
    """Whether this is the package that `configured` adds."""
    return package.build.startswith(_BUILD)


def _is_debian(package: Package, debian: dict[str, Package]) -> bool:
    """Whether a package is one of Debian's, completes one, or groups such; those before it are in `debian`."""
    if any(dependency.hash not in debian for dependency in package.run_deps):
        return False
    if package.build == UNDEB or package.name.endswith(FIXUP_ENDING):
        return True
    return package.build == UNTAR and not package.fetch and bool(package.run_deps)
