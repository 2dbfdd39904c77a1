"""Transport: what a url holds, as a stream of bytes, from https, http, file and plain paths."""

import errno
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from magpkg.fetch.failure import Unreachable
from magpkg.fetch.limits import Breaks, Limits, Pace, most_bytes

if TYPE_CHECKING:
    import urllib3

    from magpkg.fetch.connection import Connections

_CHUNK = 1 << 18
_GONE = (404, 410)
_BEYOND = 416
_LATER = (429, 500, 502, 503, 504)


class TooLarge(OSError):
    """There is more at a url than may be."""


class _Later(Exception):
    """The answer of a server that may have another one later."""

    def __init__(self, answer: OSError, seconds: float) -> None:
        super().__init__(answer, seconds)
        self.answer, self.seconds = answer, seconds


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
        self,
        environment: Mapping[str, str],
        base: str,
        *,
        offline: bool = False,
        progress: Progress | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.environment = environment
        self.progress = progress or Unseen()
        self.offline = offline
        self._base = base
        self._limits = limits or Limits()
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Let whoever is reading fail, and soon: nobody wants it any more."""
        self._stopped.set()
        if "_connections" in vars(self):
            self._connections.hang_up()

    def chunks(self, url: str, limit: int | None = None) -> Iterator[bytes]:
        """What `url` holds, in pieces of bounded size; see `pieces` for the errors."""
        position = 0
        for offset, chunk in self.pieces(url, limit=limit):
            if offset != position:
                raise OSError("broke off, and cannot be continued")
            yield chunk
            position += len(chunk)

    def pieces(self, url: str, have: int = 0, limit: int | None = None) -> Iterator[tuple[int, bytes]]:
        """What `url` holds, in pieces of bounded size, each with its offset; not its first `have` bytes where it can.

        `limit` is how many bytes that is at most, without one as many as the environment allows. An answer that breaks
        off is continued, or begun anew where the server cannot do so: then the offset is 0 again, and what came before
        is void. Raises FileNotFoundError where the answer is that there is no such file, Unreachable where no server
        was reached, another OSError where the answer is a different one, too large, too slow or too often broken, and
        ValueError for a url that no transport can read.
        """
        scheme = _scheme(url)
        most = most_bytes(self.environment)
        limit = most if limit is None else min(limit, most)
        if is_remote(url):
            if self.offline:
                raise OSError("not asked for, since this is an offline run")
            yield from self._http_pieces(url, have, limit)
        elif scheme == "file":
            yield from _file_pieces(unquote(urlsplit(url).path), limit)
        elif not scheme or "/" in url.split(":")[0]:
            yield from _file_pieces(os.path.join(self._base, url), limit)
        elif scheme == "debian":
            raise ValueError("no Debian mirror is known")
        else:
            raise ValueError(f"a {scheme}: url is not supported; use https, http, file, debian or a path")

    @cached_property
    def _connections(self) -> "Connections":
        from magpkg.fetch.connection import Connections

        return Connections(self.environment, self._limits)

    def _http_pieces(self, url: str, have: int, limit: int) -> Iterator[tuple[int, bytes]]:
        from urllib3.exceptions import HTTPError

        from magpkg.fetch.connection import explained

        position, validator = have, ""
        breaks, pace = Breaks(self._limits, have), Pace(self._limits)
        headers = {"Range": f"bytes={have}-"} if have else {}
        while True:
            pace.wait()
            try:
                response = self._connections.ask(url, headers)
                try:
                    pace.came(0)
                    if response.status == _BEYOND and headers:
                        headers = {}
                        continue
                    if response.status in _LATER:
                        raise _Later(_answer(response), _retry_after(response))
                    position = _begin(response, position if headers else 0)
                    validator = _validator(response)
                    for chunk in self._body(response, url, position, limit, pace):
                        yield position, chunk
                        position += len(chunk)
                    return
                finally:
                    response.close()  # after its end this changes nothing; before it, the connection is of no more use
            except HTTPError as error:
                pace.came(0)
                wait = breaks.count(position, explained(error))
            except _Later as later:
                wait = breaks.count(position, later.answer, later.seconds)
            except Unreachable as error:
                wait = breaks.count_unreached(error)
            if self._stopped.wait(wait):
                raise InterruptedError("interrupted")
            headers = _continuation(position, validator)

    def _body(
        self, response: "urllib3.BaseHTTPResponse", url: str, position: int, limit: int, pace: Pace
    ) -> Iterator[bytes]:
        """The pieces of an answer, which begins at `position`, as they come rather than when they fill a buffer.

        Waiting for a full buffer would be waiting for a server that sends a byte now and then.
        """
        length = _length(response)
        if position + length > limit:
            raise _too_large(limit)
        size = position + length if length else 0
        while True:
            pace.wait()
            chunk = response.read1(_CHUNK, decode_content=False)
            pace.came(len(chunk))
            if not chunk:
                return
            position += len(chunk)
            if position > limit:
                raise _too_large(limit)
            yield chunk
            self.progress.received(url, position, size)


def is_remote(url: str) -> bool:
    """Whether reading `url` asks a network."""
    return _scheme(url) in ("http", "https")


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme.lower()
    except ValueError:
        raise ValueError("is no url") from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"is larger than the {limit} bytes it should have at most")


def _begin(response: "urllib3.BaseHTTPResponse", asked: int) -> int:
    """The offset at which an answer begins; an error where it is not what was asked for."""
    if response.status == 206 and asked and response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
        return asked
    if response.status == 200:
        return 0
    raise _answer(response)


def _answer(response: "urllib3.BaseHTTPResponse") -> OSError:
    """The error that an answer other than the file is."""
    answer = f"HTTP status {response.status} {(response.reason or '')[:80]}".rstrip()
    return FileNotFoundError(errno.ENOENT, answer) if response.status in _GONE else OSError(answer)


def _length(response: "urllib3.BaseHTTPResponse") -> int:
    """How many bytes an answer says that it has; 0 where it says nothing of use."""
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0


def _retry_after(response: "urllib3.BaseHTTPResponse") -> float:
    """How many seconds a server wants to be left alone, 0 where it says nothing of use; RFC 9110, 10.2.3."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0.0


def _continuation(position: int, validator: str) -> dict[str, str]:
    """The headers that ask for the rest if the file is still the one that was begun, else for all: RFC 9110, 13.1.5."""
    return {"Range": f"bytes={position}-", "If-Range": validator} if position and validator else {}


def _validator(response: "urllib3.BaseHTTPResponse") -> str:
    """What tells this form of the file from another, for If-Range, which takes no weak tag."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _file_pieces(path: str, limit: int) -> Iterator[tuple[int, bytes]]:
    descriptor = _opened(path)
    with os.fdopen(descriptor, "rb") as file:
        position = 0
        while chunk := file.read(_CHUNK):
            if position + len(chunk) > limit:
                raise _too_large(limit)
            yield position, chunk
            position += len(chunk)


def _opened(path: str) -> int:
    """A descriptor of the regular file at `path`: a device may never end, a pipe may never begin."""
    # Looked at first, since opening a device can do something by itself; and again, since it may be another by then.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("is no regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError("is no regular file")
