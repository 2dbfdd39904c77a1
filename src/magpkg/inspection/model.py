"""A model of a rootfs: what merging must come to, worked out from listings instead of trees.

It does what `tree` does on a disk, so that a rootfs can be checked though nothing was noted of it as it was merged.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from magpkg.making.places import Places, joined
from magpkg.making.rootfs import REMOVED, complete, removals
from magpkg.manifest.configuration import NAME as CONFIGURED
from magpkg.manifest.fsentry import FsEntry
from magpkg.store.listing import DIRECTORY, FILE, SYMLINK, Item, Listing


def merged(members: Iterable[tuple[str, Listing]], fs_entries: Sequence[FsEntry]) -> Mapping[str, Item]:
    """The listing of the rootfs that trees of these names and listings, in merge order, and the fsEntries make."""
    model = _Model()
    for name, member in members:
        children: dict[str, list[tuple[str, Item]]] = {}
        for path in sorted(member):
            children.setdefault(path.rpartition("/")[0], []).append((path, member[path]))
        _merge_member(model, children, "", removing=name.rpartition("-")[0] == CONFIGURED)
    complete(model, fs_entries)
    return model.nodes


def _merge_member(
    model: "_Model", children: Mapping[str, Sequence[tuple[str, Item]]], directory: str, *, removing: bool
) -> None:
    """See rootfs: the files of a directory come first, then its directories, and then what lies in those."""
    listed = children.get(directory, ())
    below = [(path, item) for path, item in listed if item.kind == DIRECTORY]
    if len(below) < len(listed):
        removed = removals(path.rpartition("/")[2] for path, _ in listed) if removing else []
        for name in removed:
            model.remove(joined(directory, name.removeprefix(REMOVED)))
        where = model.directory(directory)
        for path, item in listed:
            if item.kind != DIRECTORY and path.rpartition("/")[2] not in removed:
                model.replace(joined(where, path.rpartition("/")[2]), item)
    for path, item in below:
        model.make_directory(path, item.mode & 0o755)
    for path, _ in below:
        _merge_member(model, children, path, removing=removing)


class _Model(Places[Item]):
    """Places of which is known what a listing tells."""

    def new_directory(self, place: str, mode: int) -> Item:
        return Item(DIRECTORY, mode)

    def write_file(self, path: str, mode: int, content: Iterable[bytes]) -> None:
        """See tree.Tree."""
        data = b"".join(content)
        self.replace(self.place(path), Item(FILE, mode | 0o400, len(data), hashlib.sha256(data).hexdigest()))

    def make_symlink(self, path: str, target: str) -> None:
        """See tree.Tree."""
        self.replace(self.place(path), Item(SYMLINK, 0o777, 0, target))
