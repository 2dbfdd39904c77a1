"""Completion: what a shell may offer for a word that is begun. Part of the command line.

A shell asks in the middle of typing. So no network is asked, no manifest is evaluated, which would run what a
repository ships, and where something fails, nothing is offered.
"""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from magpkg.errors import MagpkgError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from magpkg.debian.lockfile import Lock

_Words = Callable[[click.Context, str], Iterable[str]]
Offer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]

# What stands for itself on a line of every shell, and in what click tells the shell. A word with anything else is not
# offered: the shells put it on the line as it is, and a file can have the name `$(command).json`.
_PLAIN = re.compile(r"[\w./+:@%^-][\w./+:@%^=~-]*")
_MANIFEST_ENDINGS = (".jsonnet", ".json", ".yaml", ".yml")


def offering(words: _Words) -> Offer:
    """What click asks, from a function that gives words."""

    @functools.wraps(words)
    def offer(context: click.Context, _: click.Parameter, begun: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        with suppress(MagpkgError, OSError):
            found = sorted({word for word in words(context, begun) if word.startswith(begun)})
            return [CompletionItem(word) for word in found if _PLAIN.fullmatch(word)]
        return []

    return offer


def files(_: click.Context, __: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Any file, as the shell itself offers them."""
    return _shells_own(begun, "file")


def directories(_: click.Context, __: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Any directory, as the shell itself offers them."""
    return _shells_own(begun, "dir")


def _shells_own(begun: str, kind: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    return [CompletionItem(begun, type=kind)]


def manifests(context: click.Context, parameter: click.Parameter, begun: str) -> "list[CompletionItem]":
    """Manifests, those one directory further down, too; where there are none, any file."""
    return offering(_manifests)(context, parameter, begun) or files(context, parameter, begun)


def _manifests(_: click.Context, begun: str) -> Iterator[str]:
    folder, start = os.path.split(begun)
    for name in _visible(folder, start):
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            yield from (os.path.join(path, inner) for inner in _visible(path, "") if _is_manifest(inner))
        elif _is_manifest(name):
            yield path


def _visible(folder: str, start: str) -> list[str]:
    with suppress(OSError):
        listed = os.listdir(folder or ".")
        return [name for name in listed if name.startswith(start) and (start or not name.startswith("."))]
    return []


def _is_manifest(name: str) -> bool:
    return name.endswith(_MANIFEST_ENDINGS) and not name.endswith(".lock.json")


@offering
def suite_names(context: click.Context, begun: str) -> Iterator[str]:
    """The packages of the suites, as the indices in the store have them; for no letter at all there are too many."""
    from magpkg.debian.locking import scope
    from magpkg.debian.suite import Suites
    from magpkg.fetch.transport import Transport
    from magpkg.launch.environment import store_root
    from magpkg.store.store import Store

    root = store_root(os.environ)
    if not begun or root is None:
        return
    suites = Suites(Store(root), Transport(dict(os.environ), os.getcwd(), offline=True), lambda _: None)
    asked = context.params
    where = scope(asked.get("suite") or (), asked.get("component") or (), asked.get("arch"), _lock(context))
    for release in filter(None, map(suites.kept_release, where.suites)):
        for component in where.components:
            yield from suites.index(release, component, where.architecture).names_from(begun)


@offering
def lock_names(context: click.Context, begun: str) -> Iterable[str]:
    """What `magpkg lock` can be told: with --upgrade pins of the lock, else packages of the suites."""
    if not context.params.get("upgrade"):
        return [item.value for item in suite_names(context, context.command.params[-1], begun)]
    lock = _lock(context)
    return lock.pins if lock is not None else ()


@offering
def locked_names(context: click.Context, _: str) -> Iterable[str]:
    """What a manifest's closure may have: the names of the lock beside it, without one those that ship."""
    from magpkg.debian.lockfile import load_lock
    from magpkg.evaluation.program import CORE_LOCK

    lock = _lock(context) or load_lock(CORE_LOCK)
    return lock.pins if lock is not None else ()


@offering
def manifest_names(context: click.Context, _: str) -> Iterator[str]:
    """The packages that a manifest in YAML or JSON names."""
    from magpkg.evaluation.evaluate import is_plain, parse_plain
    from magpkg.manifest.sources import Sources

    path = _manifest_path(context)
    value = parse_plain(path, Sources().read_text(path)) if is_plain(path) else None
    items = value.get("packages") if isinstance(value, dict) else None
    yield from (item for item in items or () if isinstance(item, str))


def _manifest_path(context: click.Context) -> str:
    from magpkg.manifest.sources import Sources, find_manifest

    return str(context.params.get("file") or find_manifest(os.getcwd(), Sources()))


def _lock(context: click.Context) -> "Lock | None":
    from magpkg.debian.lockfile import LOCK_NAME, load_lock

    named = context.params.get("output")
    directory = os.getcwd()
    with suppress(MagpkgError):
        directory = os.path.dirname(os.path.abspath(_manifest_path(context)))
    return load_lock(named or os.path.join(directory, LOCK_NAME))
