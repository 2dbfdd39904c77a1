"""The shared lock of what runs; that of what is made or removed is taken by the store.

Part of every launch, so it imports next to nothing.
"""

import fcntl
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HELD_DESCRIPTOR = 200  # out of the way of the descriptors that scripts choose


def hold(path: str, waiting: "Callable[[], None]" = lambda: None) -> int | None:
    """Take the shared lock of a published path and stamp its use; None where nothing is published there.

    The descriptor returned carries the lock: whoever inherits it keeps the path from cleanup, flock(2). Waits while
    the path is being made or removed, having called `waiting`, and looks again afterwards.
    """
    while True:
        try:
            opened = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        descriptor = fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, _HELD_DESCRIPTOR)
        os.close(opened)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        linked = os.fstat(descriptor).st_nlink
        if linked and os.path.isdir(path):
            stamp(descriptor)
            return descriptor
        os.close(descriptor)
        if linked:
            return None


def glance(path: str) -> int | None:
    """Take the shared lock of a published path without a stamp; None where nothing is there.

    Raises BlockingIOError while the path is being made or removed: it never waits.
    """
    try:
        descriptor = os.open(f"{path}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink and os.path.lexists(path):
            return descriptor
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def stamp(descriptor: int) -> None:
    """Note that what a held descriptor stands for is used now.

    A store that cannot be written to needs no stamp: nothing can be cleaned from it.
    """
    try:
        os.utime(descriptor)
    except OSError:
        return


def try_lock(descriptor: int) -> bool:
    """Take the exclusive lock of an open file if nobody holds one now; whether it was had."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
