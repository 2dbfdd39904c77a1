"""A model of a rootfs: what merging must come to, worked out from listings instead of trees.

It does what `tree` does on a disk, so that a rootfs can be checked though nothing was noted of it as it was merged.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from magpkg.errors import MagpkgError
from magpkg.fsentry import FsEntry
from magpkg.listing import DIRECTORY, FILE, SYMLINK, Item, Listing
from magpkg.rootfs import complete

_SYMLINKS_MAX = 40  # as in tree


def merged(members: Iterable[Listing], fs_entries: Sequence[FsEntry]) -> Mapping[str, Item]:
    """The listing of the rootfs that trees with these listings, in merge order, and the fsEntries are merged to."""
    model = _Model()
    for member in members:
        children: dict[str, list[tuple[str, Item]]] = {}
        for path in sorted(member):
            children.setdefault(path.rpartition("/")[0], []).append((path, member[path]))
        _merge_member(model, children, "")
    complete(model, fs_entries)
    return model.items


def _merge_member(model: "_Model", children: Mapping[str, Sequence[tuple[str, Item]]], directory: str) -> None:
    """See rootfs: what lies in a directory comes before what lies in those below it."""
    listed = children.get(directory, ())
    for path, item in listed:
        if item.kind == DIRECTORY:
            model.make_directory(path, item.mode)
        else:
            model.adopt(path, item)
    for path, item in listed:
        if item.kind == DIRECTORY:
            _merge_member(model, children, path)


class _Model:
    """See tree.Tree; paths are relative, and those of `items` lead through no symlink."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self._known: dict[str, str] = {}
        self._made: dict[str, int] = {}
        self._stale = False

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """See tree.Tree."""
        mode |= 0o700
        if not path or self._made.get(path) == mode:
            return
        place = self._place(path)
        if place in self.items:
            place = self._directory(path)
        if place:
            self.items[place] = Item(DIRECTORY, mode)
        self._made[path] = mode

    def write_file(self, path: str, mode: int, content: Iterable[bytes]) -> None:
        """See tree.Tree."""
        data = b"".join(content)
        self.adopt(path, Item(FILE, mode | 0o400, len(data), hashlib.sha256(data).hexdigest()))

    def make_symlink(self, path: str, target: str) -> None:
        """See tree.Tree."""
        self.adopt(path, Item(SYMLINK, 0o777, 0, target))

    def exists(self, path: str) -> bool:
        """See tree.Tree."""
        return self._place(path) in self.items

    def adopt(self, path: str, item: Item) -> None:
        """Bring in a file or symlink; one that stands there is replaced."""
        place = self._place(path)
        there = self.items.get(place)
        if there is not None and there.kind == DIRECTORY:
            raise MagpkgError(f"{path}: would replace a directory")
        self._stale = self._stale or (there is not None and there.kind == SYMLINK)
        self.items[place] = item

    def _place(self, path: str) -> str:
        directory, _, name = path.rpartition("/")
        return _joined(self._directory(directory), name)

    def _directory(self, path: str) -> str:
        """Where the directory at `path` is, which is made where it is missing."""
        if self._stale:
            self._known.clear()
            self._made.clear()
            self._stale = False
        if path not in self._known:
            self._known[path] = self._walk(path)
        return self._known[path]

    def _walk(self, path: str) -> str:
        pending = path.split("/")[::-1]
        current, links = "", 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                current = current.rpartition("/")[0]
                continue
            place = _joined(current, part)
            item = self.items.setdefault(place, Item(DIRECTORY, 0o755))
            if item.kind == DIRECTORY:
                current = place
                continue
            links += 1
            if item.kind != SYMLINK or links > _SYMLINKS_MAX:
                raise MagpkgError(f"{path}: {part} leads to no directory")
            current = "" if item.content.startswith("/") else current
            pending.extend(item.content.split("/")[::-1])
        return current


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
