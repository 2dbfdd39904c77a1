"""Fetching, from a server that is really there."""

import errno
import fcntl
import os
import pathlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from magpkg.errors import MagpkgError
from magpkg.fetch.fetch import Fetcher, Wanted
from magpkg.fetch.limits import Limits
from magpkg.fetch.transport import Transport, Unseen
from magpkg.manifest.package import Source
from magpkg.store.store import Store
from tests.support.archives import sha256
from tests.support.machine import certificate, room

CONTENT = b"the right content\n" * 1000
RIGHT = sha256(CONTENT)
WRONG = sha256(b"wrong")


class Handler(BaseHTTPRequestHandler):
    """Serves /right, /wrong, /moved, and 404; remembers what it was asked."""

    asked: list[str]

    def do_GET(self) -> None:
        """Answer."""
        self.asked.append(self.path)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/right")
            self.end_headers()
            return
        body = {"/right": CONTENT, "/wrong": b"wrong", "/pool/main/a/a.deb": CONTENT}.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server on a port of its own; `asked` are the paths it was asked for."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), type("Own", (Handler,), {"asked": self.asked}))
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Its base url, without scheme."""
        return f"127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is expected."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A plain HTTP server."""
    with Server() as running:
        yield running
        running.shutdown()


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    """An empty store."""
    made = Store(str(tmp_path / "store"))
    made.prepare()
    return made


QUICK = Limits(backoff=0.01)
"""As usual, but for the waits between two tries."""


def fetch(
    store: Store,
    *urls: str,
    wanted: str = RIGHT,
    base: str = "/",
    env: dict[str, str] | None = None,
    limits: Limits = QUICK,
    size: int = 0,
) -> list[str]:
    """Fetch one source and return what was reported."""
    said: list[str] = []
    source = Source("a.tar", wanted, urls, size)
    Fetcher(store, Transport(env or {}, base, limits=limits)).fetch_all([Wanted(source, "zlib")], said.append)
    return said


def message(store: Store, *urls: str, **options: Any) -> str:
    """The message of the error that fetching ends in; nothing may be left in the store."""
    with pytest.raises(MagpkgError) as caught:
        fetch(store, *urls, **options)
    assert os.listdir(store.fetch_directory) == []
    assert os.listdir(store.tmp_directory) == []
    assert os.listdir(store.partial_directory) == []
    return caught.value.message


def content(store: Store) -> bytes:
    """What was fetched."""
    return pathlib.Path(store.fetched(RIGHT)).read_bytes()


def test_http(store: Store, server: Server) -> None:
    assert fetch(store, f"http://{server.url}/right") == ["fetching 1 file"]
    assert content(store) == CONTENT
    assert os.listdir(store.tmp_directory) == []
    assert os.stat(store.fetched(RIGHT)).st_mode & 0o222 == 0


def test_what_is_there_is_not_fetched_again(store: Store, server: Server) -> None:
    fetch(store, f"http://{server.url}/right")
    assert fetch(store, f"http://{server.url}/right") == []
    assert server.asked == ["/right"]


def test_what_is_there_is_stamped_as_used(store: Store, server: Server) -> None:
    fetch(store, f"http://{server.url}/right")
    os.utime(store.fetched(RIGHT), (0, 0))
    fetch(store, f"http://{server.url}/right")
    assert os.stat(store.fetched(RIGHT)).st_mtime > 0


def test_a_redirect_is_followed(store: Store, server: Server) -> None:
    fetch(store, f"http://{server.url}/moved")
    assert content(store) == CONTENT


def test_urls_are_tried_in_turn_until_one_is_right(store: Store, server: Server) -> None:
    base = f"http://{server.url}"
    fetch(store, "/nowhere", f"{base}/missing", f"{base}/wrong", f"{base}/right", f"{base}/never")
    assert server.asked == ["/missing", "/wrong", "/right"]
    assert content(store) == CONTENT


def test_a_wrong_hash_names_url_and_both_hashes_and_leaves_nothing(store: Store, server: Server) -> None:
    url = f"http://{server.url}/wrong"
    assert message(store, url) == (
        f"package zlib: a.tar cannot be fetched: {url}: gave a file with SHA-256 {WRONG}, not {RIGHT}"
    )


