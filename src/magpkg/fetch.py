"""Fetching: the urls of a source become one verified file in the store."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from io import RawIOBase

from magpkg import mirror
from magpkg.errors import MagpkgError, storage_hint
from magpkg.package import Source
from magpkg.store import Store
from magpkg.transport import CONNECTIONS, Transport, is_remote, reason


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to fetch and the package that wants it."""

    source: Source
    package: str


class Fetcher:
    """Fetches sources into a store."""

    def __init__(self, store: Store, transport: Transport) -> None:
        self._store = store
        self._transport = transport
        self._stopped = False

    def fetch_all(self, wanted: Iterable[Wanted], report: Callable[[str], None]) -> None:
        """Fetch what the store lacks, several at once, and stop at the first failure.

        Where the transport is offline and only a network could give something, that is one error that lists it all.
        """
        missing = {item.source.sha256: item for item in wanted if not self._present(item.source)}
        if not missing:
            return
        if self._transport.offline:
            self._refuse_remote(missing.values())
        report(f"fetching {len(missing)} file{'s' if len(missing) > 1 else ''}")
        self._transport.progress.begin(len(missing))
        with self._store.workspace("fetch") as work, ThreadPoolExecutor(CONNECTIONS) as pool:
            futures = [pool.submit(self._fetch, item, work) for item in missing.values()]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            finally:
                self._transport.progress.end()

    def _present(self, source: Source) -> bool:
        try:
            os.utime(self._store.fetched(source.sha256))
        except FileNotFoundError:
            return False
        return True

    def _refuse_remote(self, missing: Iterable[Wanted]) -> None:
        remote = sorted(
            f"  package {item.package}: {item.source.filename}, sha256 {item.source.sha256}"
            for item in missing
            if all(is_remote(url) for url in self._locations(item, []))
        )
        if remote:
            count = f"{len(remote)} file{'s' if len(remote) > 1 else ''}"
            hint = "run magpkg fetch with the same manifest while there is a network"
            raise MagpkgError(f"offline: {count} the store lacks:", hint, "\n".join(remote))

    def _fetch(self, item: Wanted, work: str) -> None:
        source = item.source
        partial = f"{work}/{source.sha256}"
        failures: list[str] = []
        gone = all(url.startswith(mirror.SCHEME) for url in source.urls)
        for url in self._locations(item, failures):
            try:
                received = self._receive(url, partial)
            except (OSError, ValueError) as error:
                gone = gone and isinstance(error, FileNotFoundError)
                failures.append(f"{url}: {reason(error)}")
                continue
            if received == source.sha256:
                os.chmod(partial, 0o444)
                self._store.publish(partial, self._store.fetched(source.sha256))
                self._transport.progress.finished(url)
                return
            gone = False
            with suppress(FileNotFoundError):
                os.unlink(partial)
            failures.append(f"{url}: gave a file with SHA-256 {received}, not {source.sha256}")
        raise _archive_moved_on(item, failures) if gone and failures else _not_fetched(item, failures)

    def _locations(self, item: Wanted, failures: list[str]) -> Iterator[str]:
        """The places to try, in order; why a url has none is added to `failures`."""
        for url in item.source.urls:
            if not url.startswith(mirror.SCHEME):
                yield url
                continue
            try:
                bases = mirror.mirrors(self._transport.environment)
            except MagpkgError as error:
                failures.append(f"{url}: {error}")
                continue
            yield from (f"{base}/{url.removeprefix(mirror.SCHEME)}" for base in bases)

    def _receive(self, url: str, partial: str) -> str:
        """Write what `url` holds to `partial` and return its SHA-256."""
        checksum = hashlib.sha256()
        with open(partial, "wb", buffering=0) as file:
            for offset, chunk in self._transport.pieces(url):
                if self._stopped:
                    raise OSError("interrupted")
                if offset != file.tell():  # begun anew
                    file.seek(offset)
                    file.truncate()
                    checksum = hashlib.sha256()
                checksum.update(chunk)
                self._write(file, chunk)
        return checksum.hexdigest()

    def _write(self, file: RawIOBase, chunk: bytes) -> None:
        try:
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]
        except OSError as error:
            # No other url would fare better, so this ends the fetch.
            message = f"{self._store.root}: a download cannot be written: {error.strerror}"
            raise MagpkgError(message, storage_hint(error)) from error


def _not_fetched(item: Wanted, failures: list[str]) -> MagpkgError:
    return MagpkgError(f"package {item.package}: {item.source.filename} cannot be fetched: {'; '.join(failures)}")


def _archive_moved_on(item: Wanted, failures: list[str]) -> MagpkgError:
    """The error for a pin that every mirror answered for, and none has."""
    name = item.source.filename.removesuffix(".deb")
    message = f"package {name}: no mirror has the pinned file any more, the archive has moved on: {'; '.join(failures)}"
    hint = (
        f"move the pin with magpkg lock --upgrade {name}; or name a mirror that keeps old packages in {mirror.VARIABLE}"
    )
    return MagpkgError(message, hint)
