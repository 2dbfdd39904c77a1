"""Fetching: the urls of a source become one verified file in the store."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from magpkg.errors import MagpkgError
from magpkg.fetch import mirror
from magpkg.fetch.failure import Failure, nothing_reached, reason, shown_url
from magpkg.fetch.partial import Partial, receiving
from magpkg.fetch.transport import TooLarge, Transport, is_remote
from magpkg.manifest.package import Source
from magpkg.store.store import Store

_AT_ONCE = 8


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

    def fetch_all(self, wanted: Iterable[Wanted], report: Callable[[str], None]) -> None:
        """Fetch what the store lacks, several at once, and stop at the first failure.

        Where the transport is offline and only a network could give something, that is one error that lists it all.
        """
        missing = {item.source.sha256: item for item in wanted if not self._present(item.source)}
        if not missing:
            return
        if self._transport.offline:
            self._refuse_remote(missing.values())
        self._require_mirror(missing.values())
        report(f"fetching {len(missing)} file{'s' if len(missing) > 1 else ''}")
        self._transport.progress.begin(len(missing))
        self._store.prepare()
        said: set[str] = set()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            futures = [pool.submit(self._fetch, item) for item in missing.values()]
            try:
                for future in futures:
                    for word in future.result():
                        if word.partition(" ")[0] not in said:  # one word for a mirror, not one for each of its files
                            said.add(word.partition(" ")[0])
                            report(word)
            except BaseException:
                self._transport.stop()
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
            if all(is_remote(url) or url.startswith(mirror.SCHEME) for url, _ in self._locations(item))
        )
        if remote:
            count = f"{len(remote)} file{'s' if len(remote) > 1 else ''}"
            hint = "run magpkg fetch with the same manifest while there is a network"
            raise MagpkgError(f"offline: {count} the store lacks:", hint, "\n".join(remote))

    def _require_mirror(self, missing: Iterable[Wanted]) -> None:
        """Raise where a file can come from a mirror alone and none is known: nothing else is worth a try then."""
        if any(all(url.startswith(mirror.SCHEME) for url in item.source.urls) for item in missing):
            mirror.mirrors(self._transport.environment)

    def _fetch(self, item: Wanted) -> list[str]:
        """Have the file in the store; returns what is to be said of places that gave something else."""
        path = self._store.partial(item.source.sha256)
        with receiving(path, lambda: self._transport.stopped) as partial:
            words: list[str] = []
            if self._present(item.source):  # another process has had it meanwhile
                partial.clear()
                return words
            if partial.sha256 != item.source.sha256:
                words = self._receive_from_any(item, partial)
            os.chmod(path, 0o444)
            self._store.publish(path, self._store.fetched(item.source.sha256))
            return words

    def _receive_from_any(self, item: Wanted, partial: Partial) -> list[str]:
        failures: list[Failure] = []
        for url, of_mirror in self._locations(item):
            try:
                self._receive(url, partial, item.source)
            except (OSError, ValueError) as error:
                failures.append(Failure(url, error, of_mirror))
                continue
            if partial.sha256 == item.source.sha256:
                self._transport.progress.finished(url)
                return [_passed_over(failure) for failure in failures if not _is_gone(failure)]
            wrong = ValueError(f"gave a file with SHA-256 {partial.sha256}, not {item.source.sha256}")
            failures.append(Failure(url, wrong, of_mirror))
            partial.clear()
        raise _not_fetched(item, failures)

    def _receive(self, url: str, partial: Partial, source: Source) -> None:
        """Have all that `url` holds in `partial`, of which a part may be there; what that is worth, the end shows."""
        limit = source.size or None
        if limit is not None and partial.size > limit:
            partial.clear()
        kept = partial.size
        self._add(url, partial, limit)
        if kept and partial.sha256 != source.sha256:
            partial.clear()
            self._add(url, partial, limit)

    def _add(self, url: str, partial: Partial, limit: int | None) -> None:
        try:
            for offset, chunk in self._transport.pieces(url, partial.size, limit):
                if self._transport.stopped:
                    raise InterruptedError("interrupted")
                partial.add(offset, chunk)
        except TooLarge:
            partial.clear()  # it is not what is wanted, and may be a large part of the disk
            raise

    def _locations(self, item: Wanted) -> Iterator[tuple[str, bool]]:
        """The places to try, in order, and of each whether it is a mirror's."""
        for url in item.source.urls:
            if not url.startswith(mirror.SCHEME):
                yield url, False
                continue
            bases = mirror.mirrors(self._transport.environment, required=False)
            yield from ((f"{base}/{url.removeprefix(mirror.SCHEME)}", True) for base in bases)
            if not bases:
                yield url, True


def _is_gone(failure: Failure) -> bool:
    # A mirror need not have everything: Debian's security suites are on other servers than the rest.
    return isinstance(failure.error, FileNotFoundError)


def _passed_over(failure: Failure) -> str:
    server = urlsplit(failure.url)
    place = f"{server.scheme}://{server.netloc.rpartition('@')[2]}" if server.netloc else shown_url(failure.url)
    return f"{place} is passed over: {reason(failure.error)}"


def _not_fetched(item: Wanted, failures: Sequence[Failure]) -> MagpkgError:
    what = f"package {item.package}: {item.source.filename}"
    unreached = nothing_reached(what, failures)
    if unreached is not None:
        return unreached
    if failures and all(failure.of_mirror and _is_gone(failure) for failure in failures):
        return _archive_moved_on(item, failures)
    return MagpkgError(f"{what} cannot be fetched: {'; '.join(map(str, failures))}")


def _archive_moved_on(item: Wanted, failures: Sequence[Failure]) -> MagpkgError:
    """The error for a pin that every mirror answered for, and none has."""
    name = item.source.filename.removesuffix(".deb")
    tried = "; ".join(map(str, failures))
    message = f"package {name}: no mirror has the pinned file any more, the archive has moved on: {tried}"
    hint = (
        f"move the pin with magpkg lock --upgrade {name}; or name a mirror that keeps old packages in {mirror.VARIABLE}"
    )
    return MagpkgError(message, hint)
