"""Cleanup: what nobody has used for a while and nobody uses now is removed; what killed runs left is swept."""

import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.store import tree
from magpkg.store.inventory import statuses
from magpkg.store.store import BESIDE, Store
from magpkg.store.workspace import abandoned

VENV, PACKAGE, FETCHED, LEFTOVER = "venv", "package", "fetched", "leftover"
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing that was removed, or would be: what it is, its name, the seconds since its last use, bytes freed."""

    kind: str
    name: str
    idle_seconds: float
    freed_bytes: int


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a cleanup; `busy` names what was old but in use, `failures` what could not be removed."""

    removed: tuple[Removal, ...]
    busy: tuple[str, ...]
    failures: tuple[str, ...]

    @property
    def freed_bytes(self) -> int:
        """The bytes of disk that all removals freed together."""
        return sum(removal.freed_bytes for removal in self.removed)


def clean(store: Store, kinds: Iterable[str], max_age_days: float, *, dry_run: bool = False) -> Report:
    """Remove what of `kinds` was last used more than `max_age_days` days ago, and leftovers; never waits for a lock.

    A venv that runs or is being made stays, and so does a package tree that a remaining venv consists of, since it
    costs no data. With `dry_run` nothing is removed and the report says what would be.
    """
    with ExitStack() as resources:
        run = _Run(store, max_age_days * _DAY, dry_run, resources)
        for kind in (VENV, PACKAGE, FETCHED):
            if kind in kinds:
                run.clean(kind)
        run.sweep()
    return Report(tuple(run.removed), tuple(run.busy), tuple(run.failures))


class _Run:
    def __init__(self, store: Store, max_age: float, dry_run: bool, resources: ExitStack) -> None:
        self._store = store
        self._resources = resources
        self._works: dict[str, str] = {}
        self._oldest = time.time() - max_age
        self._measure = _DryMeasure() if dry_run else None
        self.removed: list[Removal] = []
        self.busy: list[str] = []
        self.failures: list[str] = []

    def clean(self, kind: str) -> None:
        if kind == VENV:
            self._remove_venvs()
            self._forget_plans()
            return
        # Whoever makes or merges package trees relies on each of them and on the downloads until it is done.
        directory = self._store.packages_directory
        if not os.path.isdir(directory):
            return
        with self._store.try_exclusive(directory) as free:
            if not free:
                self.busy.append("package trees" if kind == PACKAGE else "downloads")
            elif kind == PACKAGE:
                self._remove_packages()
            else:
                self._remove_downloads()

    def sweep(self) -> None:
        """Remove what is in tmp/ without a live owner, and what `magpkg verify --repair` moved aside long ago."""
        for directory in self._store.hidden(self._store.tmp_directory):
            for name in _listed(directory):
                path = f"{directory}/{name}"
                with self._going_on(LEFTOVER, name), abandoned(path) as dead:
                    if dead:
                        self._note(LEFTOVER, name, self._last_change(path), self._freed(path))
        for directory in self._store.hidden(self._store.damaged_directory):
            self._remove_old(LEFTOVER, directory)

    def _remove_venvs(self) -> None:
        for name, used in self._old(self._store.venv_directory):
            path = self._store.venv(name)
            with self._going_on(VENV, name), self._store.try_exclusive(path) as free:
                if not free:
                    self.busy.append(name)
                elif self._store.last_use(path) < self._oldest:
                    self._note(
                        VENV, name, used, self._retire(path) + self._freed(f"{self._store.origins_directory}/{name}")
                    )

    def _forget_plans(self) -> None:
        """Remove cached plans; one that is still of use is made again by the next launch."""
        if self._measure is None:
            for name in _listed(f"{self._store.root}/eval"):
                path = f"{self._store.root}/eval/{name}"
                if self._last_change(path) < self._oldest:
                    tree.remove(path)

    def _remove_packages(self) -> None:
        needed = self._packages_of_venvs()
        for name, used in self._old(self._store.packages_directory):
            if name not in needed:
                with self._going_on(PACKAGE, name):
                    path = self._store.package(name)
                    self._note(PACKAGE, name, used, self._retire(path))

    def _remove_downloads(self) -> None:
        partial = self._store.hidden(self._store.partial_directory)
        for directory in (self._store.fetch_directory, *partial, self._store.suite_directory):
            self._remove_old(FETCHED, directory)

    def _remove_old(self, kind: str, directory: str) -> None:
        for name in _listed(directory):
            with self._going_on(kind, name):
                path = f"{directory}/{name}"
                used = self._last_change(path)
                if used < self._oldest:
                    self._note(kind, name, used, self._freed(path))

    def _packages_of_venvs(self) -> set[str]:
        removed = {removal.name for removal in self.removed if removal.kind == VENV}
        needed: set[str] = set()
        for name in _listed(self._store.venv_directory):
            if name not in removed:
                needed.update(self._store.members(name))
        return needed

    def _old(self, directory: str) -> Iterator[tuple[str, float]]:
        """The published names in `directory` whose last use is too long ago, with that time; strays of a lock too."""
        for name in self._store.names(directory):
            used = self._store.last_use(f"{directory}/{name}")
            if used < self._oldest:
                yield name, used

    def _retire(self, path: str) -> int:
        """Take a published path out of sight by one rename, with its lock, and remove it; the bytes freed."""
        if self._measure is not None:
            return sum(self._measure.freed(f"{path}{ending}") for ending in ("", *BESIDE))
        retired = f"{self._work(os.path.dirname(path))}/{os.path.basename(path)}"
        with suppress(FileNotFoundError):
            os.rename(path, retired)
        beside = sum(tree.remove(f"{path}{ending}") for ending in BESIDE)
        return beside + tree.remove(retired)

    def _work(self, near: str) -> str:
        """The place for what is on its way out of a directory: one for all, since each costs as much as a removal."""
        if near not in self._works:
            self._works[near] = self._resources.enter_context(self._store.workspace("cleanup", near))
        return self._works[near]

    def _freed(self, path: str) -> int:
        return tree.remove(path) if self._measure is None else self._measure.freed(path)

    def _note(self, kind: str, name: str, used: float, freed: int) -> None:
        self.removed.append(Removal(kind, name, max(0.0, time.time() - used), freed))

    def _going_on(self, kind: str, name: str) -> "_GoingOn":
        return _GoingOn(lambda reason: self.failures.append(f"{kind} {name}: {reason}"))

    def _last_change(self, path: str) -> float:
        try:
            return os.lstat(path).st_mtime
        except FileNotFoundError:
            return time.time()


class _GoingOn:
    """A block whose failure is noted and does not end the cleanup."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if isinstance(error, OSError):
            self._note(error.strerror or str(error))
            return True
        if isinstance(error, MagpkgError):
            self._note(error.message)
            return True
        return False


class _DryMeasure:
    """The bytes that removing would free, where names share files among all that would be removed."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], int] = {}

    def freed(self, path: str) -> int:
        total = 0
        for status in statuses([path]):
            if stat.S_ISDIR(status.st_mode):
                continue
            key = (status.st_dev, status.st_ino)
            self._seen[key] = self._seen.get(key, 0) + 1
            if self._seen[key] == status.st_nlink:
                total += status.st_blocks * 512
        return total


def _listed(directory: str) -> Sequence[str]:
    try:
        return sorted(name for name in os.listdir(directory) if not name.startswith("."))
    except FileNotFoundError:
        return ()
