"""Cached plans: what a launch came to, kept with everything that it was made from and used while all that is unchanged.

Part of every launch, so it imports next to nothing. A plan holds the values of envSet, since nothing but an evaluation
could give them again; it is for its owner's eyes alone (mode 0600), and none is kept of an evaluation that outside
arguments went into, which is how secrets come in.
"""

import posix

from magpkg import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from magpkg.launch.hostfiles import Answer

_FORMAT = "magpkg plan 4"
# A file that changed so shortly before it was read may change again within one tick of its file system's clock.
_SETTLED_NANOSECONDS = 50_000_000
# What of the host's environment a plan depends on, beside the variables that it names.
_VARIABLES = ("PWD", "HOME", "USER", "PATH", "TERM", "TZ")
_NOT_SET = "\n"  # which is not the same as empty: TZ says UTC then
_WRITABLE_BY_OTHERS = 0o022

TIED = "tied"
"""What a plan says of a command that is not to outlive its launcher."""

TRIED = "_MAGPKG_TRIED"
"""The variable that tells the long way what the short way has tried: the sum of bwrap's options and the command."""


class Plan:
    """A launch but for the command and the values of the environment; `checks` is what it was made from.

    The command is `tied` if it is not to outlive its launcher.
    """

    __slots__ = ("assigned", "bwrap", "checks", "directory", "keep", "options", "rootfs", "shell", "tied", "venv")

    def __init__(
        self,
        bwrap: str,
        venv: str,
        directory: str,
        shell: str,
        options: "Sequence[str]",
        keep: "Sequence[str]",
        assigned: "Sequence[tuple[str, str]]",
        checks: "Sequence[Sequence[str]]" = ((), (), (), ()),
        *,
        tied: bool = False,
    ) -> None:
        self.bwrap = bwrap
        self.venv = venv
        self.rootfs = f"{venv}/rootfs"
        self.directory = directory
        self.shell = shell
        self.options = options
        self.keep = keep
        self.assigned = assigned
        self.checks = checks
        self.tied = tied

    def holds(self, environment: "Mapping[str, str]") -> bool:
        """Whether everything that the plan was made from is unchanged."""
        from magpkg.launch.hostfiles import still_true  # by then bwrap has been started

        inputs, absent, variables, answers = self.checks
        try:
            if any(_is_there(missing) for missing in absent):
                return False
            if any(environment.get(name, "") != value for name, value in _pairs(variables)):
                return False
            if any(identity(name) != known for name, known in _pairs(inputs)):
                return False
            told: list[Answer] = [(answers[i], answers[i + 1], answers[i + 2]) for i in range(0, len(answers), 3)]
            return all(still_true(answer) for answer in told)
        except (OSError, ValueError, IndexError):  # gone or damaged: the long way makes it anew
            return False


def split_command(arguments: "Sequence[str]") -> tuple[list[str], list[str]]:
    """The arguments before the first `--` and those after it."""
    words = list(arguments)
    position = words.index("--") if "--" in words else len(words)
    return words[:position], words[position + 1 :]


def make_key(arguments: "Sequence[str]", environment: "Mapping[str, str]") -> list[str]:
    """What names a plan: the program, the working directory, the user, the environment that counts, the options given.

    Everything else that a drawing depends on is recorded in the plan.
    """
    variables = [environment.get(name, _NOT_SET) for name in _VARIABLES]
    package = __file__.rpartition("/")[0].rpartition("/")[0]
    return [_FORMAT, __version__, package, posix.getcwd(), _user(), *variables, *arguments]


def sum_of(texts: "Iterable[str]") -> str:
    """What tells lists of texts apart well enough where the lists are compared, or no harm is in a mistake."""
    text = "\0".join(texts).encode("utf-8", "surrogateescape")
    words = memoryview(text + bytes(-len(text) % 8)).cast("Q")
    return f"{sum(words) % 2**64:016x}"


def _user() -> str:
    """Who the kernel takes this process for: user, group, the other groups, umask."""
    umask = posix.umask(0o077)
    posix.umask(umask)
    numbers = (posix.getuid(), posix.getgid(), *posix.getgroups(), umask)
    return " ".join([str(number) for number in numbers])


