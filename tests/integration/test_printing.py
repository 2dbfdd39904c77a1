"""What is printed: nothing of others that a terminal would obey, and what is wrong in the same words everywhere."""

import json
import subprocess
from pathlib import Path

from magpkg import __file__ as package_file
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.repository import Repository

COLOURED = "\x1b[31m"
BELL = "/\x07"
CORE_LOCK = Path(package_file).parent / "data/magpkg/packages/core.lock.json"


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


HOSTILE = "1\x1b]0;owned\x07\x9b31m\u202e\x7f"


def hostile_lock(directory: Path, version: str) -> None:
    """A lock of a stranger's, in which a terminal would find its commands wherever the lock may have text."""
    lock = json.loads(Path(CORE_LOCK).read_text())
    for pin in lock["packages"].values():
        pin["version"] = version
        pin["path"] = f"pool/main/x_{version}_amd64.deb" if version.isprintable() else pin["path"]
    lock["suites"][0]["date"] = version
    (directory / "debian.lock.json").write_text(json.dumps(lock))


def test_nothing_that_a_repository_ships_reaches_the_terminal_as_a_command(magpkg: Magpkg) -> None:
    directory = Path(magpkg.directory)
    source = {"filename": "x.deb", "sha256": "0" * 64, "urls": [f"debian:pool/x_{HOSTILE}_amd64.deb"]}
    package = {"name": "tool", "fetch": [source], "build": "untar"}
    (directory / "magpkg.json").write_text(json.dumps({"packages": [package], "mounts": [f"/{HOSTILE}"]}))
    (directory / "names.yaml").write_text(f"packages: [dash]\nenvKeep: [{json.dumps(HOSTILE)}]\n")
    (directory / "bad.yaml").write_text(f"packages: []\n{json.dumps(HOSTILE)}: 1\n")
    hostile_lock(directory, HOSTILE)
    for words in (
        ("show",),
        ("show", "--json"),
        ("tree",),
        ("tree", "--json"),
        ("why", "tool"),
        ("why", HOSTILE),
        ("graph",),
        ("graph", "--format", "mermaid"),
        ("diff", "names.yaml"),
        ("diff", "names.yaml", "--json"),
        ("show", "-f", "names.yaml"),
        ("show", "-f", "bad.yaml"),
        ("venv", "-f", "names.yaml", "--", HOSTILE),
        ("venv", "--offline", "--debug", "--", "true"),
        ("fetch", "--offline"),
        ("build", "--offline"),
        ("lock", "--check", "-f", "names.yaml"),
        ("search", "--offline", HOSTILE),
        ("shim", HOSTILE, "x"),
        ("add", HOSTILE),
        ("list", "--json"),
        (HOSTILE,),
        ("show", f"--{HOSTILE}"),
        ("graph", "--format", HOSTILE),
        ("cleanup", "--max-age-days", HOSTILE),
    ):
        done = magpkg.run(*words)
        assert not set(done.stdout + done.stderr) & set(HOSTILE[1:2] + "\x07\x9b\u202e\x7f"), (words, done)
        assert done.stdout + done.stderr or done.status == 0


def test_what_changes_in_a_lock_is_told_without_commands_to_the_terminal(tmp_path: Path) -> None:
    repository = Repository(str(tmp_path))
    repository.add_base()
    repository.add("tool", fields=f"Depends: base-files (({HOSTILE}\nRecommends: (((")
    repository.write()
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    first = repository.lock()
    assert not set(first.stdout + first.stderr) & {"\x1b", "\x07", "\x9b"}, first
    repository.remove("tool")
    repository.add("tool", "2")
    repository.write()
    repository.lock("-q").checked()
    lock = json.loads((tmp_path / "debian.lock.json").read_text())
    lock["packages"]["tool"]["version"] = HOSTILE
    (tmp_path / "debian.lock.json").write_text(json.dumps(lock))
    done = repository.lock("--upgrade")
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\x9b"}, done


def test_a_prompt_gets_a_name_that_can_be_printed(magpkg: Magpkg) -> None:
    directory = Path(magpkg.directory, "of \x1b[31m\x07")
    directory.mkdir()
    (directory / "magpkg.jsonnet").write_text(expression(["busybox-static"]))
    words = ("venv", "--", "/bin/busybox", "sh", "-c", "echo $debian_chroot; echo $MAGPKG_VENV")
    assert magpkg.run(*words, cwd=str(directory)).checked().stdout == "of ?[31m?\n" * 2


def test_a_locale_that_lacks_a_letter_gets_a_mark_for_it(magpkg: Magpkg) -> None:
    done = magpkg.run("show", "-e", "{ packages: [], mounts: ['/größe'] }", env={"PYTHONIOENCODING": "ascii"})
    assert "bind /gr??e" in done.checked().stdout


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
