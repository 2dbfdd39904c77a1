"""The shared lock of what runs; that of what is made or removed is taken by the store.

Part of every launch, so it imports next to nothing.
"""

import fcntl
import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def hold(path: str, waiting: "Callable[[], None]" = lambda: None) -> int | None:
    """Take the shared lock of a published path and stamp its use; None where nothing is published there.

    The descriptor returned carries the lock: while some process has it the path is kept from cleanup, flock(2). No
    command may inherit it, which could lock it exclusively or let go of it. Waits while the path is being made or
    removed, having called `waiting`, and looks again afterwards.
    """
    while True:
        try:
            descriptor = posix.open(f"{path}.lock", posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        linked = posix.fstat(descriptor).st_nlink
        if linked and posix.access(f"{path}/.", posix.F_OK):
            stamp(descriptor)
            return descriptor
        posix.close(descriptor)
        if linked:
            return None


def glance(path: str) -> int | None:
    """Take the shared lock of a published path without a stamp; None where nothing is there.

    Raises BlockingIOError while the path is being made or removed: it never waits.
    """
    try:
        descriptor = posix.open(f"{path}.lock", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if posix.fstat(descriptor).st_nlink and posix.access(path, posix.F_OK):
            return descriptor
    except BaseException:
        posix.close(descriptor)
        raise
    posix.close(descriptor)
    return None


def stamp(descriptor: int) -> None:
    """Note that what a held descriptor stands for is used now.

    A store that cannot be written to needs no stamp: nothing can be cleaned from it.
    """
    try:
        posix.utime(descriptor)
    except OSError:
        return


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file if nobody holds one now; whether it was had."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
