"""Suites: a Debian suite's releases and Packages indices, from the mirrors or the store, verified."""

import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, cast

from magpkg.debian.index import PackagesIndex
from magpkg.debian.kept import KeptSuites
from magpkg.debian.release import IndexFile, Release, check_age, check_not_ahead, check_not_before, read_release
from magpkg.debian.signature import unverified, verified
from magpkg.errors import MagpkgError
from magpkg.fetch.failure import Failure, nothing_reached, shown_url
from magpkg.fetch.mirror import mirrors
from magpkg.fetch.transport import Transport
from magpkg.manifest.field import shown
from magpkg.manifest.manifest import SUITE_NAME
from magpkg.store.store import Store

_INRELEASE_BYTES_MAX = 16 << 20
_INDEX_BYTES_MAX = 512 << 20  # ten times Debian's largest; a few kB of .xz can unpack to any size


@dataclass(frozen=True, slots=True)
class Trust:
    """What a release must show: a signature of `keyring` (None: of nobody), not to have expired, not to be old.

    Old is what was made before a release of the suite that is known already.
    """

    keyring: str | None
    allow_expired: bool = False
    allow_older: bool = False


class Suites:
    """Reads suites through a transport and keeps what it verified in a store."""

    def __init__(self, store: Store, transport: Transport, report: Callable[[str], None]) -> None:
        self._kept = KeptSuites(store)
        self._transport = transport
        self._report = report

    def release(self, suite: str, trust: Trust, locked: datetime | None = None) -> Release:
        """The suite's release as the mirrors have it now, verified; offline, the one that the store has.

        `locked` is the date of the release that a lock was made with. A mirror whose answer is of no use is passed over
        while there is another. What was not verified is not kept.
        """
        _check_name(suite)
        if self._transport.offline:
            return self._offline_release(suite, trust, locked)
        failures: list[Failure] = []
        for base in mirrors(self._transport.environment):
            url = f"{base}/dists/{suite}/InRelease"
            try:
                signed = self._read(url, _INRELEASE_BYTES_MAX)
                release, text = self._checked(suite, signed, trust, locked, shown_url(url))
            except (OSError, ValueError, MagpkgError) as error:
                failures.append(Failure(url, error, of_mirror=True))
                continue
            self._tell_passed_over(failures)
            if trust.keyring is not None:
                self._kept.keep_release(release, text)
            return release
        raise self._no_release(suite, failures)

    def kept_release(self, suite: str) -> Release | None:
        """The release that the store has of the suite, which was verified when it came there; None without one."""
        _check_name(suite)
        return self._kept.release(suite)

    def index(self, release: Release, component: str, architecture: str) -> PackagesIndex:
        """The Packages index of one component, as the release lists it; fetched where the store lacks it."""
        listed = release.packages_index(component, architecture)
        label = f"suite {release.suite}, {listed.path}"
        content = self._kept.index(listed)
        if content is None:
            content = _unpacked(self._received_index(release, listed, label), listed, label)
            self._kept.keep_index(listed, content)
        return PackagesIndex(content, label)

    def has_kept(self, suite: str, components: Sequence[str], architecture: str) -> bool:
        """Whether the store has a suite's release and these of its indices, so that an offline run could use them."""
        release = self.kept_release(suite)
        if release is None:
            return False
        try:
            listed = [release.packages_index(component, architecture) for component in components]
        except MagpkgError:
            return False
        return all(self._kept.index(item) is not None for item in listed)

    def forget_replaced(self) -> None:
        """Remove the indices of releases that the store no longer has."""
        self._kept.forget_replaced()

    def _checked(
        self, suite: str, signed: bytes, trust: Trust, locked: datetime | None, label: str
    ) -> tuple[Release, bytes]:
        """The release in an InRelease file and its text, where these show what `trust` asks for."""
        now = datetime.now(UTC)
        text = verified(signed, trust.keyring, label, now) if trust.keyring is not None else unverified(signed)
        release = read_release(text, suite, hashlib.sha256(signed).hexdigest(), label)
        self._check_times(release, trust, locked, now, label)
        return release, text

    def _check_times(self, release: Release, trust: Trust, locked: datetime | None, now: datetime, label: str) -> None:
        check_not_ahead(release, now, label)
        if not trust.allow_expired:
            check_age(release, now, label)
        if trust.allow_older:
            return
        if locked is not None:
            check_not_before(release, locked, "of the lock", label)
        newest = self._kept.newest(release)
        if newest is not None:
            check_not_before(release, newest, "seen before", label)

    def _offline_release(self, suite: str, trust: Trust, locked: datetime | None) -> Release:
        release = self._kept.release(suite)
        if release is None:
            hint = "run magpkg lock while there is a network"
            raise MagpkgError(f"offline: the store has no InRelease of suite {suite}", hint)
        self._check_times(release, trust, locked, datetime.now(UTC), f"suite {suite} in the store")
        return release

    def _tell_passed_over(self, failures: list[Failure]) -> None:
        for failure in failures:
            # That a mirror lacks a suite is usual: those of security fixes are on servers of their own.
            if not isinstance(failure.error, FileNotFoundError):
                self._report(f"passed over: {failure}")

    def _no_release(self, suite: str, failures: list[Failure]) -> MagpkgError:
        found = [failure.error for failure in failures if isinstance(failure.error, MagpkgError)]
        if found:  # what is wrong with an answer says more than where there was none
            return found[0]
        unreached = nothing_reached(f"suite {suite}", failures)
        return unreached or MagpkgError(f"suite {suite}: no mirror has it: {'; '.join(map(str, failures))}")

    def _received_index(self, release: Release, listed: IndexFile, label: str) -> bytes:
        if self._transport.offline:
            raise MagpkgError(f"offline: the store lacks {label}", "run magpkg lock while there is a network")
        self._report(f"fetching {label}")
        folder, _, _ = listed.path.rpartition("/")
        paths = [f"{folder}/by-hash/SHA256/{listed.sha256}"] if release.by_hash else []
        failures: list[Failure] = []
        for base in mirrors(self._transport.environment):
            for path in [*paths, listed.path]:
                url = f"{base}/dists/{release.suite}/{path}"
                try:
                    content = self._read(url, listed.size)
                    checksum = hashlib.sha256(content).hexdigest()
                    if checksum != listed.sha256:
                        raise ValueError(f"has SHA-256 {checksum}, InRelease says {listed.sha256}")
                except (OSError, ValueError) as error:
                    failures.append(Failure(url, error, of_mirror=True))
                    continue
                self._tell_passed_over(failures)
                return content
        unreached = nothing_reached(label, failures)
        if unreached is not None:
            raise unreached
        hint = "a mirror that is being updated shows both for a while: try again in some minutes"
        raise MagpkgError(f"{label}: cannot be had as InRelease lists it: {'; '.join(map(str, failures))}", hint)

    def _read(self, url: str, limit: int) -> bytes:
        return b"".join(self._transport.chunks(url, limit))


def _check_name(suite: str) -> None:
    if not SUITE_NAME.match(suite):
        raise MagpkgError(f"suite {shown(suite)}: is no name of a suite, such as bookworm or bookworm-security")


def _unpacked(packed: bytes, listed: IndexFile, label: str) -> bytes:
    try:
        raw = io.BytesIO(packed)
        opened: IO[bytes] = raw
        if listed.path.endswith(".xz"):
            opened = lzma.open(raw)  # noqa: SIM115 - in memory
        elif listed.path.endswith(".gz"):
            opened = cast("IO[bytes]", gzip.open(raw))  # noqa: SIM115 - in memory
        content = opened.read(_INDEX_BYTES_MAX + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise MagpkgError(f"{label}: is damaged: {error}") from error
    if len(content) > _INDEX_BYTES_MAX:
        raise MagpkgError(f"{label}: unpacks to more than {_INDEX_BYTES_MAX} bytes")
    if listed.unpacked and hashlib.sha256(content).hexdigest() != listed.unpacked:
        raise MagpkgError(f"{label}: does not unpack to what InRelease lists")
    return content
