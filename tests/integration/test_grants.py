"""Grants: what a manifest opens is listed, and said once where somebody is there to read it."""

import json
import socket
from pathlib import Path

import pytest

from tests.support.files import settle
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

DEFAULTS = ["${PROJECT}", "${PWD}", "/tmp", "${STATE}/home", {"type": "tmpfs", "target": "/mnt"}]


def write(magpkg: Magpkg, name: str = "magpkg.jsonnet", **fields: object) -> Path:
    """A project's manifest with these fields."""
    path = Path(magpkg.directory, name)
    path.write_text(expression(["busybox-static"], **fields))
    return path


def listed(magpkg: Magpkg) -> list[str]:
    return magpkg.run("show", "--grants").checked().stdout.splitlines()


def test_what_every_venv_has_and_what_is_the_projects_own_is_no_grant(magpkg: Magpkg) -> None:
    inside = str(Path(magpkg.directory, "inside"))
    Path(inside).mkdir()
    write(magpkg, mounts=[*DEFAULTS, inside], envKeep=["TZ", "EDITOR", "LC_ALL"], network=False)
    assert listed(magpkg) == []


def test_what_goes_beyond_is_listed_in_a_line_each(magpkg: Magpkg) -> None:
    home = Path(magpkg.home).resolve()
    (home / "secrets").mkdir()
    project = Path(magpkg.directory)
    (project / "link").symlink_to(home / "secrets")
    agent = str(home / "agent")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(agent)
        mounts: list[object] = [
            "${HOME}",
            {"type": "ro-bind", "source": "/usr/share", "target": "/mnt"},
            {"source": "${PROJECT}/link", "target": "/mnt/link", "follow": True},
            {"type": "ro-bind", "source": agent},
            {"type": "dev-bind", "source": "/dev/null", "target": "/x"},
            {"source": "/nonexistent/place", "optional": True},
            {"source": "/sys"},  # which is read-only by default
            {"type": "ro-bind", "source": "/tmp"},
        ]
        write(magpkg, mounts=mounts, envKeep=["SECRET_TOKEN", "TZ"], seccomp="none")
        assert listed(magpkg) == [
            f"{home}, writable",
            "/usr/share, read-only, as /mnt",
            f"{home}/secrets, writable, as /mnt/link",
            f"{agent}, a socket",
            "/dev/null, with its devices, as /x",
            "/nonexistent/place, writable (not on this host)",
            "/sys, writable",
            "the variable SECRET_TOKEN, which may hold a secret",
            "all system calls, without the default filter",
        ]
        facts = json.loads(magpkg.run("show", "--grants", "--json").checked().stdout)
    assert facts["version"] == 1
    assert facts["grants"][0] == {"kind": "mount", "what": str(home), "how": "writable", "there": True}
    assert [item["kind"] for item in facts["grants"]] == ["mount"] * 7 + ["variable", "filter"]


def on_terminal(magpkg: Magpkg, *words: str) -> str:
    """What a launch shows to somebody at a terminal."""
    terminal = Terminal(magpkg.words(*words), magpkg.environment({"TERM": "dumb"}), magpkg.directory)
    try:
        shown = terminal.expect("done\r?\n")
        assert terminal.wait() == 0
        return shown
    finally:
        terminal.close()


LAUNCH = ("venv", "--", "/bin/busybox", "echo", "done")


@pytest.mark.parametrize("first", ["on a terminal", "away from one"])
def test_the_first_launch_on_a_terminal_says_what_is_granted_and_no_other(own_store: Magpkg, first: str) -> None:
    path = write(own_store, mounts=["${HOME}", "${PROJECT}"])
    settle(path.parent)
    own_store.run("fetch", "-q").checked()
    said = f"{path} grants its commands, beside its directory:"
    line = f"{Path(own_store.home).resolve()}, writable"
    if first != "on a terminal":
        for _ in range(3):  # the later ones by a plan
            assert said not in own_store.run(*LAUNCH, env={"TERM": "dumb"}).checked().stderr
        assert list(Path(own_store.store, "eval").glob("*.untold"))
    shown = on_terminal(own_store, *LAUNCH)
    assert said in shown and line in shown
    for _ in range(3):
        assert said not in on_terminal(own_store, *LAUNCH)
    write(own_store, mounts=["${HOME}", "${PROJECT}", "/usr/share"])
    assert "/usr/share, writable" in on_terminal(own_store, *LAUNCH)
    assert said not in on_terminal(own_store, *LAUNCH)


def test_it_is_not_said_of_what_the_user_writes_on_the_command_line_nor_where_quiet_is_asked_for(
    magpkg: Magpkg,
) -> None:
    path = write(magpkg, mounts=["${HOME}"])
    for words in (
        ("venv", "-q", *LAUNCH[1:]),
        ("venv", "-e", path.read_text(), *LAUNCH[1:]),
    ):
        assert "grants" not in on_terminal(magpkg, *words)
    path.write_text(expression(["busybox-static"]))
    assert "grants" not in on_terminal(magpkg, "venv", "--bind", magpkg.home, "--keep", "SECRET", *LAUNCH[1:])


def test_a_name_in_it_is_no_command_to_the_terminal(magpkg: Magpkg) -> None:
    place = Path(magpkg.home, "a\x1b[31m\x07b")
    place.mkdir()
    write(magpkg, mounts=[str(place)])
    assert not {"\x1b", "\x07"} & set(magpkg.run("show", "--grants").checked().stdout)
    assert not {"\x1b", "\x07"} & set(on_terminal(magpkg, *LAUNCH).partition("grants")[2])


def test_what_init_writes_says_one_line(own_store: Magpkg) -> None:
    """The preset of proxies keeps ten variables; certificates of authorities are no secret and change nothing."""
    path = write(own_store, presets=["privateHome", "caBundle", "proxies"], mounts=["${PROJECT}"])
    own_store.run("fetch", "-q").checked()
    shown = on_terminal(own_store, *LAUNCH)
    said = shown.partition(f"{path} grants its commands, beside its directory:")[2].splitlines()
    assert "the variables http_proxy, https_proxy, ftp_proxy, all_proxy, HTTP_PROXY" in said[1]
    assert said[1].endswith("which may hold secrets")
    assert not any("certificates" in line or "magpkg:" in line for line in said[2:])
