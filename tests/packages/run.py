"""Runs cases: a venv of a case's packages, and what a command prints in it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.terminal import Terminal

CASES = Path(__file__).parent / "cases.yaml"
SUITES = ("bookworm", "trixie")
SECONDS = 1200
# What refuses to be root is run as nobody where the tests are root's.
_START = """chmod 1777 /srv; cd /srv
as_user() {
  if [ "$(id -u)" = 0 ]; then setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; else "$@"; fi
}
"""


@dataclass(frozen=True)
class Case:
    """One case in one suite; `terminal` is a command that is typed at, where `run` is empty."""

    suite: str
    names: tuple[str, ...]
    run: str
    shows: str
    terminal: str = ""
    keys: str = ""

    @property
    def title(self) -> str:
        """What it is called in tables."""
        return f"{self.suite}: {' '.join(self.names)}"


@dataclass(frozen=True)
class Result:
    """Whether a case passed, what it printed at its end, seconds for the lock and venv, whether scripts ran."""

    passed: bool
    said: str
    seconds: float
    scripts: bool


def load(suites: Sequence[str] = SUITES, words: Sequence[str] = ()) -> list[Case]:
    """The cases of these suites; with `words` those that name one of them as a package."""
    found = []
    for item in yaml.safe_load(CASES.read_text(encoding="utf-8")):
        for suite in item.get("suites", SUITES):
            if suite in suites and (not words or set(words) & set(item["names"])):
                names = tuple(item["names"])
                texts = (item.get("run", ""), item["shows"], item.get("terminal", ""), item.get("keys", ""))
                found.append(Case(suite, names, *texts))
    return found


def run(case: Case, directory: str, environment: dict[str, str]) -> Result:
    """Lock the packages of a case in the new directory `directory`, and run its command in their venv."""
    os.makedirs(directory)
    environment = {**environment, "HOME": directory, "TERM": "xterm-256color"}
    manifest = {
        "packages": [*case.names],
        "mounts": [directory, {"type": "tmpfs", "target": "/run"}, {"type": "tmpfs", "target": "/srv"}],
        "network": False,
    }
    Path(directory, "magpkg.json").write_text(json.dumps(manifest), encoding="utf-8")
    program = [sys.executable, "-m", "magpkg"]
    begun = time.monotonic()
    for words in (["lock", "-q", "--suite", case.suite], ["venv", "--", "true"]):
        done = _call([*program, *words], directory, environment)
        if done.returncode != 0:
            return Result(False, done.stdout, time.monotonic() - begun, False)
    seconds = time.monotonic() - begun
    note = _call([*program, "venv", "--", "cat", "/var/lib/magpkg/configuration.json"], directory, environment)
    scripts = bool(json.loads(note.stdout)["scripts"])
    if case.terminal:
        passed, said = _typed(case, [*program, "venv", "--", *_shell(case.terminal)], directory, environment)
    else:
        said = _call([*program, "venv", "--", *_shell(_START + case.run)], directory, environment).stdout
        passed = re.search(case.shows, said, re.M) is not None
    return Result(passed, said, seconds, scripts)


def _shell(text: str) -> list[str]:
    return ["bash", "-c", text]


def _call(words: Sequence[str], directory: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=SECONDS,
        check=False,
    )


def _typed(case: Case, words: Sequence[str], directory: str, environment: dict[str, str]) -> tuple[bool, str]:
    terminal = Terminal(words, environment, directory)
    try:
        said = terminal.expect(case.shows, 60)
        terminal.type(case.keys)
        return terminal.wait() == 0 and "WARNING" not in said, said
    except AssertionError as error:
        return False, str(error)
    finally:
        terminal.close()
