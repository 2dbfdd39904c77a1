"""What every Debian system has without anything depending on it: terminals, Perl, util-linux, time zones."""

from collections.abc import Iterator

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

EXAMPLE = '(import "magpkg/examples/core-venv.jsonnet") + { mounts: [] }'
BASE = expression()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    """Terminals that are closed in the end."""
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize(
    ("name", "colors"), [("xterm-256color", 256), ("screen", 8), ("tmux-256color", 256), ("linux", 8)]
)
def test_terminals_are_known(magpkg: Magpkg, name: str, colors: int) -> None:
    commands = "infocmp $TERM | head -n1; tput colors; clear"
    done = magpkg.venv(BASE, "bash", "-c", f"set -e; {commands}", env={"TERM": name}).checked()
    assert f"/{name[0]}/{name}\n{colors}\n\x1b[H\x1b[" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("command", "shown", "keys"),
    [
        ("less /etc/protocols", r"\x1b\[7m/etc/protocols", "q"),
        ("top", r"Tasks:.*load average|load average.*Tasks:", "q"),
        ("vi -u NONE /etc/protocols", r"readonly.*lines", ":q\r"),
    ],
)
def test_a_program_that_fills_the_screen(
    magpkg: Magpkg, terminals: list[Terminal], command: str, shown: str, keys: str
) -> None:
    environment = magpkg.environment({"TERM": "xterm-256color"})
    words = magpkg.words("venv", "-e", EXAMPLE, "--", *command.split())
    terminals.append(Terminal(words, environment, magpkg.directory))
    seen = terminals[-1].expect(f"(?s){shown}", 120)
    assert "\x1b[?1049h" in seen or command == "top"  # the second screen, which every such terminal has
    assert "WARNING" not in seen
    assert "terminal" not in seen
    terminals[-1].type(keys)
    assert terminals[-1].wait() == 0


def test_what_programs_take_for_granted(magpkg: Magpkg) -> None:
    done = magpkg.venv(
        BASE,
        "bash",
        "-ec",
        "perl -e 'print qq(perl $]\\n)'; getopt -V; script -qec 'test -t 1 && echo tty' /dev/null;"
        "TZ=Asia/Tokyo date +%z; awk --version | head -n1",
    )
    assert done.status == 0, done
    assert [line.strip() for line in done.stdout.splitlines()][:4] == [
        "perl 5.036000",
        "getopt from util-linux 2.38.1",
        "tty",
        "+0900",
    ]
    assert "GNU Awk" in done.stdout
