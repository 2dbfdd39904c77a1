"""Transport: what a url holds, as a stream of bytes, from https, http, file and plain paths."""

import errno
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import urllib3

CONNECTIONS = 8
_CHUNK = 1 << 18
_GONE = (404, 410)


class Transport:
    """Reads urls, several threads at once; relative paths are seen from `base`.

    `offline` is the promise that no network is asked: then http and https urls are refused.
    """

    def __init__(self, environment: Mapping[str, str], base: str, *, offline: bool = False) -> None:
        self.environment = environment
        self.offline = offline
        self._base = base
        self._pools: dict[str, urllib3.PoolManager] = {}

    def chunks(self, url: str) -> Iterator[bytes]:
        """What `url` holds, in pieces of bounded size.

        Raises FileNotFoundError where the answer is that there is no such file, another OSError where there was no
        answer or a different one, and ValueError for a url that no transport can read.
        """
        scheme = urlsplit(url).scheme.lower()
        if is_remote(url):
            if self.offline:
                raise OSError("not asked for, since this is an offline run")
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
                    answer = f"HTTP status {response.status} {response.reason or ''}".rstrip()
                    raise FileNotFoundError(errno.ENOENT, answer) if response.status in _GONE else OSError(answer)
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
            options = {"retries": retries, "timeout": timeout, "maxsize": CONNECTIONS}
            self._pools[proxy] = (
                urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)  # type: ignore[arg-type]
            )
        return self._pools[proxy]


def is_remote(url: str) -> bool:
    """Whether reading `url` asks a network."""
    return urlsplit(url).scheme.lower() in ("http", "https")


def reason(error: Exception) -> str:
    """Why reading a url failed, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def _file_chunks(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
