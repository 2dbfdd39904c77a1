"""Installation: dpkg runs the maintainer scripts of the packages in a root, in a sandbox that lets them play root.

They have neither a network nor a terminal, nor any process or file but those of the root. User 0 in there is the user
who runs magpkg. What only a real root can do, such as giving a file to somebody else, is answered with success and not
done: a filter of system calls sees to that, as in Charliecloud's `--force=seccomp`.
"""

import os
import re
import signal
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from magpkg.errors import MagpkgError
from magpkg.making.bounds import SECONDS_VARIABLE, Bounds
from magpkg.making.dpkg import DATABASE, Record
from magpkg.making.room import Room
from magpkg.making.rootfs import Member
from magpkg.making.script import run
from magpkg.sandbox.privileges import cover, proc_covers
from magpkg.sandbox.seccomp import VENV, Rule, answer, assemble
from magpkg.store.tree import Tree

# fmt: off
PRETENDED = (
    "chown", "fchown", "lchown", "fchownat",
    "setuid", "setgid", "setreuid", "setregid", "setgroups", "setresuid", "setresgid", "setfsuid", "setfsgid", "capset",
    "mknod", "mknodat",
    "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat",
)
# fmt: on
"""The system calls that are answered with success and not made."""

_FLAGS = "--abort-after=1 --force-not-root --force-unsafe-io --force-depends --force-confold --force-confdef"
# Root reads what no mode lets anyone read, such as the shadow files of systemd-sysusers; who takes the tree must, too.
_OPEN_UP = (
    "find / -xdev '(' -path /proc -o -path /dev -o -path /run -o -path /tmp ')' -prune"
    " -o -type d ! -perm -700 -exec chmod u+rwx {} + -o -type f ! -perm -400 -exec chmod u+r {} +"
)
_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "TERM": "dumb",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "SOURCE_DATE_EPOCH": "315532800",
    "FORCE_SOURCE_DATE": "1",  # TeX's programs take the time from SOURCE_DATE_EPOCH only then
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "DEBCONF_NOWARNINGS": "yes",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_MOUNT_POINTS = ("dev", "proc", "run", "tmp")
_POLICY = "usr/sbin/policy-rc.d"  # invoke-rc.d(8): 101 forbids every action
# Programs whose work is left out of the tree, see chance, or is a service's: while scripts run they do nothing. A
# service that policy-rc.d forbids to stop is an error to some scripts.
_IDLE = re.compile(
    r"usr/bin/(py3compile|pypy3compile|mandb|fc-cache|gtk-update-icon-cache|gtk4-update-icon-cache)|usr/bin/deb-systemd-invoke"
    r"|usr/sbin/(update-icon-caches|invoke-rc\.d)"
)
_IDLE_PROGRAM = b"#!/bin/sh\nexit 0\n"
_IDLE_MODULE = b"""\
import enum
class PyCompileError(Exception): pass
class PycInvalidationMode(enum.Enum): TIMESTAMP, CHECKED_HASH, UNCHECKED_HASH = 1, 2, 3
def compile(*_, **__): return None
def main(): return 0
"""
_BEGUN = re.compile(rb"^(?:Setting up|Processing triggers for|Preparing) ([a-z0-9][a-z0-9+.-]*)", re.M)
_REFUSED = re.compile(r"^dpkg: error processing package ([^ :]+)", re.M)


class Failed(Exception):
    """Scripts that could not be run to their end: whose, if that is known, and what happened."""

    def __init__(self, package: str, what: str) -> None:
        super().__init__(what)
        self.package = package
        self.what = what


