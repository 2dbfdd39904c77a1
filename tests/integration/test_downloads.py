"""What downloads show of themselves: a line that changes on a terminal, plain lines elsewhere, nothing with -q."""

import json
import random
import signal
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.archives import sha256, tar_bytes
from tests.support.process import Magpkg
from tests.support.repository import served
from tests.support.terminal import Terminal

COUNT = 3


class Stalling(ThreadingHTTPServer):
    """Serves some bytes to the first who asks and then waits until `go_on`; whoever comes later gets what he asks."""

    FIRST = 1 << 20  # whole pieces, as they are read

    def __init__(self, content: bytes) -> None:
        self.asked: list[str] = []
        self.stalled, self.go_on = threading.Event(), threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            """Answers for the server around it."""

            def do_GET(self) -> None:
                """Answer."""
                wanted = self.headers.get("Range", "all")
                outer.asked.append(wanted)
                start = 0 if wanted == "all" else int(wanted.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(content) - start))
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
                self.end_headers()
                if not start:
                    self.wfile.write(content[: outer.FIRST])
                    outer.stalled.set()
                    outer.go_on.wait(60)
                    return
                self.wfile.write(content[start:])

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def await_stall(self, process: "subprocess.Popen[Any]", partial: Path) -> None:
        """Wait until the process that asks has written down all that it got."""
        self.stalled.wait(20)
        while not (partial.exists() and partial.stat().st_size == self.FIRST):
            assert process.poll() is None

    def server_close(self) -> None:
        """Let whoever waits go."""
        self.go_on.set()
        self.shutdown()
        super().server_close()


def manifest(magpkg: Magpkg, url: str) -> str:
    """A manifest of packages that are fetched from `url`, whose files are in the project's directory."""
    packages = []
    for number in range(COUNT):
        content = tar_bytes({f"file{number}": f"{number}" * 2_000_000})
        Path(magpkg.directory, f"p{number}.tar").write_bytes(content)
        source = {"filename": f"p{number}.tar", "sha256": sha256(content), "urls": [f"{url}/p{number}.tar"]}
        packages.append({"name": f"p{number}", "build": "untar", "fetch": [source]})
    return json.dumps({"packages": packages})


def test_a_terminal_sees_files_bytes_rate_and_time_left(own_store: Magpkg) -> None:
    with served(own_store.directory) as (url, _):
        words = own_store.words("fetch", "-e", manifest(own_store, url))
        terminal = Terminal(words, own_store.environment(None), own_store.directory)
        terminal.expect(r"magpkg: fetching 3 files\r\n")
        line = terminal.expect(r"\rmagpkg: \d of 3 files, [\d.]+ [KM]iB, [\d.]+ [KMG]iB/s.*: .*\x1b\[K")
        assert "p0.tar" in line or "p1.tar" in line or "p2.tar" in line
        assert "%" in line
        rest = terminal.expect("everything that the manifest needs is in the store")
        assert "\r\x1b[Kmagpkg: everything" in rest, "the line is taken away in the end"
        assert terminal.wait() == 0
        terminal.close()


def test_a_terminal_sees_how_many_packages_are_made(own_store: Magpkg) -> None:
    with served(own_store.directory) as (url, _):
        words = own_store.words("build", "-e", manifest(own_store, url))
        terminal = Terminal(words, own_store.environment(None), own_store.directory)
        terminal.expect(r"magpkg: making 3 packages\r\n")
        terminal.expect(r"\rmagpkg: 0 of 3 packages made: p\d[^\r]*\x1b\[K")
        terminal.expect(r"\rmagpkg: \d of 3 packages made: [^\r]*\x1b\[K\r\x1b\[K")
        assert terminal.wait() == 0
        terminal.close()


def test_who_is_no_terminal_sees_plain_lines_or_nothing(own_store: Magpkg) -> None:
    with served(own_store.directory) as (url, asked):
        text = manifest(own_store, url)
        plain = own_store.run("fetch", "-e", text).checked()
        assert plain.stderr.splitlines() == [
            "magpkg: fetching 3 files",
            "magpkg: everything that the manifest needs is in the store",
        ]
        assert sorted(asked) == ["/p0.tar", "/p1.tar", "/p2.tar"]
        own_store.run("cleanup", "-q", "--fetched", "--max-age-days", "0").checked()
        quiet = own_store.run("fetch", "-q", "-e", text).checked()
        assert (quiet.stdout, quiet.stderr) == ("", "")


def test_what_a_killed_run_received_is_kept_and_continued(own_store: Magpkg) -> None:
    whole = tar_bytes({"file": random.Random(1).randbytes(3_000_000)})  # noqa: S311 - to be repeated, not to be secret
    with Stalling(whole) as server:
        source = {"filename": "a.tar", "sha256": sha256(whole), "urls": [f"http://127.0.0.1:{server.server_port}/a"]}
        text = json.dumps({"packages": [{"name": "a", "build": "untar", "fetch": [source]}]})
        process = subprocess.Popen(
            own_store.words("fetch", "-e", text), env=own_store.environment(), cwd=own_store.directory
        )
        partial = Path(own_store.store, "partial", sha256(whole))
        server.await_stall(process, partial)
        process.kill()
        process.wait()
        server.go_on.set()
        own_store.run("fetch", "-e", text).checked()
        assert server.asked == ["all", f"bytes={Stalling.FIRST}-"]
    assert Path(own_store.store, "fetch", sha256(whole)).read_bytes() == whole
    assert not partial.exists()


def test_an_interrupted_download_is_kept_and_says_so(own_store: Magpkg) -> None:
    whole = tar_bytes({"file": random.Random(2).randbytes(3_000_000)})  # noqa: S311 - likewise
    with Stalling(whole) as server:
        source = {"filename": "a.tar", "sha256": sha256(whole), "urls": [f"http://127.0.0.1:{server.server_port}/a"]}
        text = json.dumps({"packages": [{"name": "a", "build": "untar", "fetch": [source]}]})
        process = subprocess.Popen(
            own_store.words("fetch", "-e", text),
            env=own_store.environment(),
            cwd=own_store.directory,
            stderr=subprocess.PIPE,
            text=True,
        )
        partial = Path(own_store.store, "partial", sha256(whole))
        server.await_stall(process, partial)
        process.send_signal(signal.SIGINT)
        server.go_on.set()
        _, said = process.communicate(timeout=30)
    assert said.splitlines()[-1] == "magpkg: interrupted; what is fetched and made is kept"
    assert process.returncode == -signal.SIGINT
    assert partial.stat().st_size == Stalling.FIRST


def test_cleanup_removes_what_nobody_came_back_for(own_store: Magpkg) -> None:
    own_store.run("fetch", "-q", "-e", "{ packages: [] }").checked()
    own_store.run("cleanup", "-q", "--fetched").checked()
    partial = Path(own_store.store, "partial")
    partial.mkdir(parents=True, exist_ok=True)
    (partial / ("0" * 64)).write_bytes(b"begun")
    own_store.run("cleanup", "-q", "--fetched").checked()
    assert len(list(partial.iterdir())) == 1
    own_store.run("cleanup", "-q", "--fetched", "--max-age-days", "0").checked()
    assert list(partial.iterdir()) == []
