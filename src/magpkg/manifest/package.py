"""Packages and their graph: definitions in, content-addressed packages and closures out."""

import heapq
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from magpkg.errors import MagpkgError
from magpkg.manifest.digest import PACKAGE_TAG, digest
from magpkg.manifest.field import read_list, read_object, read_sha256, read_text, required, shown

REFERENCE_FIELD = "magpkg:package"
"""The only visible field of what `magpkg.package()` returns: the key under which the definition was registered."""

UNTAR = "untar"
UNDEB = "undeb"
"""The build that unpacks .debs and keeps what dpkg keeps of each: control fields, list of files, scripts."""

FIXUP_ENDING = "-fixup"
"""How the names of packages end that complete others."""

OWN_BUILDS = "magpkg:"
"""How a build begins that is no script but something that magpkg does itself; a definition cannot have one."""

PLAIN_NODES_MAX = 10_000
PLAIN_DEPTH_MAX = 200
COUNT_MAX = 1_000_000

_FIELDS = ("name", "fetch", "build", "runDeps", "buildDeps")
_SOURCE_FIELDS = ("filename", "sha256", "urls")
# Names and filenames become path components in the store and in the sandbox, so nothing that a path gives a meaning.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,127}\Z")
_FILENAME = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9+._~:@%=,-]{0,199}\Z")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that a package is made from: its name in the build, its SHA-256 and where it may be had.

    `size` is how many bytes it has, 0 where nobody said; it bounds a download and is part of no hash.
    """

    filename: str
    sha256: str
    urls: tuple[str, ...]
    size: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """A package with its dependencies; two packages are the same when their hashes are."""

    name: str
    build: str
    fetch: tuple[Source, ...]
    run_deps: tuple["Package", ...]
    build_deps: tuple["Package", ...]
    hash: str

    @property
    def tree_name(self) -> str:
        """The name of the package's tree in the store: `<name>-<hash>`."""
        return f"{self.name}-{self.hash}"

    def __repr__(self) -> str:
        return f"<Package {self.name}-{self.hash[:12]}>"


def make_package(
    name: str,
    build: str,
    fetch: Iterable[Source] = (),
    run_deps: Iterable[Package] = (),
    build_deps: Iterable[Package] = (),
) -> Package:
    """A package with its hash.

    The hash covers the name, the build, every source's filename and SHA-256 in order, and the sets of the
    dependencies' hashes; the urls are no part of it. The name counts because trees are merged in an order that
    ties are broken in by name: without it one hash could stand for two roots.
    """
    sources, runs, builds = tuple(fetch), _by_hash(run_deps), _by_hash(build_deps)
    content = {
        "name": name,
        "build": build,
        "fetch": [[source.filename, source.sha256] for source in sources],
        "runDeps": [dependency.hash for dependency in runs],
        "buildDeps": [dependency.hash for dependency in builds],
    }
    return Package(name, build, sources, runs, builds, digest(PACKAGE_TAG, content))


def runtime_closure(packages: Iterable[Package]) -> tuple[Package, ...]:
    """The packages and, transitively, their runDeps, dependencies first; ties in order of name, then hash.

    The result is a function of the set of packages, not of the order in which they are given.
    """
    members = _reachable(packages)
    dependents: dict[str, list[str]] = {key: [] for key in members}
    waiting: dict[str, int] = {}
    for key, package in members.items():
        waiting[key] = len(package.run_deps)
        for dependency in package.run_deps:
            dependents[dependency.hash].append(key)
    return tuple(members[key] for key in _ordered(members, dependents, waiting))


