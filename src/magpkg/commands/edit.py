"""`magpkg add` and `magpkg remove`."""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeVar

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import say, show_lock, speaker
from magpkg.debian.lockfile import LOCK_NAME, Lock, check_debian_name, load_found_lock, lock_text
from magpkg.debian.locking import make_lock, nothing_to_lock, scope, visit, wanted_names
from magpkg.debian.suite import Trust
from magpkg.debian.textfile import Draft, draft
from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import is_plain
from magpkg.manifest.manifest import read_suites
from magpkg.manifest.sources import Sources, find_manifest
from magpkg.project.namelist import with_names, without_names
from magpkg.project.skeleton import reference

_Command = TypeVar("_Command", bound=Callable[..., object])
_LOCKSET = re.compile(r"local\s+(\w+)\s*=[^;]*\blockset\(\s*importstr\b")
_FIRST_LINE = f"local packages = (import 'magpkg/debian.libsonnet').lockset(importstr '{LOCK_NAME}');"


def _edit_options(command: _Command) -> _Command:
    for option in (
        options.debug_option,
        options.quiet_option,
        options.offline_option,
        options.trust_options,
        click.option(
            "-f", "--file", shell_complete=completion.manifests, help="Change this manifest; default: the nearest one."
        ),
    ):
        command = option(command)
    return command


@click.command()
@_edit_options
@click.argument("names", nargs=-1, required=True, shell_complete=completion.suite_names)
def add(
    file: str | None,
    trust: Callable[[], Trust],
    offline: bool,
    quiet: bool,
    names: tuple[str, ...],
) -> None:
    """Add packages to a manifest, and pin them.

    The manifest is in YAML or JSON; the pins go into its lock.

    Comments, order and style of the manifest stay. Where a name is unknown to the suite, nothing is written.
    """
    for name in names:
        check_debian_name(name)
    path, text = _manifest(file, names, "write into its packages: {}; then run magpkg lock")
    edited, value = with_names(path, text, names)
    if edited == text and not quiet:
        say(f"{path}: names {', '.join(names)} already")
    lock_path, old, new = _locked(path, file, value, trust(), offline=offline, quiet=quiet)
    with ExitStack() as stack:
        pins = _drafted(stack, lock_path, None if old is None else lock_text(old), lock_text(new))
        manifest = _drafted(stack, path, text, edited)
        _check_unchanged(path, text)
        # In this order, what there is fits together all the time: the lock may have more than is asked for.
        _replace(pins, manifest)
    if not quiet:
        show_lock(lock_path, old, new)


@click.command()
@_edit_options
@click.argument("names", nargs=-1, required=True, shell_complete=completion.manifest_names)
def remove(
    file: str | None,
    trust: Callable[[], Trust],
    offline: bool,
    quiet: bool,
    names: tuple[str, ...],
) -> None:
    """Take packages out of a manifest and its lock.

    The manifest is in YAML or JSON. What nothing else needs leaves the lock as well.

    Comments, order and style of the manifest stay. Where it lacks a name, nothing is written.
    """
    path, text = _manifest(file, names, "take out of its packages: {}; then run magpkg lock")
    edited, value = without_names(path, text, names)
    lock_path, old, new = _locked(path, file, value, trust(), offline=offline, quiet=quiet)
    with ExitStack() as stack:
        manifest = _drafted(stack, path, text, edited)
        pins = _drafted(stack, lock_path, None if old is None else lock_text(old), lock_text(new))
        _check_unchanged(path, text)
        _replace(manifest, pins)
    if not quiet:
        show_lock(lock_path, old, new)


def _manifest(file: str | None, names: Sequence[str], advice: str) -> tuple[str, str]:
    """The manifest's path and text; a program is the user's to change, and the error says how."""
    sources = Sources()
    path = file or find_manifest(os.getcwd(), sources)
    text = sources.read_text(path)
    if is_plain(path):
        return path, text
    found = _LOCKSET.search(text)
    hint = advice.format(", ".join(reference(found[1] if found else "packages", name) for name in names))
    hint = hint if found else f"write at its top: {_FIRST_LINE} and {hint}"
    raise MagpkgError(f"{path}: is Jsonnet, a program, which only you can change", hint)


def _locked(
    path: str, file: str | None, value: object, trust: Trust, *, offline: bool, quiet: bool
) -> tuple[str, Lock | None, Lock]:
    """The path of the manifest's lock, the lock that is there, and the one that `value` wants."""
    lock_path = os.path.join(os.path.dirname(os.path.abspath(path)), LOCK_NAME)
    old = load_found_lock(lock_path, file)
    store = options.own_store(os.environ)
    suites = options.suites(store, speaker(quiet=quiet), offline=offline)
    market = visit(
        suites,
        scope((), (), None, old, read_suites(value.get("suites") if isinstance(value, dict) else None)),
        trust,
        old,
    )
    wanted = wanted_names(lock_path, market.universe.names, lambda *_: value)
    if not wanted:
        raise nothing_to_lock(path, lock_path)
    new = make_lock(market, wanted, old.pins if old else {}, recommends=old is not None and old.recommends)
    suites.forget_replaced()
    return lock_path, old, new


def _drafted(stack: ExitStack, path: str, old: str | None, new: str) -> Draft | None:
    return None if old == new else stack.enter_context(draft(path, new))


def _check_unchanged(path: str, text: str) -> None:
    if Sources().read_text(path) != text:
        raise MagpkgError(f"{path}: was changed meanwhile", "run the command again")


def _replace(*drafts: Draft | None) -> None:
    for made in drafts:
        if made is not None:
            made.replace()
