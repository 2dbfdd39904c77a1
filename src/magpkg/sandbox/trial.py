"""Trials: bwrap run with some options, to see whether this host lets it make such a sandbox."""

import os
import subprocess
from collections.abc import Sequence

_SECONDS = 30


def tried(bwrap: str, options: Sequence[str], program: bytes = b"") -> str | None:
    """What bwrap says where it cannot start a program, itself, in such a sandbox; None where it can.

    A filter of system calls, if there is one, is on that program.
    """
    handed = os.memfd_create("filter")
    try:
        with open(handed, "wb", closefd=False) as file:
            file.write(program)
        os.lseek(handed, 0, os.SEEK_SET)
        filtered = ("--seccomp", str(handed)) if program else ()
        words = [bwrap, *options, *filtered, "--", os.path.realpath(bwrap), "--version"]
        done = run(words, (handed,) if program else ())
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    finally:
        os.close(handed)
    return None if done.returncode == 0 else done.stderr


def run(words: Sequence[str], given: Sequence[int] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a command that asks nothing and tells little, with no environment and these descriptors."""
    return subprocess.run(  # noqa: S603 - bwrap is what is tried
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={},
        timeout=_SECONDS,
        check=False,
        pass_fds=given,
    )
