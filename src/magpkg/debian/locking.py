"""Locking: names and what the suites have become a lock."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from magpkg.debian.base import base_of
from magpkg.debian.index import PackagesIndex, Universe
from magpkg.debian.lockfile import LOCK_NAME, Lock, LockedSuite, Pin, lock_text, read_lock
from magpkg.debian.lockset import FIXUP_TOOLS, companions
from magpkg.debian.release import Release, moment
from magpkg.debian.resolve import resolve
from magpkg.debian.suite import Suites, Trust
from magpkg.debian.wanted import WantedNames
from magpkg.errors import MagpkgError
from magpkg.fetch.failure import Unreached
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph

DEFAULT_SUITE, DEFAULT_COMPONENT, DEFAULT_ARCHITECTURE = "bookworm", "main", "amd64"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where packages are looked for: suites in order of preference, the components of each, one architecture."""

    suites: tuple[str, ...]
    components: tuple[str, ...]
    architecture: str


def scope(
    suites: Sequence[str],
    components: Sequence[str],
    architecture: str | None,
    lock: Lock | None,
    manifest: Sequence[str] = (),
) -> Scope:
    """The scope that is asked for; what is left open is as in the lock there is, else the default.

    Suites that a `manifest` names go before those of its lock.
    """
    old_suites = tuple(item.suite for item in lock.suites) if lock else ()
    old_components = tuple(dict.fromkeys(name for item in lock.suites for name in item.components)) if lock else ()
    return Scope(
        suites=tuple(suites) or tuple(manifest) or old_suites or (DEFAULT_SUITE,),
        components=tuple(components) or old_components or (DEFAULT_COMPONENT,),
        architecture=architecture or (lock.architecture if lock else DEFAULT_ARCHITECTURE),
    )


@dataclass(frozen=True, slots=True)
class Market:
    """What a scope had when it was looked at."""

    suites: tuple[LockedSuite, ...]
    universe: Universe


def visit(suites: Suites, where: Scope, trust: Trust, old: Lock | None) -> Market:
    """Read the scope's releases, verified and no older than those of the `old` lock, and their indices."""
    dates = locked_dates(old)
    try:
        return _market(suites, where, [suites.release(name, trust, dates.get(name)) for name in where.suites])
    except Unreached as error:
        if all(suites.has_kept(name, where.components, where.architecture) for name in where.suites):
            error.hint = "with --offline what the store has of the suites is used"
        raise


def revisit(suites: Suites, where: Scope, trust: Trust, old: Lock | None) -> Market:
    """As `visit`, but what the store has of a suite is good enough."""
    dates = locked_dates(old)
    releases = [suites.kept_release(name) or suites.release(name, trust, dates.get(name)) for name in where.suites]
    return _market(suites, where, releases)


def locked_dates(lock: Lock | None) -> dict[str, datetime]:
    """The date of each suite as the lock saw it; what is no date, in a lock that was written by hand, says nothing."""
    dates = {}
    for suite in lock.suites if lock else ():
        with suppress(ValueError):
            dates[suite.suite] = moment(suite.date)
    return dates


def _market(suites: Suites, where: Scope, releases: Sequence[Release]) -> Market:
    families = list(dict.fromkeys(release.family for release in releases))
    groups = [
        [index for release in releases if release.family == family for index in _indices(suites, where, release)]
        for family in families
    ]
    locked = (LockedSuite(item.suite, where.components, item.date, item.sha256) for item in releases)
    return Market(tuple(locked), Universe(groups, where.architecture))


def shelves(
    suites: Suites, where: Scope, trust: Callable[[], Trust], lock: Lock | None
) -> Iterator[tuple[str, PackagesIndex]]:
    """The indices of the scope to look around in, each with its suite; what the store has of one is good enough.

    What it has not must be no older than the lock that is there.
    """
    dates = locked_dates(lock)
    for name in where.suites:
        release = suites.kept_release(name) or suites.release(name, trust(), dates.get(name))
        yield from ((name, index) for index in _indices(suites, where, release))


def _indices(suites: Suites, where: Scope, release: Release) -> Iterator[PackagesIndex]:
    return (suites.index(release, component, where.architecture) for component in where.components)


def wanted_names(
    path: str, offered: Callable[[], Iterable[str]], value: Callable[[PackageGraph, WantedNames], object]
) -> set[str]:
    """The names that the manifest of a plain `value` wants of the lock at `path`, with any of `offered` to be had.

    The base, which every lock has, is not among them but where it is named.
    """
    stand_in = WantedNames(path, offered)
    graph = PackageGraph(stand_in.referred)
    read_manifest(value(graph, stand_in), graph, stand_in)
    return stand_in.names


def nothing_to_lock(label: str, path: str) -> MagpkgError:
    """The error for a manifest that wants nothing of the lock at `path`."""
    hint = f"name packages in the manifest (docs/lock.md), or as arguments: magpkg lock NAME... -o {LOCK_NAME}"
    return MagpkgError(f"nothing to lock: {label} wants no package of {path}", hint)


def make_lock(market: Market, names: Iterable[str], held: Mapping[str, Pin], *, recommends: bool) -> Lock:
    """The lock for `names`; pins in `held` stay where they are as long as the suites still have them.

    Every lock also has the base, which makes a root usable, and the package that fix-ups are built with.
    """
    wanted = tuple(sorted(set(names)))
    base = base_of(market.universe)
    pins = resolve(market.universe, {*wanted, *base, FIXUP_TOOLS}, held, companions(), recommends=recommends)
    made = Lock(market.universe.architecture, market.suites, wanted, recommends, pins, base)
    # What an index says is believed only as far as a lock may say it: names, pool paths, checksums.
    return read_lock(lock_text(made), "suite")
