"""Transport: what a url holds, as a stream of bytes, from https, http, file and plain paths."""

import errno
import os
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import urllib3

CONNECTIONS = 8
_CHUNK = 1 << 18
_GONE = (404, 410)
_BEYOND = 416
_BREAKS_MAX = 4
_BACKOFF = 0.3


class Progress(Protocol):
    """Is told how downloads go on, from several threads."""

    def begin(self, files: int) -> None:
        """So many files are going to be read."""

    def received(self, url: str, position: int, size: int) -> None:
        """Of the file at `url` so many bytes are there; its size is 0 where it is not known."""

    def finished(self, url: str) -> None:
        """The file at `url` is there whole, and right."""

    def end(self) -> None:
        """No more is read."""


class Unseen:
    """Progress that nobody wants to see."""

    def begin(self, files: int) -> None:
        """See Progress."""

    def received(self, url: str, position: int, size: int) -> None:
        """See Progress."""

    def finished(self, url: str) -> None:
        """See Progress."""

    def end(self) -> None:
        """See Progress."""


class Transport:
    """Reads urls, several threads at once; relative paths are seen from `base`.

    `offline` is the promise that no network is asked: then http and https urls are refused.
    """

    def __init__(
        self, environment: Mapping[str, str], base: str, *, offline: bool = False, progress: Progress | None = None
    ) -> None:
        self.environment = environment
        self.progress = progress or Unseen()
        self.offline = offline
        self._base = base
        self._pools: dict[str, urllib3.PoolManager] = {}

    def chunks(self, url: str) -> Iterator[bytes]:
        """What `url` holds, in pieces of bounded size; see `pieces` for the errors."""
        position = 0
        for offset, chunk in self.pieces(url):
            if offset != position:
                raise OSError("broke off, and cannot be continued")
            yield chunk
            position += len(chunk)

    def pieces(self, url: str, have: int = 0) -> Iterator[tuple[int, bytes]]:
        """What `url` holds, in pieces of bounded size, each with its offset; not its first `have` bytes where it can.

        An answer that breaks off is continued, or begun anew where the server cannot do so: then the offset is 0 again,
        and what came before is void. Raises FileNotFoundError where the answer is that there is no such file, another
        OSError where there was no answer or a different one, and ValueError for a url that no transport can read.
        """
        scheme = urlsplit(url).scheme.lower()
        if is_remote(url):
            if self.offline:
                raise OSError("not asked for, since this is an offline run")
            yield from self._http_pieces(url, have)
        elif scheme == "file":
            yield from _file_pieces(unquote(urlsplit(url).path))
        elif not scheme or "/" in url.split(":")[0]:
            yield from _file_pieces(os.path.join(self._base, url))
        else:
            raise ValueError(f"a {scheme}: url is not supported; use https, http, file, debian or a path")

    def _http_pieces(self, url: str, have: int) -> Iterator[tuple[int, bytes]]:
        from urllib3.exceptions import HTTPError, MaxRetryError

        position, furthest, breaks, validator = have, have, 0, ""
        headers = {"Range": f"bytes={have}-"} if have else {}
        while True:
            try:
                response = self._pool(url).request("GET", url, headers=headers, preload_content=False)
                try:
                    if response.status == _BEYOND and headers:
                        headers = {}
                        continue
                    position = _begin(response, position if headers else 0)
                    validator = _validator(response)
                    length = int(response.headers.get("Content-Length", "0"))
                    size = position + length if length else 0
                    for chunk in response.stream(_CHUNK, decode_content=False):
                        yield position, chunk
                        position += len(chunk)
                        self.progress.received(url, position, size)
                    return
                finally:
                    response.close()  # after its end this changes nothing; before it, the connection is of no more use
            except HTTPError as error:
                # A large file on a bad line breaks off often; what counts is how often without having got further.
                breaks = 1 if position > furthest else breaks + 1
                furthest = max(position, furthest)
                if isinstance(error, MaxRetryError) or breaks > _BREAKS_MAX:
                    raise OSError(str(getattr(error, "reason", None) or error)) from error
                time.sleep(_BACKOFF * 2 ** (breaks - 1))
                headers = _continuation(position, validator)

    def _pool(self, url: str) -> "urllib3.PoolManager":
        """The connections for `url`, through the proxy that the environment names for it."""
        import urllib.request

        import urllib3

        parts = urlsplit(url)
        proxies = urllib.request.getproxies_environment()
        bypass = urllib.request.proxy_bypass_environment(parts.hostname or "", proxies)  # type: ignore[attr-defined]
        proxy = "" if bypass else proxies.get(parts.scheme, "")
        if proxy not in self._pools:
            retries = urllib3.Retry(
                total=_BREAKS_MAX, backoff_factor=_BACKOFF, status_forcelist=(429, 500, 502, 503, 504)
            )
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


def _begin(response: "urllib3.BaseHTTPResponse", asked: int) -> int:
    """The offset at which an answer begins; an error where it is not what was asked for."""
    if response.status == 206 and asked and response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        return asked
    if response.status == 200:
        return 0
    answer = f"HTTP status {response.status} {response.reason or ''}".rstrip()
    raise FileNotFoundError(errno.ENOENT, answer) if response.status in _GONE else OSError(answer)


def _continuation(position: int, validator: str) -> dict[str, str]:
    """The headers that ask for the rest if the file is still the one that was begun, else for all: RFC 9110, 13.1.5."""
    return {"Range": f"bytes={position}-", "If-Range": validator} if position and validator else {}


def _validator(response: "urllib3.BaseHTTPResponse") -> str:
    """What tells this form of the file from another, for If-Range, which takes no weak tag."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _file_pieces(path: str) -> Iterator[tuple[int, bytes]]:
    with open(path, "rb") as file:
        position = 0
        while chunk := file.read(_CHUNK):
            yield position, chunk
            position += len(chunk)
