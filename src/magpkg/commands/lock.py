"""`magpkg lock`."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import say, show_lock, speaker
from magpkg.debian.lockfile import (
    LOCK_NAME,
    BrokenLock,
    Lock,
    Pin,
    load_found_lock,
    load_lock,
    lock_text,
    not_locked,
    save_lock,
)
from magpkg.debian.locking import Scope, make_lock, nothing_to_lock, revisit, scope, visit, wanted_names
from magpkg.debian.release import moment
from magpkg.debian.suite import Suites, Trust
from magpkg.debian.textfile import own_target
from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import evaluate, suites_of
from magpkg.evaluation.inputs import Inputs
from magpkg.manifest.sources import MANIFEST_NAMES, Sources, nearest_manifest


@click.command()
@options.manifest_options
@options.scope_options
@click.option(
    "-o", "--output", shell_complete=completion.files, help=f"The lock file; default: {LOCK_NAME} beside the manifest."
)
@click.option(
    "--recommends/--no-recommends", default=None, help="Lock recommended packages, too; default: as the lock was made."
)
@click.option("--upgrade", is_flag=True, help="Move the pins of NAMES, else all pins, to what the suites have now.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where the lock lacks what is wanted.")
@options.trust_options
@options.offline_option
@options.quiet_option
@options.debug_option
@click.argument("names", nargs=-1, shell_complete=completion.lock_names)
def lock(
    given: Inputs,
    scoped: Callable[[Lock | None, Sequence[str]], Scope],
    output: str | None,
    recommends: bool | None,
    upgrade: bool,
    check: bool,
    trust: Callable[[], Trust],
    offline: bool,
    quiet: bool,
    names: tuple[str, ...],
) -> None:
    """Pin the Debian packages that a manifest wants.

    With NAMES, those. All that they depend on is pinned as well.

    Without NAMES, -e or -f the manifest is the nearest magpkg.jsonnet, magpkg.json or magpkg.yaml. Pins that the lock
    has already stay where they are as long as the suites still have them; --upgrade moves them.
    """
    source = _source(given, () if upgrade else names, upgrade=upgrade)
    path = output or os.path.join(source.directory, LOCK_NAME)
    if source.inputs is None and not upgrade and output is None:
        _check_is_no_manifests(path)
    old, broken = _old(path, given.file, named=output is not None, check=check)
    where = scoped(old, source.suites())
    store = (options.entered_store if check else options.own_store)(os.environ)
    suites = options.suites(store, speaker(quiet=quiet), offline=offline or check)
    trusted = trust()
    if check:
        _check(path, old, source.suites(), lambda lock: source.wanted(path, lambda: _on_offer(suites, lock)))
        return
    market = visit(suites, where, trusted, old)
    wanted = source.wanted(path, lambda: market.universe.names() | set(old.pins if old else ()))
    if not wanted and old is not None and upgrade:
        wanted = set(old.names)
    if not wanted:
        raise nothing_to_lock(source.label, path)
    if recommends is None:
        recommends = old is not None and old.recommends
    new = make_lock(market, wanted, _held(old, names, upgrade=upgrade), recommends=recommends)
    if broken or old is None or lock_text(old) != lock_text(new):
        save_lock(path, new)
    suites.forget_replaced()
    if not quiet:
        show_lock(path, old, new)
        if upgrade and old is not None:
            say(_moved(old, new))


def _old(path: str, manifest: str | None, *, named: bool, check: bool) -> tuple[Lock | None, bool]:
    """The lock that is there, or what a merge left of it, and whether it is broken, which is an error for `check`."""
    try:
        return load_lock(path) if named else load_found_lock(path, manifest), False
    except BrokenLock as error:
        if check:
            raise
        left = "with the pins of one side of the merge" if error.salvaged else "and no pin is kept"
        say(f"warning: {error.message}; it is made anew, {left}")
        return error.salvaged, True


def _moved(old: Lock, new: Lock) -> str:
    """What an upgrade came to."""
    common = old.pins.keys() & new.pins.keys()
    moved = sum(old.pins[name].version != new.pins[name].version for name in common)
    of = ", ".join(f"{suite.suite} as of {moment(suite.date):%-d %b %Y}" for suite in new.suites)
    if not moved:
        return f"nothing newer: {of}"
    return f"{moved} moved, {len(common) - moved} as before: {of}"


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the names to lock come from: a manifest, or the command line."""

    inputs: Inputs | None
    names: tuple[str, ...]
    directory: str
    label: str

    def suites(self) -> Sequence[str]:
        """The suites that the manifest names, if it is one that says so."""
        return () if self.inputs is None else suites_of(self.inputs)

    def wanted(self, path: str, offered: Callable[[], Iterable[str]]) -> set[str]:
        """The names that are wanted of the lock at `path`."""
        inputs = self.inputs
        if inputs is None:
            return set(self.names)
        return wanted_names(path, offered, lambda graph, stand_in: evaluate(inputs, graph, stand_in).value)


