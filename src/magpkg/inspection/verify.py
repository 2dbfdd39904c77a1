"""Verifying: what the store holds is compared with what was published, and what is damaged is moved aside."""

import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.inspection.model import merged
from magpkg.launch import lock
from magpkg.manifest.fsentry import ENTRIES, FsEntry, kept_entries
from magpkg.manifest.manifest import hash_of
from magpkg.store import listing, record
from magpkg.store.cleanup import FETCHED, PACKAGE, VENV
from magpkg.store.listing import UNREADABLE, Difference, Listing
from magpkg.store.store import Store

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_VENV_FILES = {"rootfs", "packages", ENTRIES}


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the store to verify: its kind, as in cleanup, and its name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A thing that is not as it was published: in what, whether it is a venv that runs, where it was moved to."""

    thing: Thing
    differences: tuple[Difference, ...]
    running: bool = False
    moved: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome: how many things of each kind were looked at, what is damaged, which venvs are being made."""

    checked: dict[str, int]
    findings: tuple[Finding, ...]
    busy: tuple[str, ...]


def everything(store: Store) -> list[Thing]:
    """All that can be verified: downloads, package trees, venvs."""
    downloads = [Thing(FETCHED, name) for name in store.names(store.fetch_directory) if _SHA256.match(name)]
    packages = [Thing(PACKAGE, name) for name in store.names(store.packages_directory)]
    return downloads + packages + [Thing(VENV, name) for name in store.names(store.venv_directory)]


def verify(store: Store, things: Iterable[Thing]) -> Report:
    """Compare each of the things that is there with what was published; changes nothing and waits for nobody.

    What is being made or removed at the time is left out, since it is not published.
    """
    checked = {FETCHED: 0, PACKAGE: 0, VENV: 0}
    findings, busy = [], []
    with store.reading():
        check = _Check(store)
        for thing in things:
            path = place(store, thing)
            held = None
            if thing.kind == VENV:
                try:
                    held = lock.glance(path)
                except BlockingIOError:
                    busy.append(thing.name)
                    continue
            try:
                if not os.path.lexists(path):
                    continue
                checked[thing.kind] += 1
                differences = check.differences(thing)
            finally:
                if held is not None:
                    os.close(held)
            if differences:
                findings.append(Finding(thing, differences, thing.kind == VENV and _runs(store, path)))
    return Report(checked, tuple(findings), tuple(busy))


def repair(store: Store, findings: Sequence[Finding], report: Callable[[str], None]) -> list[Finding]:
    """Move what is damaged out of the way, so that it can be made again; a venv that runs stays as it is.

    Returns the findings that still hold once nobody else makes or merges packages, each with where it was moved to.
    """
    if not findings:
        return []
    with store.try_exclusive(store.packages_directory) as free:
        if free:
            return _move_all(store, findings)
    report("waiting for another magpkg that makes packages")
    with store.exclusive(store.packages_directory):
        return _move_all(store, findings)


def place(store: Store, thing: Thing) -> str:
    """Where a thing is in the store."""
    return {FETCHED: store.fetched, PACKAGE: store.package, VENV: store.venv}[thing.kind](thing.name)


def _runs(store: Store, path: str) -> bool:
    with store.try_exclusive(path) as free:
        return not free


def _move_all(store: Store, findings: Sequence[Finding]) -> list[Finding]:
    check, aside = _Check(store), _Aside(store)
    left = []
    for finding in findings:
        path = place(store, finding.thing)
        # What was found is looked at again: it may have been removed, or repaired, since.
        if finding.thing.kind != VENV:
            if os.path.lexists(path) and (found := check.differences(finding.thing)):
                left.append(Finding(finding.thing, found, moved=aside.move(path)))
            continue
        with store.try_exclusive(path) as free:
            if not free:
                left.append(replace(finding, running=True))
            elif os.path.lexists(path) and (found := check.differences(finding.thing)):
                left.append(Finding(finding.thing, found, moved=aside.move(path)))
    return left


