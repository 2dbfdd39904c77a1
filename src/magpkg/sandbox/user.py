"""The user: the lines of /etc/passwd and /etc/group by which programs inside know who they run as."""

import os
import stat
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace

from magpkg.manifest.mount import Mount
from magpkg.sandbox.texts import Texts

NAME_FILES = ("/etc/passwd", "/etc/group")
"""Where the host has its names."""

_NOBODY = 65534  # Debian policy 9.2.2; also what the kernel shows for ids that a user namespace does not map
_BREAKS_LINES = str.maketrans("", "", ":,\n\0")
_UNNAMED = "user"


@dataclass(frozen=True, slots=True)
class User:
    """Who runs a command: numbers, name, home directory, shell, and the names of the groups that are known by one."""

    uid: int
    gid: int
    name: str
    home: str
    shell: str = "/bin/sh"
    groups: tuple[tuple[int, str], ...] = ()

    def passwd(self, known: str = "") -> str:
        """The lines of passwd(5): this user's, then those that are `known` already, and root's and nobody's.

        Programs take the first line that fits. No other line has this user's number or name.
        """
        own = _passwd_line(self.name, self.uid, self.gid, self.home, self.shell)
        others = [line for line in _lines(known) if not _has(line, self.name, self.uid)]
        for uid, name, home in ((0, "root", "/root"), (_NOBODY, "nobody", "/nonexistent")):
            if not any(_has(line, name, uid) for line in (own, *others)):
                others.append(_passwd_line(name, uid, uid, home, "/bin/sh"))
        return "".join((own, *others))

    def group(self, known: str = "") -> str:
        """The lines of group(5): those of this user's groups, then those that are `known` already, root's, nobody's."""
        names = dict(self.groups)
        names.setdefault(self.gid, "root" if self.gid == 0 else "nogroup" if self.gid == _NOBODY else self.name)
        own = [f"{name}:x:{gid}:{'' if gid == self.gid else self.name}\n" for gid, name in names.items()]
        others = [line for line in _lines(known) if not any(_has(line, name, gid) for gid, name in names.items())]
        for gid, name in ((0, "root"), (_NOBODY, "nogroup")):
            if not any(_has(line, name, gid) for line in (*own, *others)):
                others.append(f"{name}:x:{gid}:\n")
        return "".join((*own, *others))

    def unnamed(self) -> "User":
        """The same user without what the host calls him and his groups."""
        return replace(self, name="root" if self.uid == 0 else _UNNAMED, groups=())


ROOT = User(0, 0, "root", "/root")
"""The only one whom a root has that nobody has entered yet."""


def current_user(environment: Mapping[str, str], home: str, shell: str) -> User:
    """The user of this process: as the host knows it, else as USER says, with this home and shell inside."""
    import pwd

    uid, gid = os.getuid(), os.getgid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = environment.get("USER") or f"user{uid}"
    groups = tuple(_named_groups([gid, *(other for other in os.getgroups() if other != gid)]))
    return User(uid, gid, _plain(name) or _UNNAMED, _plain(home), _plain(shell), groups)


def _named_groups(numbers: Iterable[int]) -> Iterable[tuple[int, str]]:
    import grp

    for number in numbers:
        try:
            yield number, _plain(grp.getgrgid(number).gr_name)
        except KeyError:
            continue


def user_mounts(user: User, texts: Texts, rootfs: str, told: Container[str] = ()) -> list[Mount]:
    """The mounts that show the user in a rootfs, beside whomever its packages know.

    Those of NAME_FILES that are `told` by the manifest are left as they are.
    """
    mounts = []
    for name, lines in (("passwd", user.passwd), ("group", user.group)):
        known = _text(f"{rootfs}/etc", f"{rootfs}/etc/{name}")
        if known is not None and f"/etc/{name}" not in told:
            mounts.append(Mount("ro-bind", texts.source(name, lines(known)), f"/etc/{name}"))
    return mounts


def _text(directory: str, path: str) -> str | None:
    """What is in a file of the rootfs; None where a symlink of some package leads elsewhere."""
    if not stat.S_ISDIR(os.lstat(directory).st_mode) or not stat.S_ISREG(os.lstat(path).st_mode):
        return None
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n") if line]


def _has(line: str, name: str, number: int) -> bool:
    """Whether a line of either file has this name, or this number."""
    fields = line.split(":")
    return fields[0] == name or fields[2:3] == [str(number)]


def _passwd_line(name: str, uid: int, gid: int, home: str, shell: str) -> str:
    return f"{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n"


def _plain(text: str) -> str:
    return text.translate(_BREAKS_LINES)
