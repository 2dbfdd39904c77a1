"""Namespaces of the command's own: what it then sees, and that it still ends as it would without them."""

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

PID = expression(unshare=["pid"])


@pytest.fixture
def port() -> Iterator[int]:
    """A port of this host on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("fields", "reached"), [({}, True), ({"network": False}, False), ({"unshare": ["net"]}, False)]
)
def test_the_network(magpkg: Magpkg, port: int, fields: dict[str, Any], reached: bool) -> None:
    program = f"exec 3<>/dev/tcp/127.0.0.1/{port} && echo reached; cut -d: -f1 -s /proc/net/dev"
    done = magpkg.venv(expression(**fields), "bash", "-c", program)
    assert ("reached" in done.stdout) is reached
    if not reached:
        assert done.stdout.split() == ["lo"]


@pytest.mark.parametrize("name", ["pid", "ipc", "uts", "cgroup", "net"])
def test_a_namespace_is_the_hosts_unless_it_is_unshared(magpkg: Magpkg, name: str) -> None:
    link = f"/proc/self/ns/{name}"
    # Twice: the second launch takes the plan that the first one left.
    for _ in range(2):
        assert magpkg.venv(expression(), "readlink", link).checked().stdout.strip() == os.readlink(link)
        assert magpkg.venv(expression(unshare=[name]), "readlink", link).checked().stdout.strip() != os.readlink(link)


def test_only_its_own_processes(magpkg: Magpkg) -> None:
    shown = magpkg.venv(PID, "bash", "-c", "echo $$ /proc/[0-9]*").checked().stdout.split()
    assert shown == ["2", "/proc/1", "/proc/2"]


@pytest.mark.parametrize(("end", "status"), [("exit 3", 3), ("kill -TERM $$", 143), ("kill -KILL $$", 137)])
def test_exit_status(magpkg: Magpkg, end: str, status: int) -> None:
    assert magpkg.venv(PID, "bash", "-c", end).status == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_is_passed_on(magpkg: Magpkg, number: signal.Signals) -> None:
    program = f"trap 'echo trapped; exit 9' {number.name.removeprefix('SIG')}; echo ready; read line"
    with magpkg.start("venv", "-e", PID, "--", "sh", "-c", program) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.stdout.readline() == "trapped\n"
        assert running.wait(30) == 9


def test_a_signal_ends_a_command_that_does_not_catch_it_and_all_that_it_started(magpkg: Magpkg) -> None:
    with magpkg.start("venv", "-e", PID, "--", "bash", "-c", "sleep 600 & echo ready; exec sleep 600") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        assert running.wait(30) == -signal.SIGTERM
        assert running.stdout.read() == ""  # the other sleep holds the pipe open for as long as it lives


def test_what_a_command_leaves_ends_with_it(magpkg: Magpkg) -> None:
    with magpkg.start("venv", "-e", PID, "--", "bash", "-c", "sleep 600 & exit 4") as running:
        assert running.wait(30) == 4
        assert running.stdout is not None
        assert running.stdout.read() == ""


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("echo rea''dy; exec sleep 600", -signal.SIGINT),
        ("sleep 600 & echo rea''dy; exec sleep 600", -signal.SIGINT),
        ("trap 'exit 6' INT; sleep 600 & echo rea''dy; while :; do read line; done", 6),
    ],
)
def test_ctrl_c(magpkg: Magpkg, program: str, status: int) -> None:
    words = magpkg.words("venv", "-e", PID, "--", "bash", "-c", program)
    terminal = Terminal(words, magpkg.environment({"TERM": "dumb"}), magpkg.directory)
    try:
        terminal.expect("ready", 120)
        terminal.type("\x03")
        assert terminal.wait() == status
    finally:
        terminal.close()