def test_every_url_that_failed_is_named(store: Store, server: Server) -> None:
    base = f"http://{server.url}"
    assert message(store, f"{base}/none", "/nowhere", "ftp://x.example/a", f"{base}/wrong") == (
        f"package zlib: a.tar cannot be fetched: {base}/none: HTTP status 404 Not Found; "
        "/nowhere: No such file or directory; "
        "ftp://x.example/a: a ftp: url is not supported; use https, http, file, debian or a path; "
        f"{base}/wrong: gave a file with SHA-256 {WRONG}, not {RIGHT}"
    )


def test_file_urls_and_paths(store: Store, tmp_path: pathlib.Path) -> None:
    (tmp_path / "with space.tar").write_bytes(CONTENT)
    fetch(store, f"file://{tmp_path}/with%20space.tar")
    assert content(store) == CONTENT
    os.unlink(store.fetched(RIGHT))
    fetch(store, f"{tmp_path}/with space.tar")
    assert content(store) == CONTENT


@pytest.mark.parametrize("path", ["./a.tar", "a.tar", "../base/a.tar"])
def test_a_relative_path_is_seen_from_the_manifest(store: Store, tmp_path: pathlib.Path, path: str) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "a.tar").write_bytes(CONTENT)
    fetch(store, path, base=str(tmp_path / "base"))
    assert content(store) == CONTENT


def test_debian_urls_are_looked_up_at_each_mirror(store: Store, server: Server) -> None:
    mirrors = f"http://{server.url}/none, http://{server.url}/"
    fetch(store, "debian:pool/main/a/a.deb", env={"MAGPKG_DEBIAN_MIRROR": mirrors})
    assert server.asked == ["/none/pool/main/a/a.deb", "/pool/main/a/a.deb"]
    assert content(store) == CONTENT


def test_one_download_for_packages_that_share_it(store: Store, server: Server) -> None:
    source = Source("a.tar", RIGHT, (f"http://{server.url}/right",))
    other = Source("b.tar", RIGHT, (f"http://{server.url}/right",))
    Fetcher(store, Transport({}, "/")).fetch_all([Wanted(source, "a"), Wanted(other, "b")], lambda _: None)
    assert server.asked == ["/right"]


def test_https_with_an_unknown_certificate_is_refused(store: Store, tmp_path: pathlib.Path) -> None:
    made, key = certificate(str(tmp_path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with Server(context) as running:
        said = message(store, f"https://{running.url}/right")
        running.shutdown()
    assert running.asked == []
    assert "certificate verify failed" in said.lower()


class Breaking(BaseHTTPRequestHandler):
    """Breaks off each answer but the last after some bytes; `changed` is served from the second request on."""

    asked: list[str]
    breaks: int
    ranges: bool
    changed: bool
    tagged: bool
    sized = True

    def do_GET(self) -> None:
        """Answer."""
        first = not self.asked
        self.asked.append(self.headers.get("Range", "all"))
        body, tag = (b"old" * 6000, '"old"') if self.changed and first else (CONTENT, '"new"')
        start = 0
        if self.ranges and self.headers.get("If-Range", tag) == tag and "Range" in self.headers:
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if self.tagged:
            self.send_header("ETag", tag)
        if self.sized:
            self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        end = start + 5000 if len(self.asked) <= self.breaks else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def fetch_broken(
    store: Store,
    *,
    breaks: int = 1,
    ranges: bool = True,
    changed: bool = False,
    tagged: bool = True,
    limits: Limits = QUICK,
) -> list[str]:
    """Fetch from a server that breaks off; the ranges that it was asked for."""
    asked: list[str] = []
    traits = {"asked": asked, "breaks": breaks, "ranges": ranges, "changed": changed, "tagged": tagged}
    own = type("Own", (Breaking,), traits)
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            fetch(store, f"http://127.0.0.1:{running.server_port}/a", limits=limits)
        finally:
            running.shutdown()
    return asked


@pytest.mark.parametrize("sized", [True, False])
def test_the_size_of_what_is_continued_is_that_of_the_whole_file(sized: bool) -> None:
    class Seen(Unseen):
        """Remembers what it was told."""

        def __init__(self) -> None:
            self.told: set[tuple[int, int]] = set()

        def received(self, url: str, position: int, size: int) -> None:
            """Remember it."""
            self.told.add((position, size))

    traits = {"asked": [], "breaks": 0, "ranges": True, "changed": False, "tagged": True, "sized": sized}
    seen = Seen()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Breaking,), traits)) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        transport = Transport({}, "/", progress=seen)
        list(transport.pieces(f"http://127.0.0.1:{running.server_port}/a", 7000))
        running.shutdown()
    assert {size for _, size in seen.told} == {len(CONTENT) if sized else 0}
    assert max(position for position, _ in seen.told) == len(CONTENT)


