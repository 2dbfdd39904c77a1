"""Supervising: a sandbox that was drawn becomes a running command, which nobody can tell from one without a sandbox.

Only this folder starts the sandbox of a venv. bwrap's own monitor dies of Ctrl-C and SIGTERM and leaves the command
behind; it tells no death by a signal from an exit status of 128+n; and it does not stop when the command does. So this
process takes the monitor's place. It is a child subreaper, and ends the monitor while the command is not yet running:
bwrap has made the sandbox and waits at its --block-fd. From then on the command is a child of this process.

Who asks for a pid namespace gets bwrap's init with it, whose child the command is. --as-pid-1 would make the command
the init, which the kernel shields from every signal that it does not handle (pid_namespaces(7)): Ctrl-C would not end
it. So there the monitor stays, and reports the exit status, 128+n where a signal ended the command; it is taken for
that signal if it came by this process. When the command has ended, whatever is left in its namespace is ended too.

Part of every launch: `posix` and `_signal` are the modules that `os` and `signal` are made of, and these two would take
a fifth of an interpreter's start. bwrap's two lines of JSON are read without the json module.
"""

import posix

from magpkg.errors import CommandNotStarted, MagpkgError
from magpkg.launch.bwrap import ALL_SIGNALS, Waiting
from magpkg.launch.kernel import become_subreaper
from magpkg.launch.sentinel import Sentinel

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
else:
    import _signal as signal

_WATCH_SECONDS = 0.1
_SI_KERNEL = 128  # sigaction(2): sent by the kernel, as by a terminal to its whole foreground group
_STOPPING = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))
_STOP_SECONDS = 0.3
# <linux/sched.h>: set in a new process, cleared when it executes a program; the ninth field of /proc/PID/stat.
_PF_FORKNOEXEC = 0x40

_HINT = "--debug shows the whole command; magpkg doctor tries what this machine allows"


def run(bwrap: str, arguments: "Sequence[str]", command: "Sequence[str]", held: int, *, tied: bool = False) -> int:
    """Run `command` in the sandbox that `arguments` draw: its exit status, or -n where signal n ended it.

    The descriptor `held` has the venv's lock, which is kept for as long as anything of the command runs. The command
    does not outlive this process if it is `tied`, even where this one is killed. Raises CommandNotStarted where bwrap
    ended before the command ran.
    """
    waiting = Waiting(bwrap, command, arguments)
    waiting.tell(arguments)
    try:
        return supervise(waiting, command[0], held, tied=tied)
    finally:
        let_go(waiting)


def let_go(waiting: Waiting) -> None:
    """Let signals be for this process again; what has come before was the command's to act on."""
    while signal.sigtimedwait(ALL_SIGNALS, 0) is not None:
        pass
    signal.pthread_sigmask(signal.SIG_SETMASK, waiting.mask)


def supervise(waiting: Waiting, name: str, held: int, *, tied: bool = False) -> int:
    """Wait until the command of a bwrap that was told its arguments has ended; see `run`."""
    said = _first_report(waiting.reports)
    child = _reported(said, b'"child-pid":')
    if child is None:
        _, code = posix.waitpid(waiting.pid, 0)
        if posix.WIFSIGNALED(code):
            return -posix.WTERMSIG(code)  # before there was a command
        raise CommandNotStarted("bwrap could not make this sandbox; it says why above", _HINT)
    if not waiting.give_ids(child):
        posix.kill(child, signal.SIGKILL)
        posix.waitpid(waiting.pid, 0)
        raise CommandNotStarted("the kernel does not map the ids of root's sandbox any more", _HINT)
    if not become_subreaper():
        posix.kill(child, signal.SIGKILL)
        raise MagpkgError("cannot supervise the sandbox: prctl refuses PR_SET_CHILD_SUBREAPER")
    sentinel = Sentinel(waiting.life, held, child if tied else None)
    try:
        if b'"pid-namespace"' in said:
            supervisor: _Supervisor = _OfNamespace(sentinel, child, waiting)
        elif _monitor_ended(waiting, child):
            supervisor = _Supervisor(sentinel, child)
        else:
            supervisor = _OfMonitor(sentinel, child, waiting)
        _open_gate(waiting)
        status = supervisor.waited()
    finally:
        sentinel.dismiss()
    if status is None:
        raise not_started(name)
    return status


