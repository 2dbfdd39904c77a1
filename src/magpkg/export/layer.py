"""Layers: what each package of a closure puts where in the merged root, as entries of archives to come.

A merge is replayed in memory, so that symlinks lead and files replace one another as in the rootfs itself. The content
of files stays where it is, in the package trees.
"""

import os
import posixpath
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.making.places import Places, joined
from magpkg.making.rootfs import REMOVED, Member, merge
from magpkg.manifest.fsentry import FsEntry
from magpkg.store.listing import DIRECTORY, FILE, SYMLINK

TIME = 315532800
"""The time of what has none that is the same everywhere: directories and symlinks; 1980-01-01, as of what is built."""

_HEADER = 512  # tar(5)
_SHARED_DIRECTORIES = ("tmp", "var/tmp")  # a venv has mounts there; a root without needs them as every system has them
_STICKY = 0o1777


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory, file or symlink: path without a leading slash, permission bits, time, size, where its content is.

    `source` is a file that has the content, which else is `content`. Of files with the same `twin` the package has one,
    under several names.
    """

    kind: str
    path: str
    mode: int
    mtime: int = TIME
    size: int = 0
    source: str = ""
    content: bytes = b""
    target: str = ""
    twin: tuple[int, int] | None = None
    removes: str = ""
    """The path of what this stands for the removal of, in the layers below."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The entries that some packages have in the root, in order of path; names of the packages."""

    names: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def weight(self) -> int:
        """About how many bytes an archive of the layer has."""
        return sum(_HEADER + entry.size for entry in self.entries)


def make_layers(
    members: Sequence[Member], fs_entries: Sequence[FsEntry] = (), texts: Iterable[tuple[str, str]] = ()
) -> list[Layer]:
    """A layer for each package tree that is not empty, in merge order, and one for what the manifest and magpkg add.

    Each holds what its package ships at the paths where that ends up, and the directories above. One over the other
    they are the rootfs, except that directories for scratch files are everybody's, and that each file of `texts`, path
    and text, has that text where the rootfs has it empty.
    """
    replay = _Replay()
    merge(replay, members, fs_entries, replay.begin)
    replay.finish(texts)
    names = [*(member.package.tree_name for member in members), "fsEntries"]
    made = [Layer((name,), _sorted(entries)) for name, entries in zip(names, replay.layers, strict=True)]
    return [layer for layer in made if layer.entries]


def join_layers(layers: Sequence[Layer], *, whole: bool = False) -> Layer:
    """The layers as one, in which the later ones win; `whole` if none is below, of which something could be removed."""
    entries: dict[str, Entry] = {}
    for layer in layers:
        for removed in [entry.removes for entry in layer.entries if entry.removes]:
            for path in [path for path in entries if path == removed or path.startswith(f"{removed}/")]:
                del entries[path]
        entries.update({entry.path: entry for entry in layer.entries if not (entry.removes and whole)})
    return Layer(tuple(name for layer in layers for name in layer.names), _sorted(entries))


def check_names(layers: Sequence[Layer]) -> None:
    """Raise MagpkgError where an image would lose files: names that begin with `.wh.` mean there that a file is gone.

    Those that are meant to, since a configuration has removed something, stay.

    OCI image specification, layer.md, "Whiteouts"; docker's are the same.
    """
    for layer in layers:
        for entry in layer.entries:
            if posixpath.basename(entry.path).startswith(REMOVED) and not entry.removes:
                names = " or ".join(layer.names)
                message = f"{names}: {entry.path}: would make another file vanish, since its name begins with .wh."
                raise MagpkgError(message, "export a tarball, which can hold such a name")


def limit_layers(layers: Sequence[Layer], count: int) -> list[Layer]:
    """At most `count` layers that come to the same: the two neighbours that are smallest together become one, again
    and again, the first such pair where there are several. So what is large stays by itself and can be shared.
    """
    groups, weights = [[layer] for layer in layers], [layer.weight for layer in layers]
    while len(groups) > count:
        first = min(range(len(groups) - 1), key=lambda index: weights[index] + weights[index + 1])
        groups[first : first + 2] = [groups[first] + groups[first + 1]]
        weights[first : first + 2] = [weights[first] + weights[first + 1]]
    return [group[0] if len(group) == 1 else join_layers(group) for group in groups]


def _sorted(entries: dict[str, Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries.values(), key=lambda entry: os.fsencode(entry.path)))


class _Replay(Places[Entry]):
    """A `rootfs.Target` that only notes what would be where, by layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers: list[dict[str, Entry]] = []

    def begin(self) -> None:
        """Let what comes now be of the next layer."""
        self.layers.append({})

    def new_directory(self, place: str, mode: int) -> Entry:
        return Entry(DIRECTORY, place, mode)

    def put(self, place: str, node: Entry) -> None:
        super().put(place, node)
        layer = self.layers[-1]
        above = posixpath.dirname(place)
        while above and above not in layer:
            layer[above] = self.nodes[above]
            above = posixpath.dirname(above)
        layer[place] = node

    def remove(self, path: str) -> None:
        """See tree.Tree; the entry says it as image-spec of OCI, "Whiteouts", has it."""
        place = self.place(path)
        if place not in self.nodes:
            return
        super().remove(path)
        above, _, name = place.rpartition("/")
        marker = joined(above, f"{REMOVED}{name}")
        self.put(marker, Entry(FILE, marker, 0o644, removes=place))
        del self.nodes[marker]

    def write_file(self, path: str, mode: int, content: Iterable[bytes]) -> None:
        """See tree.Tree."""
        place, data = self.place(path), b"".join(content)
        self.replace(place, Entry(FILE, place, mode | 0o400, size=len(data), content=data))

    def make_symlink(self, path: str, target: str) -> None:
        """See tree.Tree."""
        place = self.place(path)
        self.replace(place, Entry(SYMLINK, place, 0o777, target=target))

    def adopt_files(self, directory: str, source: str, names: Iterable[str]) -> list[str]:
        """See tree.Tree."""
        where = self.directory(directory)
        return [name for name in names if self._adopt(joined(where, name), f"{source}/{name}")]

    def _adopt(self, place: str, source: str) -> bool:
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            return self.replace(place, Entry(SYMLINK, place, 0o777, target=os.readlink(source)))
        mode, twin = stat.S_IMODE(status.st_mode), (len(self.layers), status.st_ino)
        return self.replace(place, Entry(FILE, place, mode, int(status.st_mtime), status.st_size, source, twin=twin))

    def finish(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add what an image needs and a venv gets at its launch."""
        for path in _SHARED_DIRECTORIES:
            where = self.directory(path)
            self.put(where, replace(self.nodes[where], mode=_STICKY))
        for path, text in texts:
            there = self.nodes.get(self.place(path))
            if there is not None and there.kind == FILE and there.size == 0:
                self.write_file(path, there.mode, [text.encode("utf-8")])
