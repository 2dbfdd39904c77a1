"""Trials: bwrap run with some options, to see whether this host lets it make such a sandbox."""

import os
import subprocess
from collections.abc import Sequence

_SECONDS = 30


def tried(bwrap: str, options: Sequence[str]) -> str | None:
    """What bwrap says where it cannot start a program, itself, in such a sandbox; None where it can."""
    try:
        done = run([bwrap, *options, "--", os.path.realpath(bwrap), "--version"])
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr


def run(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command that asks nothing and tells little, with no environment."""
    return subprocess.run(  # noqa: S603 - bwrap is what is tried
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={}, timeout=_SECONDS, check=False
    )