def not_started(name: str) -> CommandNotStarted:
    """The error for a command that bwrap could not start, of which it has told on standard error."""
    return CommandNotStarted(f"bwrap could not start {name}; it says why above", _HINT)


class _Supervisor:
    """Waits for the command, this process's own child, and passes on what comes for it."""

    def __init__(self, sentinel: Sentinel, command: int) -> None:
        self._sentinel = sentinel
        self._command = command
        self._told: set[int] = set()  # sent to the group, and not yet taken by this process

    def waited(self) -> int | None:
        """The command's status; None where bwrap failed before it became the command."""
        while True:
            try:
                ended = posix.waitid(posix.P_ALL, 0, posix.WEXITED | posix.WSTOPPED | posix.WNOHANG | posix.WNOWAIT)
            except ChildProcessError:
                return None  # bwrap had failed before its monitor was ended, which has waited for it
            if ended is None:
                self._next_signal()
            elif ended.si_code == posix.CLD_STOPPED:
                posix.waitid(posix.P_PID, ended.si_pid, posix.WSTOPPED | posix.WNOHANG)
                self._stopped(ended.si_pid, ended.si_status)
            elif ended.si_pid == self._command:
                status = _status(self._command)
                posix.waitpid(self._command, 0)
                return status
            else:
                _, code = posix.waitpid(ended.si_pid, 0)  # what the command left behind, or a sentinel
                if self._is_over(ended.si_pid, code):
                    return self._reported_status()

    def _is_over(self, pid: int, code: int) -> bool:
        """Whether the end of another child with this wait status is the command's."""
        return False

    def _reported_status(self) -> int | None:
        return None

    def _target(self) -> int:
        """Which process signals are for."""
        return self._command

    def _next_signal(self) -> None:
        self._pass_on(signal.sigwaitinfo(ALL_SIGNALS))

    def _pass_on(self, first: "signal.struct_siginfo") -> None:
        """Pass on a signal that came, and those that came with it, unless the command has had them."""
        if _is_of_child(first):
            return
        came, of_group = self._with_others(first)
        numbers = [info.si_signo for info in came if not _is_of_child(info)]
        target = self._target()
        had = of_group if _shares_group(target) else set()
        for number in numbers:
            if number not in had:
                _send(target, number)
        self._noticed(numbers)

    def _with_others(self, first: "signal.struct_siginfo") -> "tuple[list[signal.struct_siginfo], set[int]]":
        """What has come by now, `first` among it, and which of it the group got."""
        came, of_group, self._told = [first], self._told, set()
        while True:
            told = self._sentinel.group_signals()
            while (info := signal.sigtimedwait(ALL_SIGNALS, 0)) is not None:
                came.append(info)
            if told is None:
                return came, of_group | {info.si_signo for info in came if info.si_code == _SI_KERNEL}
            of_group |= told
            if self._sentinel.is_fresh():
                break
        # SIGCONT and the stops take each other back, signal(7), maybe before it could be seen that the group had them.
        if signal.SIGCONT in of_group:
            of_group |= _STOPPING
        elif of_group & _STOPPING:
            of_group.add(signal.SIGCONT)
        return came, of_group

    def _noticed(self, numbers: "Sequence[int]") -> None:
        """These signals came; the command has each of them by now."""

    def _stopped(self, pid: int, number: int) -> None:
        """A child has stopped, by this signal: with the command this process stops, and goes on with it."""
        if pid == self._command:
            self._stop_with(pid, number)

    def _stop_with(self, pid: int, number: int) -> None:
        """Stop this process as the process `pid` is stopped, unless that goes on meanwhile.

        SIGCONT takes a pending stop back, signal(7). So the stop is made pending first; then a signal to the group that
        is under way is waited for; and if the command is still stopped after that, the stop is let through.
        """
        if number not in _STOPPING:
            number = signal.SIGTSTP if _is_job() else signal.SIGSTOP
        if number == signal.SIGSTOP:
            posix.kill(posix.getpid(), number)
            return
        signal.signal(number, signal.SIG_DFL)
        posix.kill(posix.getpid(), number)
        self._told |= self._sentinel.group_signals() or set()
        if _is_stopped(pid):
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (number,))
            signal.pthread_sigmask(signal.SIG_BLOCK, (number,))
        else:
            signal.sigtimedwait((number,), 0)