def _ordered(members: dict[str, Package], dependents: dict[str, list[str]], waiting: dict[str, int]) -> list[str]:
    ready = [(members[key].name, key) for key, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    order = []
    while ready:
        _, key = heapq.heappop(ready)
        order.append(key)
        for dependent in dependents[key]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                heapq.heappush(ready, (members[dependent].name, dependent))
    return order


def _reachable(packages: Iterable[Package]) -> dict[str, Package]:
    members: dict[str, Package] = {}
    pending = list(packages)
    while pending:
        package = pending.pop()
        if package.hash not in members:
            members[package.hash] = package
            pending.extend(package.run_deps)
    return members


def _by_hash(packages: Iterable[Package]) -> tuple[Package, ...]:
    unique = {package.hash: package for package in packages}
    return tuple(unique[key] for key in sorted(unique))


class PackageGraph:
    """Turns package definitions into packages, each definition once.

    Definitions made by the Jsonnet constructor are registered under a key and refer to one another by it; plain
    objects are definitions in place, up to `PLAIN_NODES_MAX` of them, since they come without sharing.
    """

    def __init__(self, late: Callable[[str], Package | None] = lambda _: None) -> None:
        """`late` is asked for the package of a reference whose key was not registered."""
        self._late = late
        self._registered: dict[str, Package] = {}
        self._plain_nodes = 0
        self._open: list[tuple[int, str]] = []

    def register(self, package: Package) -> str:
        """Keep `package` and return the key that a reference to it carries."""
        self._registered[package.hash] = package
        return package.hash

    def read(self, value: object, where: str) -> Package:
        """The package that `value` is or refers to; `where` names its place in the manifest for errors."""
        if isinstance(value, dict) and REFERENCE_FIELD in value:
            return self._referred(value, where)
        if isinstance(value, dict):
            self._count_plain(value, where)
        return self.define(value, where)

    def define(self, value: object, where: str) -> Package:
        """The package that the definition `value` describes; errors name the package, else `where`, and the field."""
        fields = read_object(value, where, _FIELDS)
        name = read_text(required(fields, "name", where), f"{where}.name")
        if not _NAME.match(name):
            rule = "must be letters, digits and + . _ - and begin with a letter or digit, 128 at most"
            raise MagpkgError(f"{where}.name: {rule}; got {shown(name)}")
        self._enter(value, name)
        where = f"package {name}: "
        sources = _read_sources(fields.get("fetch", []), f"{where}fetch")
        package = make_package(
            name,
            _read_build(fields.get("build"), sources, where),
            sources,
            self._dependencies(fields, "runDeps", where),
            self._dependencies(fields, "buildDeps", where),
        )
        self._open.pop()
        return package

    def _dependencies(self, fields: dict[str, object], field: str, where: str) -> list[Package]:
        values = read_list(fields.get(field, []), f"{where}{field}")
        return [self.read(value, f"{where}{field}[{index}]") for index, value in enumerate(values)]

    def _referred(self, value: dict[str, object], where: str) -> Package:
        if len(value) > 1:
            extra = ", ".join(sorted(name for name in value if name != REFERENCE_FIELD))
            hint = "a package made with magpkg.package is varied with .override({ ... })"
            raise MagpkgError(f"{where}: fields added to a package have no effect: {extra}", hint)
        key = value[REFERENCE_FIELD]
        package = (self._registered.get(key) or self._late(key)) if isinstance(key, str) else None
        if package is None:
            hint = "packages come from magpkg.package({ ... }) in this evaluation"
            raise MagpkgError(f"{where}: refers to an unknown package {shown(key)}", hint)
        return package

    def _enter(self, value: object, name: str) -> None:
        if any(open_id == id(value) for open_id, _ in self._open):
            circle = " -> ".join([open_name for _, open_name in self._open] + [name])
            raise MagpkgError(f"package {name}: depends on itself: {circle}")
        if len(self._open) >= PLAIN_DEPTH_MAX:
            hint = "make packages with magpkg.package({ ... })"
            raise MagpkgError(f"package {name}: plain packages are nested more than {PLAIN_DEPTH_MAX} deep", hint)
        self._open.append((id(value), name))

    def _count_plain(self, value: dict[str, object], where: str) -> None:
        self._plain_nodes += 1
        if self._plain_nodes > PLAIN_NODES_MAX:
            message = (
                f"{where}: more than {PLAIN_NODES_MAX} package objects, at least {count_nodes(value)} of them here"
            )
            hint = (
                "plain objects repeat each dependency wherever it is named; make packages with "
                "(import 'magpkg/magpkg.libsonnet').package({ ... }), which shares them"
            )
            raise MagpkgError(message, hint)


def count_nodes(value: object) -> int:
    """How many package objects a plain value holds, nested ones included; counting ends at `COUNT_MAX`."""
    count, pending = 0, [value]
    while pending and count < COUNT_MAX:
        item = pending.pop()
        if isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, dict):
            count += 1
            pending.extend((item.get("runDeps"), item.get("buildDeps")))
    return count


def _read_build(value: object, sources: tuple[Source, ...], where: str) -> str:
    if value is None:
        if sources:
            raise MagpkgError(f'{where}build: is required: a script, or "{UNTAR}" to unpack what is fetched')
        return UNTAR  # a package that only groups its runDeps
    build = read_text(value, f"{where}build")
    if build.startswith(OWN_BUILDS):
        raise MagpkgError(f"{where}build: must not begin with {OWN_BUILDS}")
    return build


def _read_sources(value: object, where: str) -> tuple[Source, ...]:
    sources = tuple(_read_source(item, f"{where}[{index}]") for index, item in enumerate(read_list(value, where)))
    seen: set[str] = set()
    for index, source in enumerate(sources):
        if source.filename in seen:
            raise MagpkgError(f"{where}[{index}].filename: {shown(source.filename)} stands here twice")
        seen.add(source.filename)
    return sources


def _read_source(value: object, where: str) -> Source:
    fields = read_object(value, where, _SOURCE_FIELDS)
    filename = read_text(required(fields, "filename", where), f"{where}.filename")
    if not _FILENAME.match(filename):
        raise MagpkgError(f"{where}.filename: must be a plain file name, got {shown(filename)}")
    sha256 = read_sha256(required(fields, "sha256", where), f"{where}.sha256")
    urls = read_list(required(fields, "urls", where), f"{where}.urls")
    if not urls:
        raise MagpkgError(f"{where}.urls: must name at least one url")
    return Source(filename, sha256, tuple(read_text(url, f"{where}.urls[{i}]") for i, url in enumerate(urls)))
