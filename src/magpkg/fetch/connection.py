"""Connections: one request and its answer, by urllib3, through proxies and redirects, none of it without an end.

Imported late: urllib3 is of no use to whoever downloads nothing.
"""

import base64
import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit
from weakref import WeakSet

import urllib3
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection

from magpkg.fetch.failure import Unreachable
from magpkg.fetch.limits import Limits

AT_ONCE = 8
"""How many files are received at once."""

_SCHEMES = ("http", "https")


class Connections:
    """Asks servers, from several threads; connections are kept for the next request to the same server."""

    def __init__(self, environment: Mapping[str, str], limits: Limits) -> None:
        self._environment = environment
        self._limits = limits
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._unresolved: set[str] = set()
        self._open: WeakSet[_Watched] = WeakSet()

    def ask(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer to a GET of an http or https url, after redirects, with its body yet to be read.

        Never goes from https to http, nor on with the url's credentials to another server. Raises Unreachable where
        nobody answered, another OSError for an answer that cannot be followed, ValueError for what is no url, and
        urllib3's HTTPError for one that broke off.
        """
        try:
            first, own = _server(url), _authorization(url)
        except ValueError:  # whose words may be a part of the password
            raise ValueError("is no url") from None
        for _ in range(self._limits.redirects + 1):
            extra = own if _server(url) == first else {}
            response = self._request(_without_credentials(url), {**headers, **extra})
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            url = _redirected(url, location)
        raise OSError(f"is redirected more than {self._limits.redirects} times")

    def hang_up(self) -> None:
        """End whatever is being received: its readers fail at once."""
        for connection in list(self._open):
            connection.hang_up()

    def _request(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        host = urlsplit(url).hostname or ""
        if host in self._unresolved:
            raise Unreachable("name resolution failed")
        try:
            return self._pool(url).request(
                "GET", url, headers=headers, redirect=False, retries=False, preload_content=False
            )
        except exceptions.HTTPError as error:
            said = explained(error)
            if isinstance(said, Unreachable):
                if isinstance(error, exceptions.NameResolutionError):
                    self._unresolved.add(host)  # it is not asked for again for each of a hundred files
                raise said from None
            raise

    def _pool(self, url: str) -> urllib3.PoolManager:
        """The connections for `url`, through the proxy that the environment names for it."""
        proxies = {}
        for name, value in sorted(self._environment.items()):  # lower case comes last and decides, even where empty
            if name.lower().endswith("_proxy"):
                proxies[name.lower().removesuffix("_proxy")] = value
        parts = urlsplit(url)
        bypass = urllib.request.proxy_bypass_environment(parts.hostname or "", proxies)  # type: ignore[attr-defined]
        proxy = "" if bypass else proxies.get(parts.scheme.lower(), "")
        if proxy not in self._pools:
            self._pools[proxy] = self._manager(proxy)
        return self._pools[proxy]

    def _manager(self, proxy: str) -> urllib3.PoolManager:
        timeout = urllib3.Timeout(connect=self._limits.connect, read=self._limits.silence)
        options: dict[str, Any] = {"timeout": timeout, "maxsize": AT_ONCE, "retries": False}
        if proxy:
            named = proxy if "://" in proxy else f"http://{proxy}"
            credentials = _authorization(named, "Proxy-Authorization")
            try:
                made: urllib3.PoolManager = urllib3.ProxyManager(
                    _without_credentials(named), proxy_headers=credentials, **options
                )
            except (exceptions.HTTPError, ValueError):
                raise ValueError("the proxy that the environment names is no url") from None
        else:
            made = urllib3.PoolManager(**options)
        traits = {"answer_seconds": self._limits.answer, "open_connections": self._open}
        plain, secure = type("Plain", (_Plain,), traits), type("Secure", (_Secure,), traits)
        made.pool_classes_by_scheme = {
            "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        return made


class _NoAnswer(exceptions.HTTPError):
    """The time for an answer is over."""


class _Watched:
    """What a connection adds to urllib3's, whose times are those of single reads: an end to all that is no body.

    A server may send interim answers (RFC 9110, 15.2) and headers for as long as it likes, a byte now and then.
    """

    answer_seconds: ClassVar[float]
    open_connections: ClassVar["WeakSet[_Watched]"]
    sock: Any

    def connect(self) -> None:
        """Connect, with a proxy's answer and the handshake of TLS in bounded time."""
        self.open_connections.add(self)
        with self._ending():
            super().connect()  # type: ignore[misc]

    def getresponse(self) -> Any:
        """The answer up to its body, in bounded time."""
        with self._ending():
            return super().getresponse()  # type: ignore[misc]

    @contextlib.contextmanager
    def _ending(self) -> Any:
        timer = threading.Timer(self.answer_seconds, self.hang_up)
        timer.daemon = True
        started = time.monotonic()
        timer.start()
        try:
            yield
        except Exception:
            if time.monotonic() - started >= self.answer_seconds:
                raise _NoAnswer from None
            raise
        finally:
            timer.cancel()

    def hang_up(self) -> None:
        """Let whoever reads from the connection come to its end."""
        with contextlib.suppress(OSError, TypeError):
            # Not the method of an SSLSocket, which lets go of its encryption first while another thread is using it.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Plain(_Watched, HTTPConnection):
    """A connection for http."""


class _Secure(_Watched, HTTPSConnection):
    """A connection for https."""


def explained(error: exceptions.HTTPError) -> OSError:
    """What urllib3's error comes to, in a few words without a url in them."""
    if isinstance(error, exceptions.ProxyError):
        inner = error.original_error
        said = explained(inner) if isinstance(inner, exceptions.HTTPError) else inner
        return Unreachable(f"the proxy: {said}")
    if isinstance(error, exceptions.NameResolutionError):
        return Unreachable("name resolution failed")
    if isinstance(error, exceptions.NewConnectionError):  # a kind of the next
        cause = error.__cause__
        said_by_system = cause.strerror if isinstance(cause, OSError) else None
        return Unreachable((said_by_system or "no connection").lower())
    if isinstance(error, exceptions.ConnectTimeoutError):
        return Unreachable("no connection in time")
    if isinstance(error, exceptions.SSLError):
        inner = error.args[0] if error.args else error
        why = getattr(inner, "verify_message", "")
        return OSError(
            f"certificate verify failed: {why}" if why else f"TLS: {getattr(inner, 'reason', '') or 'fails'}"
        )
    if isinstance(error, (_NoAnswer, exceptions.ReadTimeoutError)):
        return OSError("gave no answer in time")
    if isinstance(error, exceptions.ProtocolError):
        short = next((item for item in error.args if isinstance(item, exceptions.IncompleteRead)), None)
        return OSError(f"broke off, {short.partial} bytes read" if short else "broke off")
    return OSError(f"cannot be read: {type(error).__name__}")


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme, _, _ = _server(target)
    except ValueError:
        raise OSError("is redirected to what is no url") from None
    if scheme not in _SCHEMES:
        raise OSError("is redirected to what is neither http nor https")
    if scheme == "http" and urlsplit(url).scheme.lower() == "https":
        raise OSError("is redirected from https to http, which nobody could trust")
    return _without_credentials(target)


def _server(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _authorization(url: str, header: str = "Authorization") -> dict[str, str]:
    """The header for the user and password in a url, RFC 7617; none without a user."""
    parts = urlsplit(url)
    if not parts.username:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {header: f"Basic {base64.b64encode(pair.encode()).decode()}"}
