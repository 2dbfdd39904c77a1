"""Signals, job control and what a real terminal does."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

CORE = '(import "magpkg/examples/core-venv.jsonnet") + { mounts: [] }'
BASE = expression()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Terminals that are closed in the end."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def opened(magpkg: Magpkg, terminals: list[Terminal], *arguments: str) -> Terminal:
    """magpkg venv on a terminal."""
    environment = magpkg.environment({"TERM": "dumb"})
    terminals.append(Terminal(magpkg.words("venv", *arguments), environment, magpkg.directory))
    return terminals[-1]


def test_ctrl_c_in_a_python_repl(magpkg: Magpkg, terminals: list[Terminal]) -> None:
    terminal = opened(magpkg, terminals, "-e", CORE, "--", "python3")
    terminal.expect(">>> ", 120)
    for _ in range(2):
        terminal.interrupt("KeyboardInterrupt")
        terminal.expect(">>> ")
    terminal.type("6 * 7\n")
    terminal.expect(r"\r\n42\r\n>>> ")
    terminal.type("import time; print('sle' + 'eps'); time.sleep(600)\n")
    terminal.expect("sleeps")
    terminal.interrupt("KeyboardInterrupt")
    terminal.expect(">>> ")
    terminal.type("exit(5)\n")
    assert terminal.wait() == 5


def test_ctrl_c_ends_a_command_that_does_not_catch_it(magpkg: Magpkg, terminals: list[Terminal]) -> None:
    terminal = opened(magpkg, terminals, "-e", BASE, "--", "sh", "-c", "echo rea''dy; exec sleep 600")
    terminal.expect("ready", 120)
    terminal.type("\x03")
    assert terminal.wait() == -signal.SIGINT


def test_ctrl_c_reaches_a_command_once(magpkg: Magpkg, terminals: list[Terminal]) -> None:
    # The terminal sends it to the command as well as to magpkg, which must not pass it on then. Without noflsh it then
    # drops what is on its way to the screen, be it the first that the command says of the signal; termios(3).
    # bash does not see a signal that comes just before its read(2), so that must not wait without end.
    counting = "stty noflsh; trap 'n=$((n+1)); echo int-$n' INT; echo rea''dy"
    program = f'{counting}; until test "$line" = end; do read -t 0.1 line; done; echo all-$n'
    terminal = opened(magpkg, terminals, "-e", BASE, "--", "bash", "-c", program)
    terminal.expect("ready", 120)
    for number in range(1, 6):
        terminal.type("\x03")
        terminal.expect(f"int-{number}")
    terminal.type("end\n")
    assert terminal.expect(r"all-\d+").endswith("all-5")


def test_job_control_in_an_interactive_shell(magpkg: Magpkg, terminals: list[Terminal]) -> None:
    terminal = opened(magpkg, terminals, "-e", BASE, "--", "bash", "--norc", "--noprofile")
    terminal.expect(r"[$#] ", 120)
    terminal.type("sh -c 'echo in-$((40+2)); read line; echo got-$line'\n")
    terminal.expect("in-42")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.expect(r"[$#] ")
    terminal.type("fg\n")
    terminal.expect("fg\r\n")
    terminal.type("word\n")
    terminal.expect("got-word")
    terminal.type("exit 4\n")
    assert terminal.wait() == 4


def test_a_stopped_magpkg_goes_on_in_the_hosts_shell(magpkg: Magpkg, terminals: list[Terminal]) -> None:
    shell = Terminal(["bash", "--norc", "--noprofile", "-i"], magpkg.environment({"PS1": "host> "}), magpkg.directory)
    terminals.append(shell)
    shell.expect("host> ")
    program = "echo in-$((40+2)); read line; echo got-$line"
    words = " ".join(
        f"'{word}'" for word in magpkg.words("venv", "-e", BASE.replace("'", '"'), "--", "sh", "-c", program)
    )
    shell.type(words + "\n")
    shell.expect("in-42", 120)
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.expect("host> ")
    shell.type("fg\n")
    shell.expect("fg\r\n")
    shell.type("word\n")
    shell.expect("got-word")
    shell.type("exit\n")
    assert shell.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_is_passed_on(magpkg: Magpkg, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    program = f"trap 'echo trapped; exit 9' {name}; echo ready; read line"
    with magpkg.start("venv", "-e", BASE, "--", "sh", "-c", program) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.send_signal(number)
        assert running.stdout.readline() == "trapped\n"
        assert running.wait(30) == 9


def test_a_signal_that_ends_the_command_is_its_status(magpkg: Magpkg) -> None:
    with magpkg.start("venv", "-e", BASE, "--", "sh", "-c", "echo ready; exec sleep 600") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        assert running.wait(30) == -signal.SIGTERM


def test_a_killed_magpkg_leaves_the_lock_with_the_command(own_store: Magpkg) -> None:
    manifest = expression(["busybox-static"])
    with own_store.start("venv", "-e", manifest, "--", "/bin/busybox", "sh", "-c", "echo $$; read line") as running:
        assert running.stdout is not None
        assert running.stdin is not None
        command = int(running.stdout.readline())
        running.kill()
        running.wait(30)
        kept = own_store.run("cleanup", "--venvs", "--max-age-days", "0").checked()
        assert "in use" in kept.stdout
        assert len([name for name in os.listdir(f"{own_store.store}/venv") if not name.endswith(".lock")]) == 1
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(command)
            os.kill(command, signal.SIGKILL)
            import select

            select.select([descriptor], [], [], 30)
            os.close(descriptor)
    removed = own_store.run("cleanup", "--venvs", "--max-age-days", "0").checked()
    assert "removed venv" in removed.stdout