class _OfMonitor(_Supervisor):
    """Waits for bwrap's monitor, which waits for the command: that of a setuid bwrap cannot be looked at, nor ended."""

    def __init__(self, sentinel: Sentinel, child: int, waiting: Waiting) -> None:
        super().__init__(sentinel, child)
        self._monitor = waiting.pid
        self._reports = waiting.reports
        self._alone = False  # the monitor was ended by a signal, and the child is this process's now
        self._status: int | None = None
        self._came: set[int] = set()

    def _is_over(self, pid: int, code: int) -> bool:
        if pid != self._monitor:
            return False
        said = b""
        while chunk := posix.read(self._reports, 4096):
            said += chunk
        # The exit status is reported only where the command was really started.
        self._status = _reported(said, b'"exit-code":')
        self._alone = self._status is None and posix.WIFSIGNALED(code)
        return not self._alone

    def _reported_status(self) -> int | None:
        status = self._status
        return status if status is None or status - 128 not in self._came else 128 - status

    def _noticed(self, numbers: "Sequence[int]") -> None:
        self._came.update(numbers)

    def _stopped(self, pid: int, number: int) -> None:
        if self._alone:
            super()._stopped(pid, number)
        elif pid == self._monitor:
            # Nobody tells whether the command stops as well. A moment is waited for it.
            _send(self._monitor, signal.SIGCONT)
            target = self._target()
            for _ in range(int(_STOP_SECONDS / 0.01)):
                if _is_stopped(target):
                    self._stop_with(target, number)
                    return
                signal.sigtimedwait((), 0.01)


class _OfNamespace(_OfMonitor):
    """Waits for the child of bwrap's init in a pid namespace."""

    def _target(self) -> int:
        return _child_of_init(self._command)

    def _reported_status(self) -> int | None:
        if self._status is not None:
            _send(self._command, signal.SIGKILL)
            try:
                posix.waitpid(self._command, 0)
            except ChildProcessError:
                return super()._reported_status()
        return super()._reported_status()

    def waited(self) -> int | None:
        """See above: of an init the status is its command's, too."""
        status = super().waited()
        return status if status is None or not self._alone or status - 128 not in self._came else 128 - status

    def _next_signal(self) -> None:
        if not self._alone:
            super()._next_signal()
            return
        # Nobody else tells when the command has ended: the init ends only after everything else there has.
        info = signal.sigtimedwait(ALL_SIGNALS, _WATCH_SECONDS)
        if info is not None:
            self._pass_on(info)
            return
        children = _children(self._command)
        if not any(_is_command(pid) for pid in children):
            for pid in children:
                _send(pid, signal.SIGKILL)


def _is_of_child(info: "signal.struct_siginfo") -> bool:
    """Whether this is what the kernel tells of a child, sigaction(2)."""
    return info.si_signo == signal.SIGCHLD and info.si_code > 0


def _open_gate(waiting: Waiting) -> None:
    try:
        posix.write(waiting.gate, b"x")
    except BrokenPipeError:
        return  # bwrap has failed
    finally:
        posix.close(waiting.gate)