def test_what_breaks_off_is_continued(store: Store) -> None:
    assert fetch_broken(store, breaks=2) == ["all", "bytes=5000-", "bytes=10000-"]
    assert content(store) == CONTENT


def test_what_breaks_off_is_begun_anew_where_the_server_knows_no_ranges(store: Store) -> None:
    assert fetch_broken(store, ranges=False) == ["all", "bytes=5000-"]
    assert content(store) == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_anew(store: Store) -> None:
    assert fetch_broken(store, changed=True) == ["all", "bytes=5000-"]
    assert content(store) == CONTENT


def test_a_large_file_may_break_off_often_as_long_as_it_goes_on(store: Store) -> None:
    assert len(fetch_broken(store, breaks=3, limits=replace(QUICK, breaks=1))) == 4
    assert content(store) == CONTENT


@pytest.mark.parametrize("tagged", [True, False])
def test_what_an_earlier_run_received_is_continued(store: Store, tagged: bool) -> None:
    partial = pathlib.Path(store.partial(RIGHT))
    partial.write_bytes(CONTENT[:7000])
    assert fetch_broken(store, breaks=0, tagged=tagged) == ["bytes=7000-"]
    assert content(store) == CONTENT
    assert not partial.exists()


def test_what_an_earlier_run_received_whole_is_not_asked_for(store: Store) -> None:
    pathlib.Path(store.partial(RIGHT)).write_bytes(CONTENT)
    assert fetch_broken(store, breaks=0) == []
    assert content(store) == CONTENT


@pytest.mark.parametrize("wrong", [b"x" * 7000, CONTENT + b"x"])
def test_what_an_earlier_run_received_wrong_is_fetched_again(store: Store, wrong: bytes) -> None:
    pathlib.Path(store.partial(RIGHT)).write_bytes(wrong)
    assert fetch_broken(store, breaks=0)[-1] == "all"
    assert content(store) == CONTENT


def test_an_earlier_part_of_no_use_to_the_server_is_dropped(store: Store) -> None:
    pathlib.Path(store.partial(RIGHT)).write_bytes(CONTENT[:7000])
    assert fetch_broken(store, breaks=0, ranges=False) == ["bytes=7000-"]
    assert content(store) == CONTENT


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda path: os.symlink("/etc/hostname", path), lambda path: os.symlink("/dev/zero", path)],
)
def test_what_is_no_file_is_neither_waited_for_nor_followed(
    store: Store, server: Server, make: Callable[[str], None]
) -> None:
    make(store.partial(RIGHT))
    with pytest.raises(MagpkgError, match="is no file, as a download on its way must be"):
        fetch(store, f"http://{server.url}/right")


def test_a_download_that_does_not_fit_is_an_error_and_is_not_kept(store: Store, server: Server) -> None:
    with room(len(CONTENT) - 100):
        said = message(store, f"http://{server.url}/right")
    assert said.startswith(f"{store.partial(RIGHT)}: a download cannot be written: ")


DATE = "Sat, 11 Jul 2026 10:16:37 GMT"


class Tagging(BaseHTTPRequestHandler):
    """Breaks off its first answer; serves ranges to whoever names one of its `headers` in If-Range."""

    asked: list[tuple[str, str]]
    headers_sent: dict[str, str]

    def do_GET(self) -> None:
        """Answer."""
        wanted, condition = self.headers.get("Range", "all"), self.headers.get("If-Range", "")
        self.asked.append((wanted, condition))
        start = 5000 if wanted == "bytes=5000-" and condition in self.headers_sent.values() else 0
        self.send_response(206 if start else 200)
        for name, value in self.headers_sent.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start : 5000 if len(self.asked) == 1 else None])

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": '"a"', "Last-Modified": DATE}, '"a"'),
        ({"ETag": 'W/"a"', "Last-Modified": DATE}, DATE),
        ({"Last-Modified": DATE}, DATE),
        ({"ETag": 'W/"a"'}, None),
        ({}, None),
    ],
)
def test_the_rest_is_asked_for_only_of_the_same_file(
    store: Store, headers: dict[str, str], condition: str | None
) -> None:
    asked: list[tuple[str, str]] = []
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Own", (Tagging,), {"asked": asked, "headers_sent": headers})
    ) as it:
        threading.Thread(target=it.serve_forever, daemon=True).start()
        fetch(store, f"http://127.0.0.1:{it.server_port}/a")
        it.shutdown()
    assert asked == [("all", ""), ("all", "") if condition is None else ("bytes=5000-", condition)]
    assert content(store) == CONTENT