class _Aside:
    """Where what one run moves out of the way goes; cleanup removes it once it is old."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directories: dict[str, str] = {}

    def move(self, path: str) -> str:
        """Move a published path here and return where it is now."""
        moved = f"{self._directory(os.path.dirname(path))}/{os.path.basename(path)}"
        if stat.S_ISDIR(os.lstat(path).st_mode):
            os.chmod(path, 0o700)  # rename(2) of a directory writes its `..`
        os.rename(path, moved)
        return moved

    def _directory(self, near: str) -> str:
        base = self._store.damaged(near)
        if base not in self._directories:
            self._directories[base] = f"{base}/{time.strftime('%Y%m%dT%H%M%S')}-{secrets.token_hex(4)}"
            os.makedirs(self._directories[base], 0o700)
        return self._directories[base]


class _Check:
    """Looks at things; a file that several of them share is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._digests: dict[tuple[int, int], str] = {}
        self._listings: dict[str, Listing | str] = {}

    def differences(self, thing: Thing) -> tuple[Difference, ...]:
        """In what a thing that is there is not what was published."""
        examine = {FETCHED: self._download, PACKAGE: self._package, VENV: self._venv}[thing.kind]
        try:
            return tuple(examine(thing.name))
        except OSError as error:
            return (Difference("", f"cannot be read: {error.strerror}"),)
        except MagpkgError as error:
            return (Difference("", error.message),)

    def _download(self, name: str) -> Iterable[Difference]:
        path = self._store.fetched(name)
        if not stat.S_ISREG(os.lstat(path).st_mode):
            yield Difference("", "is not a file")
        elif listing.read_content(path) != name:
            yield Difference("", "has another content")

    def _package(self, name: str) -> Iterable[Difference]:
        expected = self._listing(name)
        return listing.compare(expected, listing.take(_directory(self._store.package(name)), content=self._content))

    def _venv(self, name: str) -> Iterable[Difference]:
        path = _directory(self._store.venv(name))
        for other in sorted(set(os.listdir(path)) - _VENV_FILES):
            yield Difference(other, "does not belong here")
        members, entries = self._record(name)
        expected = merged([(member, self._listing(member)) for member in members], entries)
        found = listing.take(_directory(f"{path}/rootfs"), content=self._content)
        for difference in listing.compare(expected, found):
            yield replace(difference, path=f"rootfs/{difference.path}")

    def _record(self, name: str) -> tuple[list[str], tuple[FsEntry, ...]]:
        """The names of the trees that a venv consists of and its fsEntries; its name is a hash of them."""
        members = self._store.members(name)
        try:
            with record.opened(f"{self._store.venv(name)}/{ENTRIES}") as file:
                entries = kept_entries(file.read().decode("utf-8"))
        except FileNotFoundError:
            entries = ()
        except ValueError:
            raise MagpkgError(f"{ENTRIES} is damaged") from None
        if hash_of([member.rpartition("-")[2] for member in members], entries) != name:
            raise MagpkgError("what it was made of cannot be told: its record is damaged or older than these checks")
        return members, entries

    def _listing(self, package: str) -> Listing:
        """The listing of a package tree as it was published."""
        if package not in self._listings:
            self._listings[package] = self._read_listing(package)
        found = self._listings[package]
        if isinstance(found, str):
            raise MagpkgError(found)
        return found

    def _read_listing(self, package: str) -> Listing | str:
        try:
            with record.opened(self._store.listing(package)) as file:
                return listing.read(file, f"the digest of package {package}")
        except FileNotFoundError:
            return f"there is no digest of package {package}: an older magpkg made it, or the digest was removed"
        except OSError as error:
            return f"the digest of package {package} cannot be read: {error.strerror}"
        except MagpkgError as error:
            return error.message

    def _content(self, path: str, status: os.stat_result) -> str:
        key = (status.st_dev, status.st_ino)
        if key not in self._digests:
            try:
                self._digests[key] = listing.read_content(path)
            except OSError:
                self._digests[key] = UNREADABLE
        return self._digests[key]


def _directory(path: str) -> str:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        raise MagpkgError(f"{os.path.basename(path)} is not a directory")
    return path
