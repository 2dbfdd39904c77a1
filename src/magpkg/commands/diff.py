"""`magpkg diff`: what has changed between two manifests, revisions or venvs."""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import size, tell, tell_json
from magpkg.errors import MagpkgError
from magpkg.inspection.difference import Changes, Difference, Item, Side, compare, side_of_manifest, side_of_venv
from magpkg.store import inventory
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs
    from magpkg.manifest.manifest import Manifest

_HASH = re.compile(r"[0-9a-f]{7,64}\Z")
_UNKNOWN = "not known: the store keeps the packages of a venv, and no manifest led to it that is still the same"


@click.command()
@options.manifest_options
@options.json_option
@options.debug_option
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
def diff(given: "Inputs", as_json: bool, first: str, second: str | None) -> None:
    """Show how B differs from A.

    Compared are packages, versions, sizes, fsEntries, mounts, and names of variables.

    Each is a file, a git revision of one, such as HEAD~1:magpkg.jsonnet, or the beginning of a venv's hash. Without B
    it is the manifest that -e or -f names, else the nearest.
    """
    store = options.store(os.environ)
    if second is not None and (given.expression is not None or given.file is not None):
        raise MagpkgError("B, -e and -f all name the second manifest", "give one of them")
    sides = _side(first, given, store), _side(second, given, store)
    found = compare(*sides)
    sizes = [_venv_size(side, store) for side in sides]
    if as_json:
        tell_json(_plain(sides, sizes, found, store))
        return
    for letter, side, held in zip("AB", sides, sizes, strict=True):
        tell(f"{letter}          {side.label}")
        state = "not made yet" if held is None else f"made, {size(held)}"
        tell(f"  venv     {side.hash} ({state})")
    _print_packages(found, store)
    if found.fields is None:
        tell(f"fields     {_UNKNOWN}")
    for field, changes in (found.fields or {}).items():
        for mark, name in _marked(changes):
            tell(f"{field:<10} {mark} {name}")


def _side(spec: str | None, given: "Inputs", store: Store) -> Side:
    if spec is None:
        manifest, evaluated = options.manifest(given)
        return side_of_manifest(evaluated.origin, manifest)
    if not os.path.exists(spec) and ":" in spec:
        from magpkg.inspection.revision import checked_out

        with checked_out(spec, os.getcwd(), os.environ, store) as path:
            return side_of_manifest(spec, _manifest_in(path, given))
    if not os.path.exists(spec) and _HASH.match(spec):
        return _venv_side(spec, given, store)
    return side_of_manifest(os.path.abspath(spec), _manifest_in(spec, given))


def _manifest_in(path: str, given: "Inputs", *, found: bool = False) -> "Manifest":
    return options.manifest(replace(given, file=path, expression=None, found=found))[0]


def _venv_side(start: str, given: "Inputs", store: Store) -> Side:
    """A venv of the store; with all that its manifest says where that still leads to it."""
    found = [name for name in store.names(store.venv_directory) if name.startswith(start) and store.members(name)]
    if len(found) != 1:
        problem = "several venvs begin" if found else "no venv of the store begins"
        raise MagpkgError(f"{start}: {problem} with this hash, and no file has this name", "magpkg list lists them")
    (name,) = found
    for origin in reversed(store.origins(name)):
        try:
            side = side_of_manifest(f"a venv of {origin}", _manifest_in(origin, given, found=True))
        except MagpkgError:
            continue  # gone, or it needs what only that launch gave it
        if side.hash == name:
            return side
    return side_of_venv("a venv of the store", name, store.members(name))


def _venv_size(side: Side, store: Store) -> int | None:
    path = store.venv(side.hash)
    return inventory.usage([path]).total if os.path.isdir(path) else None


def _size(item: Item, store: Store) -> int | None:
    """The bytes of the package's trees; None where the store lacks one."""
    paths = [store.package(tree) for tree in item.trees]
    return inventory.usage(paths).total if all(os.path.isdir(path) for path in paths) else None


def _print_packages(found: Difference, store: Store) -> None:
    counts = f"{len(found.added)} added, {len(found.removed)} removed, {len(found.changed)} changed"
    rest = f", {len(found.rebased)} only in what they depend on" if found.rebased else ""
    tell(f"packages   {counts}{rest}")
    for mark, items in (("+", found.added), ("-", found.removed)):
        for item in items:
            held = _size(item, store)
            tell(f"  {mark} {item}{'' if held is None else f' ({size(held)})'}")
    for one, other in found.changed:
        versions = [f" {'not known' if item.version is None else item.version}" for item in (one, other)]
        told = f"{versions[0]} ->{versions[1]}" if one.version != other.version else f"{versions[0]}, made otherwise"
        held, now = _size(one, store), _size(other, store)
        sizes = f" ({size(held)} -> {size(now)})" if held is not None and now is not None and held != now else ""
        tell(f"  ~ {one.name}{told}{sizes}")


def _marked(changes: Changes) -> Iterable[tuple[str, str]]:
    yield from (("+", name) for name in changes.added)
    yield from (("-", name) for name in changes.removed)
    yield from (("~", name) for name in changes.changed)


def _plain(sides: tuple[Side, Side], sizes: list[int | None], found: Difference, store: Store) -> dict[str, object]:
    def plain(item: Item) -> dict[str, object]:
        return {"name": item.name, "version": item.version, "hash": item.key, "bytes": _size(item, store)}

    first, second = (
        {"manifest": side.label, "hash": side.hash, "bytes": held} for side, held in zip(sides, sizes, strict=True)
    )
    fields = None
    if found.fields is not None:
        fields = {
            field: {"added": changes.added, "removed": changes.removed, "changed": changes.changed}
            for field, changes in found.fields.items()
        }
    return {
        "a": first,
        "b": second,
        "packages": {
            "added": [plain(item) for item in found.added],
            "removed": [plain(item) for item in found.removed],
            "changed": [{"a": plain(one), "b": plain(other)} for one, other in found.changed],
            "rebased": [plain(item) for item in found.rebased],
        },
        "fields": fields,
    }
