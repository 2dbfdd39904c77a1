"""The user: the lines of /etc/passwd and /etc/group by which programs inside know who they run as."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass

from magpkg.manifest.mount import Mount
from magpkg.store.store import Store

_NOBODY = 65534  # Debian policy 9.2.2; also what the kernel shows for ids that a user namespace does not map
_BREAKS_LINES = str.maketrans("", "", ":\n\0")


@dataclass(frozen=True, slots=True)
class User:
    """Who runs a command: numbers, name and home directory."""

    uid: int
    gid: int
    name: str
    home: str

    def passwd(self) -> str:
        """The lines of passwd(5) for this user, root and nobody."""
        lines = {
            _NOBODY: _passwd_line("nobody", _NOBODY, _NOBODY, "/nonexistent"),
            0: _passwd_line("root", 0, 0, "/root"),
        }
        lines[self.uid] = _passwd_line(self.name, self.uid, self.gid, self.home)
        return "".join(lines[uid] for uid in sorted(lines))

    def group(self) -> str:
        """The lines of group(5) for this user's group, root's and nobody's."""
        names = {0: "root", _NOBODY: "nogroup"}
        names.setdefault(self.gid, self.name)
        return "".join(f"{names[gid]}:x:{gid}:\n" for gid in sorted(names))


ROOT = User(0, 0, "root", "/root")
"""The only one whom a root has that nobody has entered yet."""


def current_user(environment: Mapping[str, str]) -> User:
    """The user of this process: as the host knows it, else as USER says; the home is the environment's."""
    import pwd

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = environment.get("USER") or f"user{uid}"
    return User(uid, os.getgid(), name.translate(_BREAKS_LINES), environment.get("HOME", "/").translate(_BREAKS_LINES))


def user_mounts(user: User, store: Store, rootfs: str) -> list[Mount]:
    """The mounts that show the user in a rootfs, whose packages brought no such lines; the files are the store's."""
    mounts = []
    for name, text in (("passwd", user.passwd()), ("group", user.group())):
        if _is_empty(f"{rootfs}/etc", f"{rootfs}/etc/{name}"):
            mounts.append(Mount("ro-bind", store.keep_text(name, text), f"/etc/{name}"))
    return mounts


def _is_empty(directory: str, path: str) -> bool:
    """Whether the file is the empty one that every rootfs begins with."""
    if not stat.S_ISDIR(os.lstat(directory).st_mode):
        return False  # a symlink of some package leads elsewhere
    status = os.lstat(path)
    return stat.S_ISREG(status.st_mode) and status.st_size == 0


def _passwd_line(name: str, uid: int, gid: int, home: str) -> str:
    return f"{name}:x:{uid}:{gid}:{name}:{home}:/bin/sh\n"
