"""What downloads show of themselves: a line that changes on a terminal, plain lines elsewhere, nothing with -q."""

import json
from pathlib import Path

from tests.repository import served
from tests.support import Magpkg, Terminal, sha256, tar_bytes

COUNT = 3


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
