"""What servers may not do, from servers that do it: each download ends, and keeps nothing that is too large."""

import os
import pathlib
import socket
import ssl
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from magpkg.errors import MagpkgError
from magpkg.fetch.fetch import Fetcher, Wanted
from magpkg.fetch.limits import Limits, most_bytes
from magpkg.fetch.transport import Transport
from magpkg.manifest.package import Source
from magpkg.store.store import Store
from tests.support.archives import sha256
from tests.support.machine import certificate
from tests.support.servers import answered, forever, misbehaving

CONTENT = b"the right content\n" * 1000
RIGHT = sha256(CONTENT)
# As the program's own, in a hundredth of the time.
QUICK = Limits(silence=0.4, answer=0.6, window=0.6, wait=0.5, backoff=0.001)
AT_MOST = 8.0  # seconds, for each of them, on a machine that is busy


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    made = Store(str(tmp_path / "store"))
    made.prepare()
    return made


def fetch(
    store: Store,
    *urls: str,
    size: int = 0,
    limits: Limits = QUICK,
    env: dict[str, str] | None = None,
    wanted: str = RIGHT,
) -> list[str]:
    said: list[str] = []
    source = Source("a.tar", wanted, urls, size)
    Fetcher(store, Transport(env or {}, "/", limits=limits)).fetch_all([Wanted(source, "zlib")], said.append)
    return said


def refused(store: Store, *urls: str, size: int = 0, limits: Limits = QUICK, env: dict[str, str] | None = None) -> str:
    """The message of the error that a fetch ends in, soon."""
    started = time.monotonic()
    with pytest.raises(MagpkgError) as caught:
        fetch(store, *urls, size=size, limits=limits, env=env)
    assert time.monotonic() - started < AT_MOST
    assert os.listdir(store.fetch_directory) == []
    return caught.value.message


