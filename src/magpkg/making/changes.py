"""Changes: what scripts did to a root, compared with how it was merged, becomes the files of a tree."""

import filecmp
import os
import stat
from collections.abc import Iterator, Mapping

from magpkg.making.chance import row_of
from magpkg.making.rootfs import REMOVED
from magpkg.store.tree import Tree

Stamps = Mapping[str, tuple[int, int]]
"""Inode and time of the last change of status of each file, which no program can set, by path."""


def stamps(root: str) -> dict[str, tuple[int, int]]:
    """What tells a file of `root` that is written, replaced or given another mode from one that is left alone."""
    return {
        path: (status.st_ino, status.st_ctime_ns) for path, status in _walk(root) if not stat.S_ISDIR(status.st_mode)
    }


def keep_changes(before: str, root: str, untouched: Stamps, out: str) -> None:
    """Write into the directory `out` what `root` has that `before` has not, or has otherwise, and what it lacks.

    What differs by chance is left out or mended; see chance.
    """
    found = set()
    with Tree(out, "package configured") as tree:
        for path, status in _walk(root):
            found.add(path)
            if untouched.get(path) == (status.st_ino, status.st_ctime_ns) and not stat.S_ISDIR(status.st_mode):
                continue
            if not _is_kind_kept(status.st_mode) or _same(f"{before}/{path}", f"{root}/{path}", status):
                continue
            if _is_other_kind(f"{before}/{path}", status):
                _mark_removed(tree, path)
            _keep(tree, path, f"{root}/{path}", status)
        gone = ""
        for path, status in _walk(before):
            if path in found or (gone and path.startswith(f"{gone}/")):
                continue
            row = row_of(f"{path}/x" if stat.S_ISDIR(status.st_mode) else path)
            if row is None or row.mend is not None:
                gone = path
                _mark_removed(tree, path)


def _mark_removed(tree: Tree, path: str) -> None:
    above, _, name = path.rpartition("/")
    tree.write_file(f"{above}/{REMOVED}{name}".lstrip("/"), 0o644, ())


def _is_other_kind(earlier: str, status: os.stat_result) -> bool:
    """Whether a directory came in the place of something else, or the other way."""
    try:
        there = os.lstat(earlier)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISDIR(there.st_mode) != stat.S_ISDIR(status.st_mode)


def _keep(tree: Tree, path: str, source: str, status: os.stat_result) -> None:
    row = row_of(path)
    if stat.S_ISDIR(status.st_mode):
        if row is None:
            tree.make_directory(path, stat.S_IMODE(status.st_mode) & 0o777)
        return
    if row is not None and row.mend is None:
        return
    if stat.S_ISLNK(status.st_mode):
        tree.make_symlink(path, os.readlink(source))
        return
    mode = stat.S_IMODE(status.st_mode) & 0o777
    if row is not None and row.mend is not None:
        with open(source, "rb") as file:
            tree.write_file(path, mode, [row.mend(file.read())])
        return
    above, _, name = path.rpartition("/")
    tree.adopt_files(above, os.path.dirname(source), [name])


def _same(earlier: str, later: str, status: os.stat_result) -> bool:
    try:
        there = os.lstat(earlier)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_IFMT(there.st_mode) != stat.S_IFMT(status.st_mode):
        return False
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(earlier) == os.readlink(later)
    if stat.S_IMODE(there.st_mode) & 0o777 != stat.S_IMODE(status.st_mode) & 0o777:
        return False
    return stat.S_ISDIR(status.st_mode) or filecmp.cmp(earlier, later, shallow=False)


def _is_kind_kept(mode: int) -> bool:
    """Whether a tree can hold it: no device, fifo or socket."""
    return stat.S_ISDIR(mode) or stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _walk(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is below `root`, a directory before what is in it, and its status."""
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(f"{root}/{prefix}") as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
        for entry in listed:
            yield f"{prefix}{entry.name}", entry.stat(follow_symlinks=False)
        pending.extend(f"{prefix}{entry.name}/" for entry in reversed(listed) if entry.is_dir(follow_symlinks=False))
