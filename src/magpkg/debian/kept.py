"""Kept suites: the verified texts and the indices of suites in the store, and the newest date of each that was seen."""

import hashlib
import mmap
import os
import re
import time
from contextlib import suppress
from datetime import datetime
from typing import cast

from magpkg.debian.release import IndexFile, Release, moment, read_release
from magpkg.errors import MagpkgError
from magpkg.store import record
from magpkg.store.store import Store

_TEXT_ENDING = ".Release"
_INDEX_ENDING = ".Packages"
_HEAD = re.compile(rb"([0-9a-f]{64}) ([0-9a-f]{64})\n")
_IN_USE_SECONDS = 3600  # from the time of an index's file, which each use sets


class KeptSuites:
    """What a store has of suites. What comes here has been verified, and is compared with its SHA-256 when it is used.

    `<suite>.Release` is the text that was signed, below a line with the SHA-256 of the whole InRelease file and of the
    text. `<packed>-<unpacked>.Packages` is an index unpacked, named by both its SHA-256. The dates lie apart from
    these, since no cleanup may forget them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._directory = store.suite_directory

    def release(self, suite: str) -> Release | None:
        """The release of a suite as it was kept; None where there is none, or what is there is damaged."""
        path = f"{self._directory}/{_file_name(suite)}{_TEXT_ENDING}"
        try:
            with record.opened(path) as file:
                content = file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        head = _HEAD.match(content)
        text = content[head.end() :] if head else b""
        if head is None or hashlib.sha256(text).hexdigest() != head[2].decode():
            return None
        with suppress(MagpkgError):  # "a/b" and "a_b" share a file
            return read_release(text, suite, head[1].decode(), path)
        return None

    def keep_release(self, release: Release, text: bytes) -> None:
        """Keep the verified text of a release, in place of the one that is there, and its date where it is newer."""
        known = self.newest(release)
        if known is None or known < release.made:
            for name in _date_names(release):
                self._publish(self._store.seen_directory, name, f"{release.date}\n".encode())
        head = f"{release.sha256} {hashlib.sha256(text).hexdigest()}\n".encode()
        self._publish(self._directory, f"{_file_name(release.suite)}{_TEXT_ENDING}", head + text)

    def newest(self, release: Release) -> datetime | None:
        """The newest date of a release of the same suite and archive that was ever kept here."""
        found = []
        for name in _date_names(release):
            with suppress(ValueError):
                found.append(moment(record.text(f"{self._store.seen_directory}/{name}").strip()))
        return max(found, default=None)

    def index(self, listed: IndexFile) -> bytes | None:
        """The unpacked text of an index, which is what it was when it came; None where there is none such.

        It is hashed anew each time: what is in it becomes what is pinned.
        """
        for name in self._index_names(listed):
            path = f"{self._directory}/{name}"
            with suppress(FileNotFoundError):
                data = _mapped(path)
                if hashlib.sha256(data).hexdigest() == _unpacked_digest(name):
                    with suppress(PermissionError):  # a store that may be read only
                        os.utime(path)
                    return data
        return None

    def keep_index(self, listed: IndexFile, content: bytes) -> None:
        """Keep an index that was compared with what the release lists, unpacked."""
        unpacked = hashlib.sha256(content).hexdigest()
        self._publish(self._directory, f"{listed.sha256}-{unpacked}{_INDEX_ENDING}", content)

    def forget_replaced(self) -> None:
        """Remove the indices that no kept release lists any more, but for those that somebody may be about to read."""
        listed: set[str] = set()
        for name in os.listdir(self._directory):
            if name.endswith(_TEXT_ENDING):
                with suppress(FileNotFoundError), record.opened(f"{self._directory}/{name}") as file:
                    listed.update(re.findall(r"\b[0-9a-f]{64}\b", file.read().decode("utf-8", "replace")))
        for name in os.listdir(self._directory):
            # What ends in .InRelease was kept by a magpkg that kept messages, verified or not; nothing reads it.
            replaced = name.endswith(_INDEX_ENDING) and name.partition("-")[0] not in listed
            if replaced or name.endswith(".InRelease"):
                path = f"{self._directory}/{name}"
                with suppress(FileNotFoundError):
                    if os.stat(path).st_mtime < time.time() - _IN_USE_SECONDS:
                        os.unlink(path)

    def _index_names(self, listed: IndexFile) -> list[str]:
        if listed.unpacked:
            return [f"{listed.sha256}-{listed.unpacked}{_INDEX_ENDING}"]
        with suppress(FileNotFoundError, NotADirectoryError):
            names = sorted(os.listdir(self._directory))
            return [name for name in names if name.startswith(f"{listed.sha256}-") and name.endswith(_INDEX_ENDING)]
        return []

    def _publish(self, directory: str, name: str, content: bytes) -> None:
        self._store.prepare()
        os.makedirs(directory, 0o755, exist_ok=True)
        with self._store.workspace("suite", directory) as work:
            with open(f"{work}/{name}", "wb") as file:
                file.write(content)
            self._store.publish(f"{work}/{name}", f"{directory}/{name}")


def _file_name(suite: str) -> str:
    return suite.replace("/", "_")


def _date_names(release: Release) -> list[str]:
    """The files for a release's date: by what it was asked for as, and by its code name, of which `stable` has many.

    Two archives may have suites of one name, so that the archive belongs to the name of the file.
    """
    archive = hashlib.sha256(f"{release.origin}\0{release.label}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    digests = {hashlib.sha256(name.encode()).hexdigest()[:16] for name in (release.suite, release.codename)}
    return sorted(f"{digest}-{archive}" for digest in digests)


def _unpacked_digest(name: str) -> str:
    return name.removesuffix(_INDEX_ENDING).partition("-")[2]


def _mapped(path: str) -> bytes:
    """The file's content without a copy of it in memory; for searching, a mapping is as good as bytes."""
    with record.opened(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            return b""
        return cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