def test_more_than_the_lock_says_is_not_received(store: Store) -> None:
    sent = []

    def endless(connection: socket.socket, _: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(1 << 12):
            connection.sendall(bytes(1 << 20))
            sent.append(1 << 20)

    with misbehaving(endless) as (url, _):
        assert f"is larger than the {len(CONTENT)} bytes" in refused(store, f"{url}/a", size=len(CONTENT))
    assert sum(sent) < 64 << 20  # what the kernel's buffers hold, not the 4 GiB that were on offer
    assert os.listdir(store.partial_directory) == []


def test_a_length_over_the_bound_is_refused_before_the_body(store: Store) -> None:
    with misbehaving(lambda connection, _: connection.sendall(answered(b"x", length=1 << 40))) as (url, requests):
        assert "is larger than" in refused(store, f"{url}/a", size=len(CONTENT))
        assert len(requests) == 1


def test_a_file_of_unknown_size_is_bounded_by_the_variable(store: Store) -> None:
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (url, _):
        bound = {"MAGPKG_MAX_DOWNLOAD_BYTES": str(len(CONTENT) - 1)}
        assert f"is larger than the {len(CONTENT) - 1} bytes" in refused(store, f"{url}/a", env=bound)
        fetch(store, f"{url}/a", env={"MAGPKG_MAX_DOWNLOAD_BYTES": str(len(CONTENT))})
    assert os.listdir(store.fetch_directory) == [RIGHT]
    with pytest.raises(MagpkgError, match="must be a whole number"):
        most_bytes({"MAGPKG_MAX_DOWNLOAD_BYTES": "1e9"})


def test_an_earlier_part_that_is_larger_than_the_file_is_dropped(store: Store) -> None:
    pathlib.Path(store.partial(RIGHT)).write_bytes(CONTENT * 2)
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (url, requests):
        fetch(store, f"{url}/a", size=len(CONTENT))
        assert b"Range" not in requests[0]


@pytest.mark.parametrize("path", ["/dev/zero", "file:///dev/zero", "/dev/stdin", "fifo", "folder", "socket"])
def test_what_is_no_regular_file_is_neither_opened_nor_waited_for(
    store: Store, tmp_path: pathlib.Path, path: str
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    os.mknod(tmp_path / "socket", 0o140600)
    url = path if "/" in path else str(tmp_path / path)
    assert "is no regular file" in refused(store, url)


def test_a_symlink_to_a_file_is_followed_to_it_and_bounded(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    (tmp_path / "link").symlink_to("file")
    assert "is larger than" in refused(store, str(tmp_path / "link"), size=10)
    fetch(store, str(tmp_path / "link"), size=len(CONTENT))


@pytest.mark.parametrize(
    ("piece", "every"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 0.001),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
        (b"X-Header: of many\r\n", 0.01),
        (b"H", 0.05),
    ],
)
def test_an_answer_that_never_begins_is_given_up(store: Store, piece: bytes, every: float) -> None:
    def endless(connection: socket.socket, _: int) -> None:
        if piece.startswith(b"X-"):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
        forever(connection, piece, every)

    with misbehaving(endless) as (url, _):
        said = refused(store, f"{url}/a")
    # The interim answer 103 is one that Python's client takes for the last.
    assert any(why in said for why in ("gave no answer in time", "gives less than", "HTTP status 103"))


def test_a_flood_of_headers_is_given_up(store: Store) -> None:
    def flood(connection: socket.socket, _: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        forever(connection, b"X-A: " + b"b" * 60000 + b"\r\n")

    with misbehaving(flood) as (url, _):
        assert "cannot be fetched" in refused(store, f"{url}/a")


def test_a_server_that_says_nothing_is_given_up(store: Store) -> None:
    quiet = threading.Event()

    def silent(_: socket.socket, __: int) -> None:
        quiet.wait(30)

    with misbehaving(silent) as (url, _):
        said = refused(store, f"{url}/a")
        quiet.set()
    assert "gives less than" in said


def test_a_byte_now_and_then_is_too_slow(store: Store) -> None:
    def drip(connection: socket.socket, _: int) -> None:
        connection.sendall(answered(length=len(CONTENT)))
        forever(connection, b"x", 0.02)

    with misbehaving(drip) as (url, requests):
        assert "gives less than 1024 bytes a second" in refused(store, f"{url}/a")
        assert len(requests) == 1


def test_a_file_that_takes_too_long_in_all_is_given_up(store: Store) -> None:
    def steady(connection: socket.socket, _: int) -> None:
        connection.sendall(answered(length=1 << 30))
        forever(connection, b"x" * 4096, 0.05)

    with misbehaving(steady) as (url, _):
        said = refused(store, f"{url}/a", limits=replace(QUICK, whole=1.0))
    assert "is not there whole after" in said


def test_a_slow_line_that_is_fast_enough_is_waited_for(store: Store) -> None:
    def steady(connection: socket.socket, _: int) -> None:
        connection.sendall(answered(length=len(CONTENT)))
        wait = threading.Event()
        for start in range(0, len(CONTENT), 1000):
            connection.sendall(CONTENT[start : start + 1000])
            wait.wait(0.08)  # 1.4 s in all, several windows

    with misbehaving(steady) as (url, _):
        fetch(store, f"{url}/a", limits=replace(QUICK, silence=5))


def test_a_few_bytes_a_connection_end_after_so_many_breaks(store: Store) -> None:
    def few(connection: socket.socket, number: int) -> None:
        rest = CONTENT[3 * number :]
        status, extra = ("206 Partial Content", f"Content-Range: bytes {3 * number}-{len(CONTENT) - 1}/{len(CONTENT)}")
        head = answered(b"", 'ETag: "a"', *([extra] if number else []), status=status if number else "200 OK")
        connection.sendall(head.replace(b"Content-Length: 0", b"Content-Length: %d" % len(rest)))
        connection.sendall(rest[:3])

    with misbehaving(few) as (url, requests):
        said = refused(store, f"{url}/a", limits=replace(QUICK, breaks_in_all=20, window=60))
        assert "broke off" in said
        assert len(requests) == 21
        assert b"bytes=60-" in requests[20]


def test_what_a_server_wants_to_be_left_alone_for_is_waited_for_within_bounds(store: Store) -> None:
    def later(connection: socket.socket, number: int) -> None:
        busy = answered(b"", f"Retry-After: {10**6}", status="503 Service Unavailable")
        connection.sendall(answered(CONTENT) if number == 2 else busy)

    started = time.monotonic()
    with misbehaving(later) as (url, requests):
        fetch(store, f"{url}/a")
        assert len(requests) == 3
    assert 2 * QUICK.wait <= time.monotonic() - started < AT_MOST


@pytest.mark.parametrize("said", ["soon", "-1", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT", "1e9", ""])
def test_a_server_that_is_always_busy_is_given_up(store: Store, said: str) -> None:
    busy = answered(b"", f"Retry-After: {said}", status="429 Too Many Requests")
    with misbehaving(lambda connection, _: connection.sendall(busy)) as (url, requests):
        assert "HTTP status 429 Too Many Requests" in refused(store, f"{url}/a")
        assert len(requests) == 1 + QUICK.breaks


def test_ctrl_c_ends_a_wait_at_once(store: Store) -> None:
    busy = answered(b"", "Retry-After: 50", status="503 Service Unavailable")
    asked = threading.Event()
    transport = Transport({}, "/")
    failed: list[BaseException] = []

    def receive(url: str) -> None:
        try:
            list(transport.chunks(url))
        except InterruptedError as error:
            failed.append(error)

    def later(connection: socket.socket, _: int) -> None:
        connection.sendall(busy)
        asked.set()

    with misbehaving(later) as (url, _):
        receiving = threading.Thread(target=receive, args=(f"{url}/a",))
        receiving.start()
        assert asked.wait(20)
        transport.stop()
        receiving.join(5)
        assert not receiving.is_alive()
        assert len(failed) == 1


def test_a_reader_that_waits_for_a_server_is_stopped_at_once(store: Store) -> None:
    asked, quiet = threading.Event(), threading.Event()
    transport = Transport({}, "/")

    def receive(url: str) -> None:
        with pytest.raises(OSError, match="interrupted"):
            list(transport.chunks(url))

    def silent(connection: socket.socket, _: int) -> None:
        connection.sendall(answered(b"x", length=100))
        asked.set()
        quiet.wait(30)

    with misbehaving(silent) as (url, _):
        receiving = threading.Thread(target=receive, args=(f"{url}/a",))
        receiving.start()
        assert asked.wait(20)
        transport.stop()
        receiving.join(5)
        quiet.set()
        assert not receiving.is_alive()


def test_redirects_end(store: Store) -> None:
    def around(connection: socket.socket, number: int) -> None:
        connection.sendall(answered(b"", f"Location: /{number + 1}", status="302 Found"))

    with misbehaving(around) as (url, requests):
        assert "is redirected more than 8 times" in refused(store, f"{url}/0")
        assert len(requests) == 9


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/a", "//[", "gopher:x"])
def test_a_redirect_leads_to_http_alone(store: Store, target: str) -> None:
    moved = answered(b"", f"Location: {target}", status="301 Moved Permanently")
    with misbehaving(lambda connection, _: connection.sendall(moved)) as (url, _):
        assert "is redirected to what is" in refused(store, f"{url}/a")


def secure(tmp_path: pathlib.Path, handler: type) -> tuple[ThreadingHTTPServer, str]:
    """A server of https whose certificate is signed by itself, and the file to trust it by."""
    made, key = certificate(str(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, made


def test_https_is_not_left_for_http(store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"/plain": "", "/secure": ""}

    class Moving(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/right":
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT)
                return
            self.send_response(302)
            self.send_header("Location", places[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server, trusted = secure(tmp_path, Moving)
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    base = f"https://127.0.0.1:{server.server_port}"
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (url, requests):
        places.update({"/plain": f"{url}/a", "/secure": f"{base}/right"})
        assert "is redirected from https to http" in refused(store, f"{base}/plain")
        assert requests == []
        fetch(store, f"{base}/secure")
        moved = answered(b"", f"Location: {base}/right", status="302 Found")
    assert os.listdir(store.fetch_directory) == [RIGHT]
    os.unlink(store.fetched(RIGHT))
    with misbehaving(lambda connection, _: connection.sendall(moved)) as (url, _):
        fetch(store, f"{url}/a")
    server.shutdown()


SECRETS = ["http://user:geheim@127.0.0.1:9/a", "http://user:geheim@nowhere.invalid/a", "http://user:ge/heim@h/a"]


@pytest.mark.parametrize("url", [*SECRETS, "http://user:geheim@[::1/a", "ftp://user:geheim@h/a"])
def test_no_message_holds_a_password(store: Store, url: str) -> None:
    said = refused(store, url)
    assert "heim" not in said
    assert ":ge" not in said


@pytest.mark.parametrize("proxy", ["http://user:geheim@127.0.0.1:9", "user:geheim@nowhere.invalid:1", "user:geheim@:x"])
def test_no_message_holds_a_proxys_password(store: Store, proxy: str) -> None:
    assert "heim" not in refused(store, "http://files.invalid/a", env={"http_proxy": proxy})


def asked_with(request: bytes, header: bytes) -> bytes | None:
    lines = [line for line in request.split(b"\r\n") if line.lower().startswith(header.lower() + b": ")]
    return lines[0].partition(b": ")[2] if lines else None


def test_credentials_go_to_the_server_that_they_are_for_and_no_further(store: Store) -> None:
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (other, others):
        moved = answered(b"", f"Location: {other}/a", status="302 Found")
        with misbehaving(lambda connection, _: connection.sendall(moved)) as (url, requests):
            fetch(store, url.replace("://", "://user:geheim@") + "/a")
    assert asked_with(requests[0], b"Authorization") == b"Basic dXNlcjpnZWhlaW0="
    assert asked_with(others[0], b"Authorization") is None
    assert b"geheim" not in requests[0] + others[0]


def test_a_proxy_is_told_its_password(store: Store) -> None:
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (url, requests):
        fetch(store, "http://files.invalid/a", env={"HTTP_PROXY": url.replace("://", "://user:geheim@")})
    assert requests[0].startswith(b"GET http://files.invalid/a ")
    assert asked_with(requests[0], b"Proxy-Authorization") == b"Basic dXNlcjpnZWhlaW0="


def test_an_empty_proxy_in_lower_case_is_none(store: Store) -> None:
    with misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (url, requests):
        fetch(store, f"{url}/a", env={"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": ""})
        assert requests[0].startswith(b"GET /a ")


@pytest.mark.parametrize(
    ("mirror", "why"),
    [("http://nowhere.invalid", "name resolution failed"), ("http://127.0.0.1:9", "connection refused")],
)
def test_who_reaches_nobody_is_told_so_in_a_line(store: Store, mirror: str, why: str) -> None:
    started = time.monotonic()
    with pytest.raises(MagpkgError) as caught:
        fetch(store, "debian:pool/main/a/a.deb", limits=Limits(), env={"MAGPKG_DEBIAN_MIRROR": f"{mirror} {mirror}/b"})
    assert time.monotonic() - started < 3
    assert caught.value.message == f"package zlib: a.tar: cannot reach the mirror ({why})"
    assert f"{mirror}/b/pool/main/a/a.deb: {why}" in str(caught.value.__cause__)


@pytest.mark.parametrize("body", [b"", b"<html>please log in</html>", CONTENT * 2])
def test_a_mirror_that_gives_rubbish_is_passed_over_with_a_word(store: Store, body: bytes) -> None:
    with (
        misbehaving(lambda connection, _: connection.sendall(answered(body))) as (wrong, _),
        misbehaving(lambda connection, _: connection.sendall(answered(CONTENT))) as (right, _),
    ):
        said = fetch(store, "debian:pool/a.deb", size=len(CONTENT), env={"MAGPKG_DEBIAN_MIRROR": f"{wrong} {right}"})
    assert len(said) == 2
    assert said[1].startswith(f"{wrong} is passed over: ")


def test_where_no_mirror_is_known_that_is_said_first(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magpkg.fetch.mirror._apt_mirrors", lambda _: iter(()))
    with pytest.raises(MagpkgError, match=r"^no Debian mirror is known: ") as caught:
        fetch(store, "debian:pool/main/a/a.deb")
    assert "MAGPKG_DEBIAN_MIRROR" in (caught.value.hint or "")
