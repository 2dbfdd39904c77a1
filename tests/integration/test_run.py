"""`magpkg run`: packages at once, without a manifest."""

import json
from pathlib import Path

from tests.integration.test_plan import imported
from tests.support.process import Magpkg


def kept(magpkg: Magpkg) -> list[Path]:
    """The sets that the store has."""
    return sorted(path for path in Path(magpkg.store, "sets").iterdir() if path.is_dir())


def test_a_command_has_the_packages_and_the_working_directory(own_store: Magpkg) -> None:
    Path(own_store.directory, "a.json").write_text('{"a": 7}')
    done = own_store.run("run", "-p", "jq", "--", "jq", ".a", "a.json").checked()
    assert done.stdout == "7\n"
    assert not Path(own_store.directory, "debian.lock.json").exists()
    # The second run goes the short way, asks no network, and is the same environment however the names are given.
    assert "click" not in imported(own_store, "jq", ".a", "a.json", entering=("run", "-p", "jq"))
    again = own_store.run("run", "--offline", "-p", "jq", "-p", "jq,", "--", "jq", ".a", "a.json").checked()
    assert (again.stdout, again.stderr) == ("7\n", "")
    assert [path.name.rpartition("-")[0] for path in kept(own_store)] == ["jq"]
    assert own_store.run("run", "-p", "jq", "--", "sh", "-c", "exit 3").status == 3


def test_pins_move_when_asked_to(own_store: Magpkg) -> None:
    own_store.run("run", "-q", "-p", "jq", "--", "true").checked()
    lock = kept(own_store)[0] / "debian.lock.json"
    pins = json.loads(lock.read_text())
    moved = pins["packages"]["jq"]["version"]
    pins["packages"]["jq"]["version"] = "0"
    lock.write_text(json.dumps(pins))
    own_store.run("run", "-q", "-p", "jq", "--", "true").checked()
    assert json.loads(lock.read_text())["packages"]["jq"]["version"] == "0"
    own_store.run("run", "-q", "--refresh", "-p", "jq", "--", "true").checked()
    assert json.loads(lock.read_text())["packages"]["jq"]["version"] == moved


def test_it_can_be_saved_as_a_manifest(own_store: Magpkg) -> None:
    own_store.run("run", "-p", "jq", "--save").checked()
    assert own_store.run("venv", "-q", "--offline", "--", "jq", "--version").status == 125  # nothing is fetched yet
    assert own_store.run("venv", "-q", "--", "jq", "--version").checked().stdout.startswith("jq-")
    taken = own_store.run("run", "-p", "jq", "--save")
    assert taken.status == 125 and "is there already" in taken.stderr


def test_what_cannot_be_run_is_said_with_what_was_meant(own_store: Magpkg) -> None:
    for words, said in (
        (("make", "test"), "name some: magpkg run -p jq,make -- COMMAND"),
        (("-p", ",", "--", "true"), "no package is named"),
        (("-p", "rg", "--", "rg"), "did you mean ripgrep?"),
        (("-p", "../x", "--", "true"), "is no name of a Debian package"),
    ):
        done = own_store.run("run", *words)
        assert done.status == 125 and said in done.stderr, done.stderr
    assert not kept(own_store)
    offline = own_store.run("run", "--offline", "-p", "jq", "--suite", "trixie", "--", "jq")
    assert offline.status == 125 and "offline" in offline.stderr
