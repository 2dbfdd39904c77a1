"""The rootfs: a closure of package trees merged into one tree, with the manifest's fsEntries and mount points."""

import filecmp
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Protocol

from magpkg.manifest.configuration import NAME as CONFIGURED
from magpkg.manifest.fsentry import FsEntry
from magpkg.manifest.package import FIXUP_ENDING, Package, runtime_closure
from magpkg.store.tree import Tree

# Where people and `sandbox` mount things. Present in every rootfs, so that the usual mounts need no opening up of
# directories.
SKELETON_DIRECTORIES = (
    "dev", "etc", "home", "media", "mnt", "opt", "proc", "root", "run", "srv", "sys", "tmp", "usr/share/zoneinfo",
    "var/tmp",
)  # fmt: skip
# tzfile(5), version 2: UTC and no change of it, ever.
_UTC = b"TZif2" + bytes(34) + b"\x01" + bytes(3) + b"\x04" + bytes(6) + b"UTC\0"
SKELETON_FILES = {
    "etc/group": b"",
    "etc/hosts": b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n",
    "etc/localtime": _UTC + _UTC + b"\nUTC0\n",
    "etc/machine-id": b"",
    # nsswitch.conf(5), as libc-bin has it but for its databases in another format.
    "etc/nsswitch.conf": (
        b"passwd: files\ngroup: files\nshadow: files\ngshadow: files\n\nhosts: files dns\nnetworks: files\n\n"
        b"protocols: files\nservices: files\nethers: files\nrpc: files\n"
    ),
    "etc/passwd": b"",
    "etc/resolv.conf": b"",
}
"""What a rootfs has to say where no package does. The empty ones are but mount points."""


REMOVED = ".wh."
"""How the name of an empty file begins by which the tree of a configuration says that another is no longer there.

As in the layers of images, image-spec of OCI, "Whiteouts".
"""


def removals(names: Iterable[str]) -> list[str]:
    """Those of the names of files in a configuration's tree that stand for what is removed."""
    return [name for name in names if name.startswith(REMOVED) and len(name) > len(REMOVED)]


class Writer(Protocol):
    """What the fsEntries are written with: a tree, or the model of one."""

    def make_directory(self, path: str, mode: int = ..., /) -> None:
        """See tree.Tree."""

    def write_file(self, path: str, mode: int, content: Iterable[bytes], /) -> None:
        """See tree.Tree."""

    def make_symlink(self, path: str, target: str, /) -> None:
        """See tree.Tree."""

    def exists(self, path: str, /) -> bool:
        """See tree.Tree."""


@dataclass(frozen=True, slots=True)
class Member:
    """A package of the closure and where its tree is."""

    package: Package
    tree: str


class Target(Writer, Protocol):
    """What trees are merged into: a tree, or what only notes where things would be."""

    def remove(self, path: str, /) -> None:
        """See tree.Tree."""

    def adopt_files(self, directory: str, source: str, names: Sequence[str], /) -> Iterable[str]:
        """See tree.Tree."""


@dataclass(slots=True)
class _Merge:
    tree: Target
    members: Sequence[Member]
    warnings: list[str] = field(default_factory=list)


def assemble(
    root: str, members: Sequence[Member], fs_entries: Sequence[FsEntry] = (), *, links: bool = True
) -> tuple[str, ...]:
    """Fill the empty directory `root` with the members' trees in merge order, the fsEntries and the mount points.

    Without `links` no file is one with a member's, so that what is in the root may be written.

    Returns warnings: one for each path at which two packages, neither of which depends on the other, ship different
    files; the later in merge order wins.
    """
    with Tree(root, "rootfs", links=links) as tree:
        warnings = merge(tree, members, fs_entries)
        if not links:
            return warnings
        copied = ("files were copied, since the store has no hard links between pkgs and tmp",) if tree.copied else ()
    return warnings + copied


