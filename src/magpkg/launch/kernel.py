"""Calls of the kernel that Python has no word for, and the end of a process by a signal.

Part of every launch. `_ctypes` is what `ctypes` is built on: the package around it takes four times as long to import.
"""

import posix
from _ctypes import call_function, dlopen, dlsym

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_KEYCTL_JOIN_SESSION_KEYRING = 1
# How keyctl(2) is numbered: asm/unistd.h of each machine.
_KEYCTL = {"x86_64": 250, "aarch64": 219, "riscv64": 219, "loongarch64": 219, "ppc64le": 271, "s390x": 280}

_library = dlopen(None, 0)  # type: ignore[arg-type]  # the program itself, dlopen(3)


def become_subreaper() -> bool:
    """Become the parent of descendants whose own parent ends, prctl(2); whether that was possible."""
    return _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def leave_session_keyring() -> None:
    """Put an empty session keyring in the place of the user's, for this process and all that it starts, keyctl(2).

    A kernel without keys, or a filter that refuses the call, leaves nothing to be protected or no way to it.
    """
    number = _KEYCTL.get(posix.uname().machine)
    if number is not None:
        _call("syscall", number, _KEYCTL_JOIN_SESSION_KEYRING, None)


def end_like(status: int) -> None:
    """End this process as a command ended: with its exit status, or by the signal n where `status` is -n.

    Whoever waits can then tell a command that a signal ended from one that returned 128+n: a shell's loop stops at
    Ctrl-C only for the former. The core, if the signal makes one, was the command's to leave, so this process leaves
    none (PR_SET_DUMPABLE; a limit of 0 does not hold for a core that is piped to a program, core(5)).
    """
    if status < 0:
        _call("prctl", _PR_SET_DUMPABLE, 0, 0, 0, 0)
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (-status,))
        posix.kill(posix.getpid(), -status)
        status = 128 - status  # still here: a container's first process, to which the kernel sends no such signal
    posix._exit(status)


def _call(name: str, *arguments: int | None) -> int:
    result: int = call_function(dlsym(_library, name), arguments)
    return result