@dataclass(frozen=True, slots=True)
class Installation:
    """A root that may be written, with dpkg's database in it; the log to write; whose scripts are left out."""

    root: str
    log: str
    bwrap: str
    bounds: Bounds
    packages: Sequence[Record]
    skip: frozenset[str]

    def run(self, members: Sequence[Member]) -> None:
        """Run preinsts, postinsts and triggers. Raises Failed where one fails or does not end."""
        self._prepare()
        idle = self._idle()
        self._start(self._first_steps())
        self._divert(members)
        self._start(f"dpkg {_FLAGS} --configure -a && {_OPEN_UP}")
        self._forget(idle)

    def _prepare(self) -> None:
        for name in _MOUNT_POINTS:
            # Else bwrap would follow a link out of the root.
            if not stat.S_ISDIR(os.lstat(f"{self.root}/{name}").st_mode):
                raise MagpkgError(f"package configured: /{name} of the packages is no directory")
        with Tree(self.root, "package configured") as tree:
            for name in ("passwd", "group"):  # empty in every rootfs; base-passwd makes what is missing
                if os.path.getsize(f"{self.root}/etc/{name}") == 0:
                    tree.remove(f"etc/{name}")
            tree.write_file(_POLICY, 0o755, [b"#!/bin/sh\nexit 101\n"])
            for record in self.packages:
                if record.name in self.skip:
                    for script in ("preinst", "config", "postinst"):
                        tree.remove(f"{DATABASE}/info/{record.label}.{script}")

    def _idle(self) -> dict[str, tuple[int, bytes]]:
        """Put programs that do nothing in the place of those whose work is thrown away; what those were, by path."""
        found: dict[str, tuple[int, bytes]] = {}
        modules = [f"usr/lib/{name}/py_compile.py" for name in os.listdir(f"{self.root}/usr/lib")]
        programs = [f"usr/{kind}/{name}" for kind in ("bin", "sbin") for name in os.listdir(f"{self.root}/usr/{kind}")]
        with Tree(self.root, "package configured") as tree:
            for path in [*filter(_IDLE.fullmatch, programs), *modules]:
                status = os.lstat(f"{self.root}/{path}") if os.path.lexists(f"{self.root}/{path}") else None
                if status is not None and stat.S_ISREG(status.st_mode):
                    with open(f"{self.root}/{path}", "rb") as file:
                        found[path] = status.st_mode & 0o777, file.read()
                    tree.write_file(path, 0o755, [_IDLE_MODULE if path.endswith(".py") else _IDLE_PROGRAM])
        return found

    def _forget(self, idle: Mapping[str, tuple[int, bytes]]) -> None:
        with Tree(self.root, "package configured") as tree:
            tree.remove(_POLICY)
            for path, (mode, content) in idle.items():
                tree.write_file(path, mode, [content])
            for record in self.packages:
                for script in ("preinst", "config", "postinst"):
                    text = record.text(script) if record.name in self.skip else ""
                    if text:
                        content = text.encode("utf-8", "surrogateescape")
                        tree.write_file(f"{DATABASE}/info/{record.label}.{script}", 0o755, [content])

    def _first_steps(self) -> str:
        """The accounts that scripts take for granted, then what runs before a package is unpacked."""
        lines = ["set -e", "export DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= DPKG_MAINTSCRIPT_NAME=preinst"]
        if any(record.name == "base-passwd" for record in self.packages):
            lines.append(f"dpkg {_FLAGS} --configure base-passwd")
        for record in self.packages:
            if record.text("preinst") and record.name not in self.skip and record.name != "base-passwd":
                architecture = re.search(r"^Architecture: ([a-z0-9-]+)$", record.control, re.M)
                lines += [
                    f"echo 'Preparing {record.name}'",
                    f"DPKG_MAINTSCRIPT_PACKAGE='{record.name}' DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 "
                    f"DPKG_MAINTSCRIPT_ARCH='{architecture[1] if architecture else ''}' "
                    f"'/{DATABASE}/info/{record.label}.preinst' install",
                ]
        return "\n".join(lines)

    def _divert(self, members: Sequence[Member]) -> None:
        """Have the files of diverted paths where they would be had each package been unpacked after its preinst.

        dpkg-divert(1): a path of one package is moved aside for another, whose own file then has that path.
        """
        try:
            with open(f"{self.root}/{DATABASE}/diversions", encoding="utf-8") as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        trees = {record.name: record.tree for record in self.packages}
        with Tree(self.root, "package configured") as tree:
            for path, aside, package in zip(*(iter(lines),) * 3, strict=False):
                own = trees.get(package, "")
                others = [member.tree for member in members if member.tree != own]
                for place, sources in ((path, [own]), (aside, others)):
                    for source in sources:
                        found = f"{source}{path}"
                        inside = os.path.realpath(os.path.dirname(found)).startswith(f"{os.path.realpath(source)}/")
                        if source and inside and os.path.lexists(found):
                            tree.remove(place.lstrip("/"))
                            _adopt(tree, found, place.lstrip("/"))

    def _start(self, script: str) -> None:
        """Run a shell's script in the sandbox, within bounds."""
        program = assemble([*(Rule(call, answer(0)) for call in PRETENDED), *VENV], os.uname().machine)
        if not program:
            raise MagpkgError(
                f"package configured: no filter of system calls is known for {os.uname().machine}",
                "configure: false in the manifest leaves Debian's scripts out",
            )
        # Each part has a log of its own: what is shown of a failure is the end of the part that failed.
        room = _Progress("its scripts", (self.root,), self.log, self.bounds)
        try:
            status = run(self.bwrap, self._options(), ["/bin/sh", "-c", script], room, program)
        except MagpkgError as error:
            raise Failed(last_begun(self.log), error.message.removeprefix(f"{room.label}: ")) from None
        if status != 0:
            raise self._failure(status)

    def _options(self) -> list[str]:
        variables = [word for name, value in _ENVIRONMENT.items() for word in ("--setenv", name, value)]
        # fmt: off
        return [  # the paths are the sandbox's
            "--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--hostname", "localhost",
            "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--cap-add", "CAP_DAC_OVERRIDE",
            "--bind", self.root, "/", "--proc", "/proc", *cover("/proc", proc_covers()), "--dev", "/dev",
            "--tmpfs", "/run", "--tmpfs", "/tmp",  # noqa: S108
            "--clearenv", *variables, "--chdir", "/",
        ]
        # fmt: on

    def _failure(self, status: int) -> Failed:
        with open(self.log, encoding="utf-8", errors="replace") as file:
            refused = _REFUSED.findall(file.read())
        if refused:
            return Failed(refused[0], "a script failed; what it said is below")
        ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return Failed(last_begun(self.log), f"a script failed with {ended}; what it said is below")