def _source(given: Inputs, names: tuple[str, ...], *, upgrade: bool) -> _Source:
    if given.expression is not None or given.file is not None:
        if names:
            raise MagpkgError("names and a manifest both say what to lock", "give one of them")
        directory = os.path.dirname(os.path.abspath(given.file)) if given.file else os.getcwd()
        return _Source(given, (), directory, given.file or "the expression")
    if names:
        return _Source(None, names, os.getcwd(), "the command line")
    found = nearest_manifest(os.getcwd(), Sources())
    if found is None:
        if upgrade:
            return _Source(None, (), os.getcwd(), "the command line")
        hint = "write one with magpkg init, name one with -f FILE, or name packages: magpkg lock NAME..."
        raise MagpkgError(f"no {MANIFEST_NAMES[0]} in {os.getcwd()} or above it", hint)
    own_target(found)  # the lock would stand beside the link, and the manifest would look for it beside the file
    return _Source(replace(given, file=found, found=True), (), os.path.dirname(found), found)


def _check_is_no_manifests(path: str) -> None:
    """Raise MagpkgError where a manifest beside the lock says what belongs into it: names alone would drop the rest."""
    manifest = Sources().find(os.path.join(os.path.dirname(path), name) for name in MANIFEST_NAMES)
    if manifest is not None:
        hint = "write the names in the manifest and run magpkg lock; or lock them in a file of their own, with -o FILE"
        raise MagpkgError(f"{path}: is the lock of {manifest}, which says what belongs into it", hint)


def _held(old: Lock | None, names: tuple[str, ...], *, upgrade: bool) -> dict[str, Pin]:
    """The pins that are to stay."""
    if old is None or (upgrade and not names):
        return {}
    if upgrade:
        for name in names:
            if name not in old.pins:
                raise not_locked(name, old.pins, "--upgrade")
    return {name: pin for name, pin in old.pins.items() if not (upgrade and name in names)}


def _on_offer(suites: Suites, lock: Lock) -> set[str]:
    """The names that a manifest may use while it is checked: the lock's, and its suites' if the store has them."""
    try:
        market = revisit(suites, scope((), (), None, lock), options.trust(), lock)
    except MagpkgError:
        return set(lock.pins)
    return market.universe.names() | set(lock.pins)


def _check(path: str, lock: Lock | None, suites: Sequence[str], wanted: Callable[[Lock], set[str]]) -> None:
    if lock is None:
        raise MagpkgError(f"{path}: there is no such file", "run magpkg lock, which makes it, and commit it")
    locked = tuple(item.suite for item in lock.suites)
    if suites and tuple(suites) != locked:
        message = f"{path}: is of {' and '.join(locked)}, the manifest names {' and '.join(suites)}"
        raise MagpkgError(message, "run magpkg lock and commit the change")
    missing = sorted(wanted(lock) - set(lock.pins))
    if missing:
        raise MagpkgError(f"{path}: lacks {', '.join(missing)}", "run magpkg lock and commit the change")
