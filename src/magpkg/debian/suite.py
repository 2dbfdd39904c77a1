"""Suites: a Debian suite's InRelease and Packages indices, verified and kept in the store."""

import gzip
import hashlib
import io
import lzma
import mmap
import os
import re
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, cast

from magpkg.debian.index import PackagesIndex
from magpkg.debian.release import IndexFile, Release, check_age, read_release
from magpkg.debian.signature import unverified, verified
from magpkg.errors import MagpkgError
from magpkg.fetch.mirror import mirrors
from magpkg.fetch.transport import Transport, reason
from magpkg.manifest.field import shown
from magpkg.store.store import Store

_SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*(/[A-Za-z0-9][A-Za-z0-9.+~_-]*)*\Z")
_INRELEASE_BYTES_MAX = 16 << 20
_IN_USE_SECONDS = 3600  # from the time of an index's file, which each use sets
_INDEX_BYTES_MAX = 512 << 20  # ten times Debian's largest; a few kB of .xz can unpack to any size


@dataclass(frozen=True, slots=True)
class Trust:
    """What a release must show: a signature of `keyring` (None: of nobody), and that it has not expired."""

    keyring: str | None
    allow_expired: bool = False


class Suites:
    """Reads suites through a transport and keeps what it read in a store."""

    def __init__(self, store: Store, transport: Transport, report: Callable[[str], None]) -> None:
        self._store = store
        self._transport = transport
        self._report = report

    def release(self, suite: str, trust: Trust) -> Release:
        """The suite's release as the mirror has it now, verified; offline, the one that the store has."""
        _check_name(suite)
        if self._transport.offline:
            signed, label = self._kept(suite)
        else:
            signed, label = self._received(suite)
        content = verified(signed, trust.keyring, label) if trust.keyring is not None else unverified(signed)
        release = read_release(content, suite, hashlib.sha256(signed).hexdigest(), label)
        if not trust.allow_expired:
            check_age(release, datetime.now(UTC), label)
        self._keep(f"{suite.replace('/', '_')}.InRelease", lambda path: _write(path, signed))
        return release

    def kept_release(self, suite: str) -> Release | None:
        """The release that the store has of the suite, which was verified when it came there; None without one."""
        _check_name(suite)
        try:
            signed, label = self._kept(suite)
        except MagpkgError:
            return None
        return read_release(unverified(signed), suite, hashlib.sha256(signed).hexdigest(), label)

    def index(self, release: Release, component: str, architecture: str) -> PackagesIndex:
        """The Packages index of one component, as the release lists it; fetched where the store lacks it."""
        listed = release.packages_index(component, architecture)
        label = f"suite {release.suite}, {listed.path}"
        path = f"{self._store.suite_directory}/{listed.sha256}.Packages"
        if not os.path.isfile(path):
            packed = self._received_index(release, listed, label)
            self._keep(os.path.basename(path), lambda partial: _write(partial, _unpacked(packed, listed.path, label)))
        os.utime(path)
        return PackagesIndex(_mapped(path), label)

    def _kept(self, suite: str) -> tuple[bytes, str]:
        path = f"{self._store.suite_directory}/{suite.replace('/', '_')}.InRelease"
        try:
            with open(path, "rb") as file:
                return file.read(), path
        except FileNotFoundError:
            hint = "run magpkg lock while there is a network"
            raise MagpkgError(f"offline: the store has no InRelease of suite {suite}", hint) from None

    def _received(self, suite: str) -> tuple[bytes, str]:
        failures = []
        for base in mirrors(self._transport.environment):
            url = f"{base}/dists/{suite}/InRelease"
            try:
                return self._read(url, _INRELEASE_BYTES_MAX), url
            except (OSError, ValueError) as error:
                failures.append(f"{url}: {reason(error)}")
        raise MagpkgError(f"suite {suite}: no mirror has it: {'; '.join(failures)}")

    def _received_index(self, release: Release, listed: IndexFile, label: str) -> bytes:
        if self._transport.offline:
            raise MagpkgError(f"offline: the store lacks {label}", "run magpkg lock while there is a network")
        self._report(f"fetching {label}")
        folder, _, _ = listed.path.rpartition("/")
        paths = [f"{folder}/by-hash/SHA256/{listed.sha256}"] if release.by_hash else []
        failures = []
        for base in mirrors(self._transport.environment):
            for path in [*paths, listed.path]:
                url = f"{base}/dists/{release.suite}/{path}"
                try:
                    content = self._read(url, listed.size)
                except (OSError, ValueError) as error:
                    failures.append(f"{url}: {reason(error)}")
                    continue
                checksum = hashlib.sha256(content).hexdigest()
                if checksum == listed.sha256:
                    return content
                failures.append(f"{url}: has SHA-256 {checksum}, InRelease says {listed.sha256}")
        hint = "a mirror that is being updated shows both for a while: try again in some minutes"
        raise MagpkgError(f"{label}: cannot be had as InRelease lists it: {'; '.join(failures)}", hint)

    def _read(self, url: str, limit: int) -> bytes:
        received = bytearray()
        for chunk in self._transport.chunks(url):
            received += chunk
            if len(received) > limit:
                raise ValueError(f"is larger than the {limit} bytes it should have at most")
        return bytes(received)

    def _keep(self, name: str, write: Callable[[str], None]) -> None:
        self._store.prepare()
        with self._store.workspace("suite", self._store.suite_directory) as work:
            write(f"{work}/{name}")
            self._store.publish(f"{work}/{name}", f"{self._store.suite_directory}/{name}")


def forget_replaced(store: Store) -> None:
    """Remove the indices that no kept InRelease lists any more, but for those that somebody may be about to read."""
    listed: set[str] = set()
    for name in os.listdir(store.suite_directory):
        if name.endswith(".InRelease"):
            with open(f"{store.suite_directory}/{name}", "rb") as file:
                listed.update(re.findall(r"\b[0-9a-f]{64}\b", file.read().decode("utf-8", "replace")))
    for name in os.listdir(store.suite_directory):
        if name.endswith(".Packages") and name.removesuffix(".Packages") not in listed:
            path = f"{store.suite_directory}/{name}"
            with suppress(FileNotFoundError):
                if os.stat(path).st_mtime < time.time() - _IN_USE_SECONDS:
                    os.unlink(path)


def _check_name(suite: str) -> None:
    if not _SUITE_NAME.match(suite):
        raise MagpkgError(f"suite {shown(suite)}: is no name of a suite, such as bookworm or bookworm-security")


def _unpacked(packed: bytes, path: str, label: str) -> bytes:
    try:
        raw = io.BytesIO(packed)
        opened: IO[bytes] = raw
        if path.endswith(".xz"):
            opened = lzma.open(raw)  # noqa: SIM115 - in memory
        elif path.endswith(".gz"):
            opened = cast("IO[bytes]", gzip.open(raw))  # noqa: SIM115 - in memory
        content = opened.read(_INDEX_BYTES_MAX + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise MagpkgError(f"{label}: is damaged: {error}") from error
    if len(content) > _INDEX_BYTES_MAX:
        raise MagpkgError(f"{label}: unpacks to more than {_INDEX_BYTES_MAX} bytes")
    return content


def _write(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _mapped(path: str) -> bytes:
    """The file's content without a copy of it in memory; for searching, a mapping is as good as bytes."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return b""
        return cast("bytes", mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
