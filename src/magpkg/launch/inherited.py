"""What a process is born with: what magpkg takes of it, what it sets right for itself, and what the command is given.

| inherited | magpkg | the command |
|---|---|---|
| descriptors 0 to 2 | a closed one, or a directory there, becomes /dev/null | the same |
| other descriptors | left alone | pipes, sockets, files and devices; no directory, which leads out of a sandbox |
| disposition of SIGCHLD | the default: else the kernel tells nobody that a child has ended | the default |
| SIGPIPE, SIGXFSZ | ignored by Python | the default |
| other dispositions | left alone | the same: nohup(1) holds inside |
| blocked signals | all are blocked while a command runs | the same as inherited |
| umask, limits, priorities | left alone; files of the store have modes of their own | the same |
| session keyring | left for an empty one when a command starts | the empty one: keys of the user stay outside |
| encoding | UTF-8, whatever the locale: a manifest stands for the same bytes everywhere | its own affair |
| variables of Python and Perl | do not change what magpkg runs | as envKeep says |
| PWD | believed where it names the working directory by a path of files | as inside |
| other variables | see `environment` | see `environment` |

Part of every launch, so it imports next to nothing.
"""

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

_COERCED = (b"C.UTF-8", b"C.utf8", b"UTF-8")
# stat(2), <linux/stat.h>: the module `stat` would be one more to import.
_KIND, _FIFO, _DEVICE, _FILE, _SOCKET = 0o170000, 0o010000, 0o020000, 0o100000, 0o140000


def set_right() -> bool:
    """What every command of magpkg counts on, however it was started; whether a standard descriptor was closed.

    Where one was, this process has it open now, but Python began without it.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    closed = False
    for number in range(3):
        try:
            posix.fstat(number)
        except OSError:
            # The lowest free number is taken. No file that is opened later can then be mistaken for standard output.
            posix.set_inheritable(posix.open("/dev/null", posix.O_RDWR), True)
            closed = True
    _take_back_locale()
    return closed


def _take_back_locale() -> None:
    """Forget the LC_CTYPE that Python itself sets where nothing names a locale (PEP 538): the user's is none."""
    if posix.environ.get(b"LC_CTYPE") not in _COERCED or b"LC_ALL" in posix.environ:
        return
    with open("/proc/self/environ", "rb") as file:  # as the process began
        if any(variable.startswith(b"LC_CTYPE=") for variable in file.read().split(b"\0")):
            return
    posix.unsetenv(b"LC_CTYPE")
    del posix.environ[b"LC_CTYPE"]
    if "os" in sys.modules:
        sys.modules["os"].environ.pop("LC_CTYPE", None)


def host_environment() -> dict[str, str]:
    """The variables of this process as texts; what is no UTF-8 in them stays as it is (PEP 383)."""
    return {_text(name): _text(value) for name, value in posix.environ.items()}


def keep_from_command() -> None:
    """Have the command inherit no descriptor that is a way out of the sandbox.

    A directory is one: openat(2) with `..` goes up from it on the host's side. So is a namespace, setns(2), and a
    process, pidfd_open(2); these two are files, and nothing but their names in /proc tells.
    """
    for name in posix.listdir("/proc/self/fd"):
        number = int(name)
        try:
            kind = posix.fstat(number).st_mode & _KIND
            harmless = kind in (_FIFO, _SOCKET, _DEVICE) or (
                kind == _FILE and posix.readlink(f"/proc/self/fd/{name}").startswith("/")
            )
            if not harmless and number > 2:
                posix.set_inheritable(number, False)
            elif not harmless:
                null = posix.open("/dev/null", posix.O_RDWR)
                posix.dup2(null, number)
                posix.close(null)
        except OSError:
            continue  # that of the listing itself


def is_plain(directory: str) -> bool:
    """Whether a name for the working directory is one of files, which means the same to every process.

    /proc/self/cwd, /proc/self/fd/9 and /dev/fd/3 are links that lead each process elsewhere, proc(5).
    """
    return not f"{directory}/".startswith(("/proc/", "/dev/"))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
