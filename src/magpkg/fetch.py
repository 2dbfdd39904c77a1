"""Fetching: the urls of a source become one verified file in the store."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from magpkg import mirror
from magpkg.errors import MagpkgError
from magpkg.package import Source
from magpkg.store import Store

if TYPE_CHECKING:
    import urllib3

_CONNECTIONS = 8
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source to fetch and the package that wants it."""

    source: Source
    package: str


class Fetcher:
    """Fetches sources into a store; relative paths among their urls are seen from `base`."""

    def __init__(self, store: Store, environment: Mapping[str, str], base: str) -> None:
        self._store = store
        self._environment = environment
        self._base = base
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._stopped = False

    def fetch_all(self, wanted: Iterable[Wanted], report: Callable[[str], None]) -> None:
        """Fetch what the store lacks, several at once, and stop at the first failure."""
        missing = {item.source.sha256: item for item in wanted if not self._present(item.source)}
        if not missing:
            return
        report(f"fetching {len(missing)} file{'s' if len(missing) > 1 else ''}")
        with self._store.workspace("fetch") as work, ThreadPoolExecutor(_CONNECTIONS) as pool:
            futures = [pool.submit(self._fetch, item, work) for item in missing.values()]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                self._stopped = True
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _present(self, source: Source) -> bool:
        try:
            os.utime(self._store.fetched(source.sha256))
        except FileNotFoundError:
            return False
        return True

    def _fetch(self, item: Wanted, work: str) -> None:
        source = item.source
        partial = f"{work}/{source.sha256}"
        failures: list[str] = []
        for url in self._locations(item, failures):
            try:
                received = self._receive(url, partial)
            except (OSError, ValueError) as error:
                failures.append(f"{url}: {_reason(error)}")
                continue
            if received == source.sha256:
                os.chmod(partial, 0o444)
                self._store.publish(partial, self._store.fetched(source.sha256))
                return
            with suppress(FileNotFoundError):
                os.unlink(partial)
            failures.append(f"{url}: gave a file with SHA-256 {received}, not {source.sha256}")
        raise MagpkgError(f"package {item.package}: {source.filename} cannot be fetched: {'; '.join(failures)}")

    def _locations(self, item: Wanted, failures: list[str]) -> Iterator[str]:
        """The places to try, in order; why a url has none is added to `failures`."""
        for url in item.source.urls:
            if not url.startswith(mirror.SCHEME):
                yield url
                continue
            try:
                bases = mirror.mirrors(self._environment)
            except MagpkgError as error:
                failures.append(f"{url}: {error}")
                continue
            yield from (f"{base}/{url.removeprefix(mirror.SCHEME)}" for base in bases)

    def _receive(self, url: str, partial: str) -> str:
        """Write what `url` holds to `partial` and return its SHA-256."""
        checksum = hashlib.sha256()
        with open(partial, "wb") as file:
            for chunk in self._chunks(url):
                if self._stopped:
                    raise OSError("interrupted")
                checksum.update(chunk)
                file.write(chunk)
        return checksum.hexdigest()

    def _chunks(self, url: str) -> Iterator[bytes]:
        scheme = urlsplit(url).scheme.lower()
        if scheme in ("http", "https"):
            yield from self._http_chunks(url)
        elif scheme == "file":
            yield from _file_chunks(unquote(urlsplit(url).path))
        elif not scheme or "/" in url.split(":")[0]:
            yield from _file_chunks(os.path.join(self._base, url))
        else:
            raise ValueError(f"a {scheme}: url is not supported; use https, http, file, debian or a path")

    def _http_chunks(self, url: str) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError

        try:
            response = self._pool(url).request("GET", url, preload_content=False)
            try:
                if response.status != 200:
                    raise OSError(f"HTTP status {response.status} {response.reason or ''}".rstrip())
                yield from response.stream(_CHUNK, decode_content=False)
            finally:
                response.release_conn()
        except HTTPError as error:
            raise OSError(str(getattr(error, "reason", None) or error)) from error

    def _pool(self, url: str) -> "urllib3.PoolManager":
        """The connections for `url`, through the proxy that the environment names for it."""
        import urllib.request

        import urllib3

        parts = urlsplit(url)
        proxies = urllib.request.getproxies_environment()
        bypass = urllib.request.proxy_bypass_environment(parts.hostname or "", proxies)  # type: ignore[attr-defined]
        proxy = "" if bypass else proxies.get(parts.scheme, "")
        if proxy not in self._pools:
            retries = urllib3.Retry(total=4, backoff_factor=0.3, status_forcelist=(429, 500, 502, 503, 504))
            timeout = urllib3.Timeout(connect=20, read=60)
            options = {"retries": retries, "timeout": timeout, "maxsize": _CONNECTIONS}
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)  # type: ignore[arg-type]
            )
        return self._pools[proxy]


def _file_chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