def _adopt(tree: Tree, found: str, place: str) -> None:
    if os.path.islink(found):
        tree.make_symlink(place, os.readlink(found))
        return
    with open(found, "rb") as file:
        tree.write_file(place, os.stat(found).st_mode & 0o777, iter(lambda: file.read(1 << 20), b""))


@dataclass(frozen=True)
class _Progress(Room):
    """The room that scripts have, and the time: each package may take `bounds.seconds`."""

    begun: list[tuple[str, float]] = field(default_factory=list)
    """The package at work, and since when; one item, or none before the first look."""

    def looked(self) -> float:
        """See room.Room."""
        now = last_begun(self.log)
        if not self.begun or self.begun[0][0] != now:
            self.begun[:] = [(now, time.monotonic())]
        if time.monotonic() - self.begun[0][1] > self.bounds.seconds:
            seconds = f"{self.bounds.seconds} seconds ({SECONDS_VARIABLE})"
            raise Failed(now, f"its scripts did not end within {seconds}")
        return min(super().looked(), max(1.0, self.bounds.seconds / 10))


def last_begun(log: str) -> str:
    """The package whose scripts began last, as the log tells; empty where none has."""
    with open(log, "rb") as file:
        file.seek(max(0, os.path.getsize(log) - (1 << 16)))
        found = _BEGUN.findall(file.read())
    return found[-1].decode() if found else ""
