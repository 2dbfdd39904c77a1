"""Trials: bwrap run with some options, to see whether this host lets it make such a sandbox."""

import os
import re
import signal
import subprocess
from collections.abc import Sequence

from magpkg.launch.bwrap import map_ids

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
        done = run(_words(bwrap, (*options, *filtered)), (handed,) if program else ())
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    finally:
        os.close(handed)
    return None if done.returncode == 0 else done.stderr


def can_be_given_ids(bwrap: str, options: Sequence[str], users: str, groups: str) -> bool:
    """Whether a sandbox with a user namespace can be made in which these ids are mapped, see launch/bwrap."""
    reports, told = os.pipe()
    waits, gate = os.pipe()
    with open(reports, "rb", 0) as output, open(gate, "wb", 0) as opening:
        try:
            words = _words(bwrap, ("--info-fd", str(told), "--userns-block-fd", str(waits), *options))
            null = subprocess.DEVNULL
            process = subprocess.Popen(words, stdin=null, stdout=null, stderr=null, env={}, pass_fds=(told, waits))  # noqa: S603
        except OSError:
            return False
        finally:
            os.close(told)
            os.close(waits)
        with process:
            found = re.search(rb'"child-pid": *(\d+)', output.read())
            if found is not None and not map_ids(int(found[1]), users, groups):
                os.kill(int(found[1]), signal.SIGKILL)
            opening.close()
            return process.wait() == 0


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


def _words(bwrap: str, options: Sequence[str]) -> list[str]:
    return [bwrap, *options, "--", os.path.realpath(bwrap), "--version"]
