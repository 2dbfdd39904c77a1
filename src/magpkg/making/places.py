"""Places: where what a merge writes ends up, worked out in memory by the rules of `tree`.

So a root can be known without being made: to be checked, or to be packed.
"""

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar

from magpkg.errors import MagpkgError
from magpkg.store.listing import DIRECTORY, SYMLINK

_SYMLINKS_MAX = 40  # as in tree


class Node(Protocol):
    """What is at one place: a directory, file or symlink."""

    @property
    def kind(self) -> str:
        """DIRECTORY, FILE or SYMLINK of `listing`."""

    @property
    def target(self) -> str:
        """Where a symlink leads."""


_Node = TypeVar("_Node", bound=Node)


class Places(ABC, Generic[_Node]):
    """A root in memory. Paths are relative, and may lead through symlinks; those of `nodes` do not."""

    def __init__(self) -> None:
        self.nodes: dict[str, _Node] = {}
        self._resolved: dict[str, str] = {}
        self._made: dict[str, int] = {}
        self._stale = False

    @abstractmethod
    def new_directory(self, place: str, mode: int) -> _Node:
        """The node of a directory at a place."""

    def put(self, place: str, node: _Node) -> None:
        """Have `node` at a place, whatever was there."""
        self.nodes[place] = node

    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """See tree.Tree."""
        mode |= 0o700
        if not path or self._made.get(path) == mode:
            return
        place = self.place(path)
        if place in self.nodes:
            place = self.directory(path)
        if place:
            self.put(place, self.new_directory(place, mode))
        self._made[path] = mode

    def exists(self, path: str) -> bool:
        """See tree.Tree."""
        return self.place(path) in self.nodes

    def replace(self, place: str, node: _Node) -> bool:
        """Have a file or symlink at a place; True where another was there."""
        there = self.nodes.get(place)
        if there is not None and there.kind == DIRECTORY:
            raise MagpkgError(f"rootfs: {place}: would replace a directory")
        self._stale = self._stale or (there is not None and there.kind == SYMLINK)
        self.put(place, node)
        return there is not None

    def remove(self, path: str) -> None:
        """See tree.Tree."""
        place = self.place(path)
        for there in [there for there in self.nodes if there == place or there.startswith(f"{place}/")]:
            del self.nodes[there]
        self._stale = True

    def place(self, path: str) -> str:
        """Where what is written at `path` ends up."""
        above, _, name = path.rpartition("/")
        return joined(self.directory(above), name)

    def directory(self, path: str) -> str:
        """Where the directory at `path` is, which is made where it is missing."""
        if self._stale:
            self._resolved.clear()
            self._made.clear()
            self._stale = False
        if path not in self._resolved:
            self._resolved[path] = self._walk(path)
        return self._resolved[path]

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
            place = joined(current, part)
            there = self.nodes.get(place)
            if there is None:
                self.put(place, self.new_directory(place, 0o755))
            if there is None or there.kind == DIRECTORY:
                current = place
                continue
            links += 1
            if there.kind != SYMLINK:
                raise MagpkgError(f"rootfs: {path}: {part} is a file, not a directory")
            if links > _SYMLINKS_MAX:
                raise MagpkgError(f"rootfs: {path}: leads through too many symlinks")
            current = "" if there.target.startswith("/") else current
            pending.extend(there.target.split("/")[::-1])
        return current


def joined(directory: str, name: str) -> str:
    """The path of `name` in a directory, which is empty for the root."""
    return f"{directory}/{name}" if directory else name
