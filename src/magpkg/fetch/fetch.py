"""Fetching: the urls of a source become one verified file in the store."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.fetch import mirror
from magpkg.fetch.partial import Partial, receiving
from magpkg.fetch.transport import CONNECTIONS, Transport, is_remote, reason
from magpkg.manifest.package import Source
from magpkg.store.store import Store


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
        self._store.prepare()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            futures = [pool.submit(self._fetch, item) for item in missing.values()]
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

    def _fetch(self, item: Wanted) -> None:
        path = self._store.partial(item.source.sha256)
        with receiving(path, lambda: self._stopped) as partial:
            if self._present(item.source):  # another process has had it meanwhile
                partial.clear()
                return
            if partial.sha256 != item.source.sha256:
                self._receive_from_any(item, partial)
            os.chmod(path, 0o444)
            self._store.publish(path, self._store.fetched(item.source.sha256))

    def _receive_from_any(self, item: Wanted, partial: Partial) -> None:
        failures: list[str] = []
        gone = all(url.startswith(mirror.SCHEME) for url in item.source.urls)
        for url in self._locations(item, failures):
            try:
                self._receive(url, partial, item.source.sha256)
            except (OSError, ValueError) as error:
                gone = gone and isinstance(error, FileNotFoundError)
                failures.append(f"{url}: {reason(error)}")
                continue
            if partial.sha256 == item.source.sha256:
                self._transport.progress.finished(url)
                return
            gone = False
            failures.append(f"{url}: gave a file with SHA-256 {partial.sha256}, not {item.source.sha256}")
            partial.clear()
        raise _archive_moved_on(item, failures) if gone and failures else _not_fetched(item, failures)

    def _receive(self, url: str, partial: Partial, sha256: str) -> None:
        """Have all that `url` holds in `partial`, of which a part may be there; what that is worth, the end shows."""
        kept = partial.size
        self._add(url, partial)
        if kept and partial.sha256 != sha256:
            partial.clear()
            self._add(url, partial)

    def _add(self, url: str, partial: Partial) -> None:
        for offset, chunk in self._transport.pieces(url, partial.size):
            if self._stopped:
                raise OSError("interrupted")
            partial.add(offset, chunk)

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