def _monitor_ended(waiting: Waiting, child: int) -> bool:
    """End bwrap's monitor as soon as the sandbox needs it no more; False where that cannot be seen.

    It has reported the child, lets it run, and then closes what it has no use for, such as the end of the pipe that the
    command inherits. A bwrap that is a script of the user's may not be the monitor.
    """
    if _read(f"/proc/{child}/stat").rpartition(b") ")[2].split()[1:2] != [b"%d" % waiting.pid]:
        return False
    life = f"/proc/{waiting.pid}/fd/{waiting.life_number}"
    while True:
        try:
            posix.lstat(life)
        except FileNotFoundError:
            break
        except OSError:
            return False
        posix.sched_yield()
    _send(waiting.pid, signal.SIGKILL)
    posix.waitpid(waiting.pid, 0)
    return True


def _status(pid: int) -> int | None:
    """The status of a child that has ended and was not waited for; None where it was bwrap to its end."""
    ended = posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOWAIT)
    if ended is None or ended.si_code != posix.CLD_EXITED:
        return -ended.si_status if ended is not None else None
    if ended.si_status == 1:  # bwrap's own for any failure
        fields = _read(f"/proc/{pid}/stat").rpartition(b") ")[2].split()
        if len(fields) > 6 and int(fields[6]) & _PF_FORKNOEXEC:
            return None
    return ended.si_status


def _first_report(reports: int) -> bytes:
    """All of bwrap's first report, which it writes piece by piece; what there is of it where bwrap fails before."""
    said = b""
    while b"}" not in said:
        chunk = posix.read(reports, 4096)
        if not chunk:
            break
        said += chunk
    return said


def _reported(reports: bytes, field: bytes) -> int | None:
    """A number among bwrap's reports, lines such as `{ "child-pid": 42, ... }`; None where it is not there."""
    _, found, rest = reports.partition(field)
    if not found:
        return None
    digits = rest.lstrip(b" ")
    end = next((index for index, byte in enumerate(digits) if not 48 <= byte <= 57), len(digits))
    return int(digits[:end])


def _shares_group(pid: int) -> bool:
    """Whether what was sent to this process's group has reached the process `pid`."""
    try:
        return posix.getpgid(pid) == posix.getpgrp()
    except ProcessLookupError:
        return True


def _is_job() -> bool:
    """Whether a shell may continue this process's group; elsewhere the kernel lets nothing but SIGSTOP stop it."""
    parent = posix.getppid()
    try:
        return posix.getsid(parent) == posix.getsid(0) and posix.getpgid(parent) != posix.getpgrp()
    except OSError:
        return False


def _send(pid: int, number: int) -> None:
    try:
        posix.kill(pid, number)
    except OSError:
        return  # it has ended, or has become another user's


def _child_of_init(init: int) -> int:
    """The command that bwrap's init starts; waits until it has. The init itself where it never will."""
    # A kernel without CONFIG_PROC_CHILDREN has no such file.
    while posix.access(f"/proc/{init}/task/{init}/children", posix.R_OK):
        children = _children(init)
        found = next((pid for pid in children if _is_command(pid)), None)
        if found is not None or children or _state(init) in (b"", b"Z", b"X"):
            return init if found is None else found
        signal.sigtimedwait((), 0.001)
    return init


def _is_command(pid: int) -> bool:
    """Whether this child of an init is the first process that it started: number 2 of its namespace."""
    numbers = _read(f"/proc/{pid}/status").partition(b"NSpid:")[2].split(b"\n")[0].split()
    return numbers[1:2] == [b"2"]


def _children(pid: int) -> list[int]:
    return [int(word) for word in _read(f"/proc/{pid}/task/{pid}/children").split()]


def _is_stopped(pid: int) -> bool:
    return _state(pid) == b"T"


def _state(pid: int) -> bytes:
    return _read(f"/proc/{pid}/stat").rpartition(b") ")[2][:1]


def _read(path: str) -> bytes:
    """A file of proc(5); nothing where the process is gone."""
    content = b""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        while chunk := posix.read(descriptor, 65536):
            content += chunk
        posix.close(descriptor)
    except OSError:
        return b""
    return content
