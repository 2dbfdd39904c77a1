"""Differences: two manifests, or what is known of two venvs, side by side. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from magpkg.inspection.outline import outline
from magpkg.manifest.digest import digest
from magpkg.manifest.manifest import Manifest, venv_hash
from magpkg.manifest.package import FIXUP_ENDING

_ENTRY_TAG = "magpkg fsEntry 1"
_HASH_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Item:
    """A package of one side: name, version, key, what it is made from (None: not known) and its trees in the store."""

    name: str
    version: str | None
    key: str
    made_from: tuple[str, ...] | None
    trees: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip() if self.version is not None else self.name


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared: where it comes from, the venv's hash, the packages, and per field what stands for each name.

    `fields` is None where only the packages are known, as of a venv whose manifest is gone or has changed.
    """

    label: str
    hash: str
    packages: tuple[Item, ...]
    fields: Mapping[str, Mapping[str, str]] | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of one field that are only in the second, only in the first, or in both and stand for something else."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is only in the second side, only in the first, or otherwise in the second.

    `rebased` are packages that are themselves as they were, on dependencies that are not. `fields` is None where one
    side does not know its own.
    """

    added: tuple[Item, ...]
    removed: tuple[Item, ...]
    changed: tuple[tuple[Item, Item], ...]
    rebased: tuple[Item, ...]
    fields: Mapping[str, Changes] | None


def side_of_manifest(label: str, manifest: Manifest) -> Side:
    """All that a manifest says."""
    nodes = outline(manifest.packages).nodes.values()
    fields = {
        "fsEntries": {entry.path: digest(_ENTRY_TAG, entry.content()) for entry in manifest.fs_entries},
        "mounts": {mount.target: str(mount) for mount in manifest.mounts},
        "mountDefaults": {"true" if manifest.mount_defaults else "false": ""},
        "hostDefaults": {"true" if manifest.takes_host_defaults else "false": ""},
        "unshare": dict.fromkeys(manifest.unshare, ""),
        "seccomp": {"default" if manifest.filtered else "none": ""},
        "envKeep": dict.fromkeys(manifest.env_keep, ""),
        "envSet": dict(manifest.env_set),
    }
    items = tuple(Item(node.name, node.version, node.key, node.made_from, node.trees) for node in nodes)
    return Side(label, venv_hash(manifest.closure(), manifest.fs_entries), items, fields)


def side_of_venv(label: str, name: str, trees: Iterable[str]) -> Side:
    """What the trees of a venv, in merge order, say of it; a package with its fix-up is one, as in an outline."""
    by_name: dict[str, list[str]] = {}
    for tree in trees:
        by_name.setdefault(tree[: -_HASH_LENGTH - 1], []).append(tree)
    items = []
    for package, made in by_name.items():
        fixups = by_name.get(f"{package}{FIXUP_ENDING}", [])
        if package.removesuffix(FIXUP_ENDING) in by_name and package.endswith(FIXUP_ENDING):
            continue
        if fixups:
            items.append(Item(package, None, made[-1][-_HASH_LENGTH:], None, (*made, *fixups)))
        else:
            items += [Item(package, None, tree[-_HASH_LENGTH:], None, (tree,)) for tree in made]
    return Side(label, name, tuple(items), None)


def compare(first: Side, second: Side) -> Difference:
    """What became of `first` in `second`."""
    added, removed, changed, rebased = [], [], [], []
    names = {item.name: item for side in (first, second) for item in side.packages}
    keys = {item.key for item in first.packages} & {item.key for item in second.packages}
    for name in sorted(names):
        before, after = (
            [item for item in side.packages if item.name == name and item.key not in keys] for side in (first, second)
        )
        for one, other in zip_longest(before, after):
            if one is None:
                added.append(other)
            elif other is None:
                removed.append(one)
            elif (one.version, one.made_from) == (other.version, other.made_from) and one.made_from is not None:
                rebased.append(other)
            else:
                changed.append((one, other))
    fields = None
    if first.fields is not None and second.fields is not None:
        fields = {field: _changes(first.fields[field], second.fields[field]) for field in first.fields}
    return Difference(tuple(added), tuple(removed), tuple(changed), tuple(rebased), fields)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> Changes:
    return Changes(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name in before and before[name] != after[name]),
    )