@pytest.mark.parametrize(
    ("status", "sent", "partial"),
    [
        (206, "bytes 0-17999/18000", b""),  # nobody asked for a range
        (206, "bytes 8000-17999/18000", CONTENT[:7000]),
        (206, "", CONTENT[:7000]),
        (203, "", b""),
        (300, "", b""),
    ],
)
def test_an_answer_to_another_question_is_none(store: Store, status: int, sent: str, partial: bytes) -> None:
    requests: list[str] = []

    class Odd(Handler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(CONTENT)))
            if sent:
                self.send_header("Content-Range", sent)
            self.end_headers()
            self.wfile.write(CONTENT)

    if partial:
        pathlib.Path(store.partial(RIGHT)).write_bytes(partial)
    with ThreadingHTTPServer(("127.0.0.1", 0), Odd) as odd:
        threading.Thread(target=odd.serve_forever, daemon=True).start()
        with pytest.raises(MagpkgError, match=f"HTTP status {status}"):
            fetch(store, f"http://127.0.0.1:{odd.server_port}/a")
        odd.shutdown()
    assert os.listdir(store.fetch_directory) == []
    assert len(requests) == 1, "the answer was taken for what was asked for"


def opened(path: str) -> int:
    """How many descriptors of this process are of the file at `path`."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            found += os.readlink(f"/proc/self/fd/{name}") == path
    return found


def closed_to_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have modes mean for root what they mean for others."""
    plain = os.open

    def checked(path: str, flags: int, mode: int = 0o777, **options: int) -> int:
        with suppress(FileNotFoundError):
            if flags & os.O_ACCMODE and not os.stat(path, follow_symlinks=False).st_mode & 0o200:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return plain(path, flags, mode, **options)

    monkeypatch.setattr(os, "open", checked)


@pytest.mark.parametrize(("kept", "asked"), [(CONTENT, []), (b"x" * 7000, ["bytes=7000-", "all"])])
def test_what_a_run_was_killed_with_before_it_published_it(
    store: Store, monkeypatch: pytest.MonkeyPatch, kept: bytes, asked: list[str]
) -> None:
    partial = pathlib.Path(store.partial(RIGHT))
    partial.write_bytes(kept)
    partial.chmod(0o444)
    closed_to_writers(monkeypatch)
    assert fetch_broken(store, breaks=0) == asked
    assert content(store) == CONTENT
    assert os.stat(store.fetched(RIGHT)).st_mode & 0o777 == 0o444


def test_what_is_published_while_it_is_opened_is_there(
    store: Store, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = pathlib.Path(store.partial(RIGHT))
    partial.write_bytes(CONTENT)
    partial.chmod(0o444)
    plain = os.open

    def published(path: str, flags: int, mode: int = 0o777, **options: int) -> int:
        if path != str(partial):
            return plain(path, flags, mode, **options)
        monkeypatch.setattr(os, "open", plain)
        os.rename(path, store.fetched(RIGHT))
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr(os, "open", published)
    fetch(store, f"http://{server.url}/right")
    assert server.asked == []
    assert content(store) == CONTENT
    assert os.listdir(store.partial_directory) == []


def test_two_that_want_one_file_receive_it_once(store: Store, server: Server) -> None:
    descriptor = os.open(store.partial(RIGHT), os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    waiting = threading.Thread(target=fetch, args=(store, f"http://{server.url}/right"))
    waiting.start()
    while waiting.is_alive() and opened(store.partial(RIGHT)) < 2:
        pass
    assert server.asked == []
    os.write(descriptor, CONTENT)
    store.publish(store.partial(RIGHT), store.fetched(RIGHT))
    os.close(descriptor)
    waiting.join(20)
    assert server.asked == []
    assert content(store) == CONTENT


def test_a_server_that_always_breaks_off_is_given_up(store: Store) -> None:
    with pytest.raises(MagpkgError, match=r"cannot be fetched: .* bytes read"):
        fetch_broken(store, breaks=100, ranges=False)
    assert os.listdir(store.fetch_directory) == []
