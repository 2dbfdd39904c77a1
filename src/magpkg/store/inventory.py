"""The inventory: what a store holds, how large it is, what shares its files with what, and what is in use."""

import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from magpkg.store.store import Store

_BLOCK = 512  # what st_blocks counts in, stat(2)


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes of disk: `alone` would be freed if just this were removed, `shared` are other things' as well."""

    alone: int
    shared: int

    @property
    def total(self) -> int:
        """All bytes, whoever else has them."""
        return self.alone + self.shared


@dataclass(frozen=True, slots=True)
class VenvRecord:
    """One venv of the store: its hash, the manifests that led to it, its package trees' names, its use."""

    hash: str
    origins: tuple[str, ...]
    packages: tuple[str, ...]
    idle_seconds: float
    running: bool


@dataclass(frozen=True, slots=True)
class KindRecord:
    """What a store holds of one kind: how many, and the bytes of disk."""

    kind: str
    count: int
    usage: Usage


def venvs(store: Store) -> Iterator[VenvRecord]:
    """The venvs of the store, the last used first."""
    made = [name for name in store.names(store.venv_directory) if os.path.isdir(store.venv(name))]
    found = [(store.last_use(store.venv(name)), name) for name in made]
    for used, name in sorted(found, key=lambda item: (-item[0], item[1])):
        with store.try_exclusive(store.venv(name)) as free:
            running = not free
        idle = max(0.0, time.time() - used)
        yield VenvRecord(name, tuple(store.origins(name)), tuple(store.members(name)), idle, running)


def kinds(store: Store) -> list[KindRecord]:
    """What the store holds by kind. A file that two kinds share counts as shared in both."""
    directories = {
        "downloads": store.fetch_directory,
        "partial downloads": store.partial_directory,
        "package trees": store.packages_directory,
        "venvs": store.venv_directory,
        "suites": store.suite_directory,
        "cached launches": f"{store.root}/eval",
        "state": f"{store.root}/state",
        "damaged": store.damaged_directory,
        "work in progress": store.tmp_directory,
    }
    return [KindRecord(kind, len(store.names(path)), usage([path])) for kind, path in directories.items()]


def usage(paths: Sequence[str]) -> Usage:
    """The bytes of disk of all that is at or below the paths, each file once."""
    seen: dict[tuple[int, int], int] = {}
    alone = total = 0
    for status in statuses(paths):
        size = status.st_blocks * _BLOCK
        key = (status.st_dev, status.st_ino)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 1:
            total += size
        # A directory has links that no removal has to look for: its own `.` and the `..` of those in it.
        if stat.S_ISDIR(status.st_mode) or seen[key] == status.st_nlink:
            alone += size
    return Usage(alone, total - alone)


def statuses(paths: Sequence[str]) -> Iterator[os.stat_result]:
    """The status of everything at or below the paths, directories among them; what goes away meanwhile is left out."""
    pending = list(paths)
    while pending:
        path = pending.pop()
        with suppress(FileNotFoundError, PermissionError):  # nor may a directory that was damaged be listed
            status = os.lstat(path)
            yield status
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(path) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        else:
                            yield entry.stat(follow_symlinks=False)
