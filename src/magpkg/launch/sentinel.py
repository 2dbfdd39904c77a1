"""A child that tells whether a signal was sent to the whole process group, and that keeps the venv locked.

A signal that the group got has reached the command too, and must not be passed on to it. Nothing in a signal says so.
So a child of this process stands in the same group with all signals blocked: what is pending in it, proc(5), has been
sent to the group. kill(2) goes through a group under the kernel's lock on the list of processes, and fork(2) waits for
that lock. So once a new child was made, the old one has all that this process has got of the same call.

The child has the venv's shared lock, and waits until nobody has the other end of a pipe that the command inherits. So
the lock outlasts magpkg, even one that was killed, for as long as there is anything that the command started; and what
the command inherits is a pipe, by which nothing can be locked, changed or reached.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal


class Sentinel:
    """The child, renewed whenever it was asked."""

    __slots__ = ("_held", "_leash", "_life", "_pid", "_tied")

    def __init__(self, life: int, held: int, tied: int | None) -> None:
        """`life` is the pipe's end to read from, `held` has the lock; the process `tied` is not to outlive this one."""
        self._life = life
        self._held = held
        self._tied = tied
        self._leash = posix.pipe() if tied is not None else None
        self._pid = self._made()

    def group_signals(self) -> set[int] | None:
        """The signals that the group got since this was last asked; None where no child can be made to tell."""
        if self._pid is None:
            return None
        old, self._pid = self._pid, self._made()
        pending = _pending(old)
        _end(old)
        return pending

    def is_fresh(self) -> bool:
        """Whether the group got no signal since."""
        return self._pid is None or not _pending(self._pid)

    def dismiss(self) -> None:
        """The command has ended. What it has left running keeps the child, and so the lock."""
        if self._pid is not None and not self._has_writers():
            _end(self._pid)

    def _has_writers(self) -> bool:
        # Opened anew, since the flag would be the child's too.
        number = posix.open(f"/proc/self/fd/{self._life}", posix.O_RDONLY | posix.O_NONBLOCK | posix.O_CLOEXEC)
        try:
            return posix.read(number, 65536) != b""
        except BlockingIOError:
            return True
        finally:
            posix.close(number)

    def _made(self) -> int | None:
        try:
            pid = posix.fork()
        except OSError:
            return None  # RLIMIT_NPROC
        if pid == 0:
            try:
                self._watch()
            finally:
                posix._exit(0)
        return pid

    def _watch(self) -> None:
        """What the child does: nothing, and it is in nobody's way: no pipe, terminal or mount is kept open by it."""
        posix.chdir("/")
        kept = [self._life, self._held]
        if self._leash is not None and self._tied is not None:
            process = posix.pidfd_open(self._tied)
            kept += [self._leash[0], process]
        for name in posix.listdir("/proc/self/fd"):
            if int(name) not in kept:
                try:
                    posix.close(int(name))
                except OSError:
                    continue  # that of the listing itself
        if self._leash is not None:
            posix.read(self._leash[0], 1)
            try:
                signal.pidfd_send_signal(process, signal.SIGKILL)
            except ProcessLookupError:
                posix.close(process)
        while posix.read(self._life, 65536):
            pass


def _pending(pid: int) -> set[int]:
    descriptor = posix.open(f"/proc/{pid}/status", posix.O_RDONLY | posix.O_CLOEXEC)
    text = posix.read(descriptor, 65536)
    posix.close(descriptor)
    bits = int(text.partition(b"\nShdPnd:")[2].split(None, 1)[0], 16)
    return {number for number in range(1, 65) if bits >> number - 1 & 1}


def _end(pid: int) -> None:
    try:
        posix.kill(pid, signal.SIGKILL)
        posix.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return