def plan_path(store_root: str, key: "Sequence[str]") -> str:
    """Where the plan named `key` is kept. The key itself is compared on reading, so the name need only spread."""
    return f"{store_root}/eval/{sum_of(key)}"


def untold(plan: str) -> str:
    """The mark beside a plan that nobody was told yet what its manifest grants."""
    return f"{plan}.untold"


def identity(path: str) -> str:
    """What changes whenever the file at `path` does: an edit that keeps size and time still moves the ctime."""
    status = posix.stat(path)
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def load(path: str, key: "Sequence[str]") -> Plan | None:
    """The plan at `path`, if it is there, is named `key`, and nobody but this user can have written it.

    A plan is as powerful as this program: it says what is mounted, and what is run. So it, its directory and the store
    above are used only where they are the user's own and no one else's to write.
    """
    try:
        descriptor = posix.open(path, posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = posix.fstat(descriptor)
        folder = path.rpartition("/")[0]
        if not all(_is_own(place) for place in (status, posix.stat(folder), posix.stat(folder.rpartition("/")[0]))):
            return None
        content = b""
        while chunk := posix.read(descriptor, status.st_size + 1):
            content += chunk
        found, *checks, fixed, options, keep, assigned = _unpacked(content)
        bwrap, venv, directory, shell, tied = fixed
        if found != list(key) or len(checks) != 4:
            return None
        return Plan(bwrap, venv, directory, shell, options, keep, _pairs(assigned), checks, tied=tied == TIED)
    except (OSError, ValueError, IndexError):  # damaged: the long way makes it anew
        return None
    finally:
        posix.close(descriptor)


def _is_own(status: "posix.stat_result") -> bool:
    return status.st_uid == posix.geteuid() and not status.st_mode & _WRITABLE_BY_OTHERS


def _is_there(path: str) -> bool:
    try:
        posix.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def save(
    path: str,
    key: "Sequence[str]",
    plan: Plan,
    inputs: "Mapping[str, str]",
    absent: "Iterable[str]",
    variables: "Mapping[str, str]",
    answers: "Iterable[Answer]",
    now: int,
) -> None:
    """Keep a plan, unless one of its inputs was changed so shortly before `now` (nanoseconds) that its identity lags.

    `inputs` gives the identity of each file read, taken before it was read; `variables` what of the environment went
    into the mounts, empty where it was not set.
    """
    if any(now - int(known.split()[4]) < _SETTLED_NANOSECONDS for known in inputs.values()):
        return
    every = {**inputs, plan.bwrap: identity(plan.bwrap), plan.rootfs: identity(plan.rootfs)}
    sections = (
        key,
        [text for pair in every.items() for text in pair],
        list(absent),
        [text for pair in variables.items() for text in pair],
        [text for answer in answers for text in answer],
        [plan.bwrap, plan.venv, plan.directory, plan.shell, TIED if plan.tied else ""],
        plan.options,
        plan.keep,
        [text for pair in plan.assigned for text in pair],
    )
    import os

    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    partial = f"{path}.{os.getpid()}"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(_packed(sections))
    os.rename(partial, path)


def _packed(sections: "Iterable[Sequence[str]]") -> bytes:
    """Lists of texts without NUL as one: each list's length, then its items, everything ended by a NUL."""
    items = [text for section in sections for text in (str(len(section)), *section)]
    return "".join(f"{text}\0" for text in items).encode("utf-8", "surrogateescape")


def _unpacked(content: bytes) -> list[list[str]]:
    items = content.decode("utf-8", "surrogateescape").split("\0")
    if items.pop():
        raise ValueError("cut short")
    sections, position = [], 0
    while position < len(items):
        count = int(items[position])
        if count < 0:  # which would lead back to where this began, without end
            raise ValueError("no number of items")
        end = position + 1 + count
        sections.append(items[position + 1 : end])
        position = end
    if position != len(items):
        raise ValueError("cut short")
    return sections


def _pairs(items: "Sequence[str]") -> list[tuple[str, str]]:
    return [(items[i], items[i + 1]) for i in range(0, len(items), 2)]
