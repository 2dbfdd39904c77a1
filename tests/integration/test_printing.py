"""What is printed: nothing of others that a terminal would obey, and what is wrong in the same words everywhere."""

import json
import subprocess
from pathlib import Path

from tests.support.process import Magpkg

COLOURED = "\x1b[31m"
BELL = "/\x07"


def test_no_name_reaches_the_terminal_as_a_command(own_store: Magpkg, project: str) -> None:
    directory = Path(project, f"of {BELL[1:]}")
    directory.mkdir()
    manifest = directory / "m.json"
    entry = {"type": "file", "path": BELL, "contents": ""}
    mount = {"type": "tmpfs", "target": BELL}
    text = {"packages": [], "fsEntries": [entry], "mounts": [mount], "envSet": {"A": COLOURED}}
    manifest.write_text(json.dumps(text))
    Path(project, "empty.json").write_text(json.dumps({"packages": []}))
    own_store.run("venv", "-f", str(manifest), "--", "none")
    name = json.loads(own_store.run("show", "-f", str(manifest), "--json").checked().stdout)["hash"]
    rootfs = Path(own_store.store, "venv", name, "rootfs")
    (rootfs / "new\x07").write_text("")
    for words in (
        ("show", "--values", "-f", str(manifest)),
        ("diff", "empty.json", str(manifest)),
        ("list",),
        ("verify",),
        ("venv", "-f", f"{manifest}\x07"),
        ("show", "-e", r'error "\u0007"'),
    ):
        done = own_store.run(*words)
        said = done.stdout + done.stderr
        assert "\N{REPLACEMENT CHARACTER}" in said, words
        assert not {"\x07", "\x1b"} & set(said), words
    assert json.loads(own_store.run("list", "--json").checked().stdout)["venvs"][0]["manifests"] == [str(manifest)]


def test_a_working_directory_that_was_removed_is_named_by_every_command(own_store: Magpkg) -> None:
    for words in ("diff a", "add jq", "remove jq", "export", "graph", "show", "search jq", "lock", "init", "venv"):
        script = 'mkdir -p gone; cd gone; rmdir ../gone; exec "$@"'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *own_store.words(*words.split())],
            cwd=own_store.directory,
            env=own_store.environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode in (1, 125), words
        assert "error: the working directory has been removed\nmagpkg: hint: change to another one" in done.stderr, (
            words
        )
