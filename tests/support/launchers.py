"""The ways in which a command comes into a venv, for tests that hold them all to the same."""

import os
import pathlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.support.files import settle
from tests.support.process import Magpkg

SCRIPT = f"{os.path.dirname(sys.executable)}/magpkg"
"""The program as it is installed."""

KINDS = ("first", "warm", "shim")
"""The long way; the short way; the launcher of shims, without Python."""


@dataclass(frozen=True)
class Launcher:
    """One of the ways, prepared for a manifest in the project's directory and one command."""

    kind: str
    magpkg: Magpkg
    command: str

    def words(self, *arguments: str) -> list[str]:
        """The command line that runs the command with these arguments."""
        if self.kind == "shim":
            return [f"{self.magpkg.directory}/.magpkg/bin/{self.command}", *arguments]
        # A plan is kept for what comes before `--`; where that is missing, none is looked for.
        between = ["--"] if self.kind == "warm" else []
        return [SCRIPT, "venv", *between, self.command, *arguments]


def prepared(magpkg: Magpkg, kind: str, manifest: str, command: str, env: Mapping[str, str] | None = None) -> Launcher:
    """A launcher that takes the way that it is to take, for a caller with the variables `env` more than others."""
    path = pathlib.Path(magpkg.directory, "magpkg.jsonnet")
    path.write_text(manifest)
    settle(path.parent)
    launcher = Launcher(kind, magpkg, command)
    if kind == "shim":
        magpkg.call([SCRIPT, "shim", "-q", ".magpkg/bin", command], env=env).checked()
    else:
        magpkg.call([SCRIPT, "venv", "--", "true"], env=env)
    return launcher


Wrapper = Callable[[Sequence[str], str], list[str]]


def _made(words: Sequence[str], directory: str) -> list[str]:
    script = pathlib.Path(directory, "recipe")
    script.write_text(f"#!/bin/sh\nexec {shlex.join(words)}\n")
    script.chmod(0o755)
    pathlib.Path(directory, "Makefile").write_text("all:\n\t@./recipe\n")
    return ["make", "-j2", "-f", f"{directory}/Makefile"]


WRAPPERS: dict[str, Wrapper] = {
    "plain": lambda words, _: list(words),
    "nohup": lambda words, _: ["nohup", *words],
    "setsid": lambda words, _: ["setsid", "--wait", *words],
    "timeout": lambda words, _: ["timeout", "200", *words],
    "xargs": lambda words, _: ["sh", "-c", 'echo one | xargs -I@ "$@"', "sh", *words],
    "make": _made,
    "shell": lambda words, _: ["sh", "-c", '"$@"; exit $?', "sh", *words],
}
"""What people start programs by, each a function from words and a scratch directory to words."""