def merge(
    tree: Target,
    members: Sequence[Member],
    fs_entries: Sequence[FsEntry] = (),
    begin: Callable[[], None] = lambda: None,
) -> tuple[str, ...]:
    """What `assemble` does, into any target; `begin` is called before each member, and before what comes after all."""
    merge = _Merge(tree, members)
    for index, member in enumerate(members):
        begin()
        _merge_member(merge, index, member.tree, "")
    begin()
    complete(tree, fs_entries)
    return tuple(merge.warnings)


def _merge_member(merge: _Merge, index: int, source: str, directory: str) -> None:
    """Merge a directory of a member: its files before its directories, each by name.

    Where a link makes two of its paths one, which comes last must not be the file system's choice.
    """
    with os.scandir(source) as entries:
        listed = sorted(entries, key=attrgetter("name"))
    below = [entry for entry in listed if entry.is_dir(follow_symlinks=False)]
    prefix = f"{directory}/" if directory else ""
    if len(below) < len(listed):
        names = [entry.name for entry in listed if not entry.is_dir(follow_symlinks=False)]
        if merge.members[index].package.name == CONFIGURED:
            for name in removals(names):
                merge.tree.remove(f"{prefix}{name.removeprefix(REMOVED)}")
                names.remove(name)
        for name in merge.tree.adopt_files(directory, source, names):
            _note_conflict(merge, index, prefix + name)
    for entry in below:
        merge.tree.make_directory(prefix + entry.name, entry.stat().st_mode & 0o755)
    for entry in below:
        _merge_member(merge, index, entry.path, prefix + entry.name)


def _note_conflict(merge: _Merge, index: int, path: str) -> None:
    """Warn where `path` of member `index`, which replaced another's, is unlike it and they have nothing in common."""
    later = merge.members[index]
    for earlier in reversed(merge.members[:index]):
        spellings = (path, path.removeprefix("usr/"), f"usr/{path}")  # a merged /usr makes these one place
        other = next((found for name in spellings if _is_file(found := f"{earlier.tree}/{name}")), None)
        if other is None:
            continue
        if _are_alternatives(earlier.package, later.package):
            return
        if not _same(other, f"{later.tree}/{path}") and not _depends(later.package, earlier.package):
            both = f"{earlier.package.name} and {later.package.name}"
            merge.warnings.append(f"/{path}: {both} ship different files; {later.package.name}'s is used")
        return


def _is_file(path: str) -> bool:
    """Whether something is there that is no directory: a link /sbin and a directory /usr/sbin are not at odds."""
    return os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path))


def _are_alternatives(package: Package, other: Package) -> bool:
    """Whether what both ship at one path is a choice, as of two editors that both want to be `editor`."""
    return package.name.endswith(FIXUP_ENDING) and other.name.endswith(FIXUP_ENDING)


def _depends(package: Package, other: Package) -> bool:
    return any(member.hash == other.hash for member in runtime_closure([package]))


def _same(first: str, second: str) -> bool:
    if os.path.islink(first) or os.path.islink(second):
        return os.path.islink(first) and os.path.islink(second) and os.readlink(first) == os.readlink(second)
    return filecmp.cmp(first, second, shallow=False)


def complete(tree: Writer, fs_entries: Sequence[FsEntry]) -> None:
    """Add what is no package's: the fsEntries and, where there is nothing, the mount points."""
    for entry in fs_entries:
        _write_entry(tree, entry)
    for path in SKELETON_DIRECTORIES:
        if not tree.exists(path):
            tree.make_directory(path)
    for path, content in SKELETON_FILES.items():
        if not tree.exists(path):
            tree.write_file(path, 0o644, (content,))


def _write_entry(tree: Writer, entry: FsEntry) -> None:
    path = entry.path.lstrip("/")
    if entry.type == "directory":
        tree.make_directory(path, entry.mode)
    elif entry.type == "symlink":
        tree.make_symlink(path, entry.target)
    else:
        tree.write_file(path, entry.mode, [entry.contents.encode("utf-8")])
