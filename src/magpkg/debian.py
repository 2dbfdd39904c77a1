"""Lock sets: the pinned binary packages of a Debian suite become packages.

A binary package is unpacked, not installed: its maintainer scripts do not run. What they would have done and a user
would miss is done by fix-ups, small scripts that ship with magpkg, each named after the package it completes.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.field import read_list, read_object, read_text, required, shown
from magpkg.mirror import SCHEME
from magpkg.package import UNTAR, Package, Source, make_package

LOCK_VERSION = 1
FIXUP_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data", "magpkg", "fixups")

MERGED_USR = "merged-usr"
"""The fix-up that every package of a set stands on: the links that make /bin, /lib and /sbin parts of /usr."""

FIXUP_TOOLS = "busybox-static"
"""The one package that fix-ups are built with: static, so that it works in a root that holds nothing else."""

_LOCK_FIELDS = ("version", "architecture", "suites", "names", "packages")
_PIN_FIELDS = ("version", "architecture", "path", "sha256", "size", "depends")
_DEBIAN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")  # Debian policy, 5.6.1
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_POOL_PATH = re.compile(r"pool/[A-Za-z0-9+._~:/%-]+\.deb\Z")


@dataclass(frozen=True, slots=True)
class Pin:
    """One binary package of a lock: its place in the pool, its SHA-256 and the names of what it depends on."""

    name: str
    path: str
    sha256: str
    depends: tuple[str, ...]


def lockset_packages(text: str) -> dict[str, Package]:
    """The packages of a lock file's text, by Debian name.

    Packages that depend on one another in a circle become one package, which each of their names stands for. Raises
    MagpkgError naming the place in the lock for whatever is wrong with it.
    """
    pins = _read_pins(text)
    made: dict[str, Package] = {}
    fixups = _Fixups(pins)
    for circle in _circles(pins):
        members = sorted(circle)
        inside = set(members)
        depends = {name for member in members for name in pins[member].depends if name not in inside}
        run_deps = [made[name] for name in sorted(depends)]
        if not run_deps and members != [FIXUP_TOOLS]:
            run_deps = fixups.foundation()
        sources = [_source(pins[name]) for name in members]
        package = make_package(_circle_name(members), UNTAR, sources, run_deps)
        for name in members:
            made[name] = package
        for name in members:
            made[name] = fixups.completed(name, made[name])
    return made


class _Fixups:
    """The fix-ups that a set needs, made with the set's own tools."""

    def __init__(self, pins: Mapping[str, Pin]) -> None:
        self._available = {name.removesuffix(".sh") for name in os.listdir(FIXUP_DIRECTORY)}
        self._pins = pins

    def foundation(self) -> list[Package]:
        return [self._fixup(MERGED_USR, ())]

    def completed(self, name: str, package: Package) -> Package:
        """`package` with the fix-up of the Debian package `name`; itself where there is none."""
        if name not in self._available or name == MERGED_USR:
            return package
        return make_package(name, UNTAR, (), (package, self._fixup(name, [_source(self._pins[name])])))

    def _fixup(self, name: str, sources: Iterable[Source]) -> Package:
        """The package that the script `<name>.sh` makes; the .deb it completes is at hand as /fetch/<name>.deb."""
        if FIXUP_TOOLS not in self._pins:
            raise MagpkgError(f"the lock set has no {FIXUP_TOOLS}, which its fix-ups need", "make the lock anew")
        with open(f"{FIXUP_DIRECTORY}/{name}.sh", encoding="utf-8") as file:
            script = file.read()
        tools = make_package(FIXUP_TOOLS, UNTAR, [_source(self._pins[FIXUP_TOOLS])])
        return make_package(f"{name}-fixup", script, sources, (), (tools,))


def _source(pin: Pin) -> Source:
    return Source(f"{pin.name}.deb", pin.sha256, (f"{SCHEME}{pin.path}",))


def _circle_name(members: list[str]) -> str:
    """A name for one package, or for those of a circle: at most two are named, so that it fits a path."""
    return "+".join(members) if len(members) <= 2 else f"{members[0]}+{members[1]}+{len(members) - 2}"


def _circles(pins: Mapping[str, Pin]) -> Iterator[list[str]]:
    """The strongly connected components of the dependencies, dependencies first (Tarjan's algorithm, iterative)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in sorted(pins):
        if root in index:
            continue
        work = [(root, iter(pins[root].depends))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(pins[successor].depends)))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = _pop_component(stack, node)
                    on_stack.difference_update(component)
                    yield component


def _pop_component(stack: list[str], root: str) -> list[str]:
    component = []
    while True:
        component.append(stack.pop())
        if component[-1] == root:
            return component


def _read_pins(text: str) -> dict[str, Pin]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise MagpkgError(f"lock: is not JSON: {error}") from error
    fields = read_object(value, "lock", _LOCK_FIELDS)
    if fields.get("version") != LOCK_VERSION:
        raise MagpkgError(f"lock.version: this magpkg reads version {LOCK_VERSION}, got {shown(fields.get('version'))}")
    packages = required(fields, "packages", "lock")
    if not isinstance(packages, dict):
        raise MagpkgError("lock.packages: must be an object")
    pins = {name: _read_pin(name, item) for name, item in packages.items()}
    for pin in pins.values():
        for name in pin.depends:
            if name not in pins:
                raise MagpkgError(f"lock.packages.{pin.name}.depends: {name} is not in the lock", "make the lock anew")
    return pins


def _read_pin(name: str, value: object) -> Pin:
    where = f"lock.packages.{name}"
    if not _DEBIAN_NAME.match(name):
        raise MagpkgError(f"lock.packages: {shown(name)} is no name of a Debian package")
    fields = read_object(value, where, _PIN_FIELDS)
    path = read_text(required(fields, "path", where), f"{where}.path")
    if not _POOL_PATH.match(path) or ".." in path.split("/"):
        raise MagpkgError(f"{where}.path: must be the path of a .deb below pool/, got {shown(path)}")
    sha256 = read_text(required(fields, "sha256", where), f"{where}.sha256")
    if not _SHA256.match(sha256):
        raise MagpkgError(f"{where}.sha256: must be 64 lower-case hexadecimal digits, got {shown(sha256)}")
    depends = read_list(fields.get("depends", []), f"{where}.depends")
    return Pin(name, path, sha256, tuple(read_text(item, f"{where}.depends") for item in depends))
