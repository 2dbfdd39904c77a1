"""A script in a sandbox, run to the end of all its processes, within the room that it has.

bwrap's monitor ends with the first process of the sandbox; what that has left behind, a daemon or one that ignores
every signal, is ended a moment later by the kernel. So this process becomes the parent of the sandbox's init, kills it,
and waits for it: the kernel lets an init end only after everything else in its pid namespace, pid_namespaces(7).
"""

import os
import re
import resource
import select
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from magpkg.errors import MagpkgError
from magpkg.launch.kernel import become_subreaper
from magpkg.making.bounds import BYTES_VARIABLE
from magpkg.making.room import Room

_TAIL_BYTES = 64 << 10
_TAIL_LINES = 30
_LINE_LENGTH = 500


def run(bwrap: str, options: Sequence[str], command: Sequence[str], room: Room, program: bytes = b"") -> int:
    """Run `command` in the sandbox of these options, which must have a pid namespace; its status as bwrap gives it.

    `program` is a filter of system calls, see sandbox/seccomp.

    What it says goes to the log of `room`. When this returns, or raises, no process of it is left. Raises MagpkgError
    where it takes more than `room` has, or where bwrap cannot be run.
    """
    become_subreaper()
    with _pipe() as (reports, told), _pipe() as (waits, gate), _pipe() as (filter_, filling):
        filling.write(program)
        filling.close()
        given = [told.fileno(), waits.fileno()]
        words = [bwrap, "--json-status-fd", str(given[0]), "--block-fd", str(given[1])]
        if program:
            given.append(filter_.fileno())
            words += ["--seccomp", str(given[2])]
        words += [*options, "--", *command]
        with _started(words, given, room.log) as monitor:
            told.close()
            waits.close()
            init = _init(reports.fileno())
            with _ended(monitor, init):
                if init is not None:
                    _bound(init, room.bounds.bytes)
                gate.close()  # now the command is started
                _wait(reports.fileno(), room)
                status = monitor.wait()
    if status == 128 + signal.SIGXFSZ:
        raise room.too_much(room.bounds.bytes, "bytes in one file", BYTES_VARIABLE)
    return status


def tail(log: str) -> str:
    """The last lines of a log, for people; what is too long of a line is left out."""
    with open(log, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read(_TAIL_BYTES).decode("utf-8", "replace").splitlines()
    shown = [line if len(line) <= _LINE_LENGTH else f"{line[:_LINE_LENGTH]}..." for line in lines[-_TAIL_LINES:]]
    return "\n".join(shown)


@contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A pipe, of which either end may be closed before."""
    reader, writer = os.pipe()
    with open(reader, "rb", 0) as output, open(writer, "wb", 0) as input_:
        yield output, input_


def _started(words: Sequence[str], inherited: Sequence[int], log: str) -> "subprocess.Popen[bytes]":
    try:
        with open(log, "wb") as output:
            return subprocess.Popen(  # noqa: S603 - running the user's build is what this is for
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={},
                umask=0o022,  # the package's modes, not those of whoever built it
                start_new_session=True,  # a terminal's Ctrl-C is for the parent to act on
                pass_fds=inherited,
            )
    except OSError as error:
        raise MagpkgError(f"{error.filename or words[0]}: {error.strerror}") from error


def _init(reports: int) -> int | None:
    """The first process of the sandbox, which waits at the gate; None where bwrap has failed before there was one."""
    said = b""
    while b"}" not in said:
        chunk = os.read(reports, 4096)
        if not chunk:
            return None
        said += chunk
    found = re.search(rb'"child-pid": *(\d+)', said)
    return int(found[1]) if found else None


@contextmanager
def _ended(monitor: "subprocess.Popen[bytes]", init: int | None) -> Iterator[None]:
    """Let nothing of the sandbox outlive the block."""
    try:
        yield
    finally:
        monitor.kill()
        monitor.wait()
        # It is this process's child now, unless the monitor has waited for it: its number stands for nobody else.
        if init is not None:
            with suppress(ChildProcessError):
                if os.waitpid(init, os.WNOHANG)[0] == 0:
                    os.kill(init, signal.SIGKILL)
                    os.waitpid(init, 0)


def _bound(process: int, most: int) -> None:
    """Let no file grow beyond so many bytes by this process and what it starts, RLIMIT_FSIZE of getrlimit(2)."""
    _, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, most))


def _wait(reports: int, room: Room) -> None:
    """Wait until the monitor ends, and look at the room now and then."""
    waiting = select.poll()
    waiting.register(reports, select.POLLIN)
    seconds = room.looked()
    while True:
        if not waiting.poll(seconds * 1000):
            seconds = room.looked()
        elif not os.read(reports, 4096):
            return
