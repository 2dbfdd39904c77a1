"""Owners: whose files may decide what runs where nobody has named them, and which directories a user has allowed.

As git has it for repositories (safe.directory) and OpenSSH for keys (StrictModes): what is merely found on the way up
from the working directory must be the user's or root's, and nobody else's to change.
"""

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError

_ROOT = 0
_LINKS_MAX = 40  # as the kernel has it
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def setting_path(environment: Mapping[str, str], name: str) -> str | None:
    """The file with the user's setting of this name, a list of lines.

    It is configuration of the user's (XDG Base Directory Specification), not of the store, which may be another's.
    None where the environment has no place for it.
    """
    base = environment.get("XDG_CONFIG_HOME", "")
    home = environment.get("HOME", "")
    if not os.path.isabs(base):  # the specification: a relative one is to be ignored
        base = os.path.join(home, ".config") if os.path.isabs(home) else ""
    return f"{base}/magpkg/{name}" if base else None


def read_setting(path: str | None, uid: int) -> tuple[str, ...]:
    """The lines of the setting at `path`; none where it is not the user's own, or others could have written it."""
    if path is None:
        return ()
    with suppress(OSError):
        if Owners(frozenset((_ROOT, uid)), None).problem(path) is None:
            with open(path, "rb", opener=_without_waiting) as file:
                text = os.fsdecode(file.read()) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else ""
            return tuple(line for line in text.split("\n") if line)
    return ()


ALLOWED = "allowed"
"""The setting that names the directories whose files may decide, whoever owns them: one a line, without symlinks."""


@dataclass(frozen=True, slots=True)
class Owners:
    """The users whose files may decide: this one and root; `allowed` is the list of directories where anybody's may.

    With `modes` others must not be able to write them either.
    """

    uids: frozenset[int]
    allowed: str | None
    modes: bool = True

    def with_those_of(self, path: str) -> "Owners":
        """As these, and who owns the file at `path`, which was named, or its folder: they are trusted with that."""
        with suppress(OSError):
            named = {os.stat(path).st_uid, os.stat(os.path.dirname(os.path.abspath(path))).st_uid}
            return replace(self, uids=self.uids | named, modes=False)
        return self

    def check(self, path: str, project: str, consulted: Callable[[str], None] = lambda _: None) -> None:
        """Raise MagpkgError unless the file at `path` is such a user's, with each link to it and the folders of these.

        `project` is the directory that the error says how to allow. `consulted` is told of the list where the answer
        comes from that.
        """
        try:
            problem = self.problem(path)
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error
        if problem is not None and not self._is_allowed(path, consulted):
            hint = f"{_hint(project)}; or name the manifest, with -f"
            raise MagpkgError(f"{problem}. Nothing is used that was found there and not named", hint)

    def check_directory(self, path: str) -> None:
        """Raise MagpkgError for a directory that is not such a user's: what is made there would not be believed."""
        problem = self._problem_at(os.path.realpath(path), directory=True)
        if problem is not None and not self._is_allowed(path, lambda _: None):
            raise MagpkgError(f"{problem}. A manifest there would not be used", _hint(path))

    def _is_allowed(self, path: str, consulted: Callable[[str], None]) -> bool:
        if self.allowed is None:
            return False
        consulted(self.allowed)
        real = f"{os.path.realpath(path)}/"
        return any(real.startswith(f"{item.rstrip('/')}/") for item in read_setting(self.allowed, os.geteuid()))

    def problem(self, path: str) -> str | None:
        """What on the way to the file at `path` somebody else could have made, in words; None where there is nothing.

        Raises OSError where there is no such file.
        """
        for folder, entry in _way(path):
            for place, directory in ((folder, True), (entry, False)):
                said = self._problem_at(place, directory=directory)
                if said is not None:
                    return said
        return None

    def _problem_at(self, path: str, *, directory: bool) -> str | None:
        status = os.lstat(path)
        if status.st_uid not in self.uids:
            return f"{path}: belongs to {_user(status.st_uid)}, and you are {_user(os.geteuid())}"
        # Where a directory is sticky, such as /tmp, only the owner of a name can give it to something else.
        if stat.S_ISLNK(status.st_mode) or not self.modes or (directory and status.st_mode & stat.S_ISVTX):
            return None
        writers = _writers(status)
        return (
            f"{path}: can be written to by {writers}: its mode is {stat.S_IMODE(status.st_mode):04o}"
            if writers
            else None
        )


def _hint(directory: str) -> str:
    return f"if you trust everybody who can write there: magpkg allow {shlex.quote(os.path.realpath(directory))}"


def process_owners() -> Owners:
    """The users whose files this process may believe: root's, and its own.

    Not those of whoever called sudo: what root runs by them, root should name.
    """
    return Owners(frozenset((_ROOT, os.geteuid())), setting_path(os.environ, ALLOWED))


def _way(path: str) -> Iterator[tuple[str, str]]:
    """Each symlink on the way to the file at `path`, and the file, each with its folder."""
    at, rest, links = "/", os.path.abspath(path).split("/")[::-1], 0
    while rest:
        name = rest.pop()
        if name in ("", ".", ".."):
            at = os.path.dirname(at) if name == ".." else at
            continue
        entry = os.path.join(at, name)
        if not stat.S_ISLNK(os.lstat(entry).st_mode):
            at = entry
            continue
        yield at, entry
        links += 1
        if links > _LINKS_MAX:
            raise MagpkgError(f"{path}: leads through too many symlinks")
        target = os.readlink(entry)
        at = "/" if target.startswith("/") else at
        rest += target.split("/")[::-1]
    yield os.path.dirname(at), at


def _writers(status: os.stat_result) -> str:
    """Who beside its owner can write something, in words; empty where nobody can."""
    if status.st_mode & stat.S_IWOTH:
        return "everybody"
    if status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid):
        return f"group {_group(status.st_gid)}"
    return ""


def _is_private(gid: int, uid: int) -> bool:
    """Whether a group is one user's alone, as many distributions give everybody one, with a umask of 002."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return gid == uid
    with suppress(KeyError):
        name = pwd.getpwuid(uid).pw_name
        return group.gr_name == name and set(group.gr_mem) <= {name}
    return False


def _user(uid: int) -> str:
    import pwd

    with suppress(KeyError):
        return f"user {pwd.getpwuid(uid).pw_name}"
    return f"user {uid}"


def _group(gid: int) -> str:
    import grp

    with suppress(KeyError):
        return grp.getgrgid(gid).gr_name
    return str(gid)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
