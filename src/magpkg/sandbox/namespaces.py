"""Namespaces: whether this host lets bwrap make them, found out by making them, and why not where it does not.

bwrap says which call failed, and the kernel gives a few error numbers for many reasons. So what is known of the host's
rules, of the container and of bwrap itself is laid beside what bwrap said.
"""

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from magpkg.store.finding import Finding, require

OLDEST = (0, 8)
"""The oldest bwrap that is enough, Debian 12's."""

_SECONDS = 30
_PLAIN = ("--cap-drop", "CAP_SYS_ADMIN", "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev")
_PROC = ("--unshare-pid", *_PLAIN, "--proc", "/proc")
_BUILD = ("--unshare-all", *_PLAIN)
_DENIED = ("Operation not permitted", "Permission denied", "No permissions")


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the host tells of its rules; `root` is where its files are looked for."""

    root: str = ""

    def setting(self, name: str) -> str:
        """The value of a sysctl(8) setting; empty where the kernel has no such one."""
        return self._read(f"/proc/sys/{name.replace('.', '/')}").strip()

    @property
    def container(self) -> str:
        """What runs the container that this is, by the marks that it leaves; empty where there are none."""
        marks = {
            "podman": "/run/.containerenv",
            "docker": "/.dockerenv",
            "kubernetes": "/var/run/secrets/kubernetes.io",
        }
        return next((name for name, mark in marks.items() if os.path.exists(self.root + mark)), "")

    @property
    def filtered(self) -> bool:
        """Whether a seccomp filter is on this process, proc_pid_status(5)."""
        return re.search(r"^Seccomp:\s*2$", self._read("/proc/self/status"), re.MULTILINE) is not None

    @property
    def profile(self) -> str:
        """The AppArmor profile of this process; empty where it has none."""
        return self._read("/proc/self/attr/current").strip("\0\n").removesuffix(" (enforce)").replace("unconfined", "")

    @property
    def mount_points(self) -> list[str]:
        """Where something is mounted, proc_pid_mountinfo(5)."""
        return [line.split()[4] for line in self._read("/proc/self/mountinfo").splitlines()]

    def _read(self, path: str) -> str:
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""


def namespaces(bwrap: str, kernel: Kernel | None = None) -> Iterator[Finding]:
    """What this bwrap can do on this host: its version, a sandbox as a venv's, a new /proc, a sandbox as a build's."""
    kernel = kernel or Kernel()
    yield _version(bwrap)
    said = _tried(bwrap, _PLAIN)
    yield _sandbox(bwrap, said, kernel)
    if said is not None:
        return  # the others fail for the same reason
    said = _tried(bwrap, _PROC)
    if said is None:
        yield Finding("proc", True, "a new /proc can be mounted")
    else:
        yield _proc(bwrap, said, kernel)
        return
    said = _tried(bwrap, _BUILD)
    if said is None:
        yield Finding("build", True, "a build can have all namespaces of its own")
    else:
        yield _refused("build", "bwrap cannot unshare all that a build does", bwrap, said, kernel)


def check(bwrap: str, *, builds: bool) -> Finding:
    """Raise why this host cannot make the sandbox of a venv, or of `builds` too; what its bwrap is like where it can.

    An old bwrap that does what is asked of it is no reason to raise.
    """
    found = namespaces(bwrap)
    version = next(found)
    others = list(islice(found, None if builds else 1))
    if not all(finding.passed for finding in others):
        require([version, *others])
    return version


def _version(bwrap: str) -> Finding:
    try:
        done = _run([bwrap, "--version"])
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("bwrap", False, f"{bwrap}: cannot be run: {error}", "install bubblewrap anew")
    match = re.search(r"(\d+)\.(\d+)", done.stdout)
    if match is None:
        if "setuid" in done.stderr:
            return _no_setuid("bwrap", bwrap)
        return Finding("bwrap", False, f"{bwrap}: says no version: {done.stderr.strip()}", "install bubblewrap anew")
    number, text = (int(match[1]), int(match[2])), done.stdout.split()[-1]
    if number < OLDEST:
        fix = "upgrade bubblewrap to 0.8 or later; the first bwrap in PATH counts, so it need not be the system's"
        return Finding("bwrap", False, f"{bwrap} is too old: version {text}, and 0.8 is needed", fix)
    if _is_setuid(bwrap):
        message = (
            f"{bwrap} is version {text}, and setuid root, which needs no user namespaces but trusts bwrap with root"
        )
        return Finding("bwrap", True, message)
    return Finding("bwrap", True, f"{bwrap} is version {text}")


def _sandbox(bwrap: str, said: str | None, kernel: Kernel) -> Finding:
    if said is None:
        return Finding("sandbox", True, "bwrap can make a sandbox")
    return _refused("sandbox", "bwrap cannot make a sandbox", bwrap, said, kernel)


def _proc(bwrap: str, said: str, kernel: Kernel) -> Finding:
    if "mount proc" not in said:
        return _refused("proc", "bwrap cannot make a pid namespace", bwrap, said, kernel)
    hidden = [path for path in kernel.mount_points if path.startswith("/proc/")]
    named = f" ({', '.join(hidden[:3])})" if hidden else ""
    message = (
        f"no new /proc can be mounted, since part of this one is hidden{named}; builds and unshare: ['pid'] need one"
    )
    fixes = {
        "docker": "start the container with: --security-opt systempaths=unconfined",
        "podman": "start the container with: --security-opt unmask=ALL",
        "kubernetes": "give the container securityContext.procMount: Unmasked, which needs hostUsers: false",
    }
    other = "unmount what lies over it, or start the container that this is with /proc unmasked"
    return Finding("proc", False, f"{message}: {_last(said)}", fixes.get(kernel.container, other))


def _refused(name: str, what: str, bwrap: str, said: str, kernel: Kernel) -> Finding:
    """Why bwrap failed with these words, the surest signs first."""
    if "setuid use" in said or "Unexpected setuid" in said:
        return _no_setuid(name, bwrap)
    limits = [f"user.max_{kind}_namespaces" for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")]
    zero = [limit for limit in limits if kernel.setting(limit) == "0"]
    denied = any(word in said for word in _DENIED)
    reason, fix = "", None
    if zero and ("ENOSPC" in said or denied):
        reason, fix = f"{zero[0]} is 0", _sysctl(zero[0], "15000")
    elif "ENOSPC" in said:
        reason = "too many namespaces, or too deep in one another"
        fix = f"raise user.max_user_namespaces, which is {kernel.setting(limits[0])}, or start magpkg outside a sandbox"
    elif kernel.setting("kernel.unprivileged_userns_clone") == "0" and denied:
        reason, fix = "kernel.unprivileged_userns_clone is 0", _sysctl("kernel.unprivileged_userns_clone", "1")
    elif _is_chroot(said, kernel):
        reason, fix = "this is a chroot, in which the kernel makes no user namespaces", "start magpkg outside it"
    elif denied and _tried(bwrap, ("--unshare-user", *_PLAIN)) is None:
        reason = "this is root without CAP_SYS_ADMIN"
        fix = "run magpkg as an ordinary user, who gets a user namespace; in a container: --user 1000"
    elif denied and (kernel.container or kernel.filtered):
        reason, fix = _contained(kernel)
    elif denied and kernel.setting("kernel.apparmor_restrict_unprivileged_userns") == "1":
        reason, fix = "AppArmor keeps user namespaces from it", _profile(bwrap)
    elif "not support" in said or "Invalid argument" in said:
        reason, fix = "the kernel has no user namespaces", "use a kernel with CONFIG_USER_NS"
    return Finding(name, False, f"{what}: {reason}{': ' if reason else ''}{_last(said)}", fix)


def _is_chroot(said: str, kernel: Kernel) -> bool:
    """Whether / is no mount point, as it is wherever a mount namespace begins; what chroot(2) leads to may be one."""
    points = kernel.mount_points
    return "/ slave: Invalid argument" in said or (bool(points) and "/" not in points)


def _contained(kernel: Kernel) -> tuple[str, str]:
    options = ["seccomp=unconfined"] if kernel.filtered else []
    if kernel.profile:
        options.append("apparmor=unconfined")
    reason = "the container's seccomp filter refuses it" if kernel.filtered else "the container does not allow it"
    if kernel.container == "kubernetes":
        return reason, "give the container securityContext.seccompProfile.type: Unconfined"
    if kernel.container == "podman" and not kernel.profile:
        options.append("label=disable")  # SELinux, which is what podman's hosts tend to have
    words = " ".join(f"--security-opt {option}" for option in options or ["seccomp=unconfined"])
    narrower = (
        " (narrower: its default profile with clone, unshare, mount, umount2, pivot_root and sethostname allowed)"
    )
    return reason, f"start the container with: {words}{narrower if kernel.filtered else ''}"


def _profile(bwrap: str) -> str:
    """The command that lets AppArmor allow user namespaces to this one program; profiles name real paths."""
    profile = f'profile magpkg-bwrap "{os.path.realpath(bwrap)}" flags=(unconfined) {{ userns, }}'
    lines = shlex.join(["abi <abi/4.0>,", "include <tunables/global>", profile])
    path = "/etc/apparmor.d/magpkg-bwrap"
    return f"allow it to bwrap alone: printf '%s\\n' {lines} | sudo tee {path} && sudo apparmor_parser -r {path}"


def _sysctl(name: str, value: str) -> str:
    return f"sudo sysctl -w {name}={value}, and the same setting in a file of /etc/sysctl.d to keep it"


def _no_setuid(name: str, bwrap: str) -> Finding:
    return Finding(name, False, f"{bwrap} is setuid, and this version refuses to be", f"sudo chmod u-s {bwrap}")


def _is_setuid(path: str) -> bool:
    status = os.stat(path)
    return bool(status.st_mode & stat.S_ISUID) and status.st_uid == 0


def _tried(bwrap: str, options: Sequence[str]) -> str | None:
    """What bwrap says where it cannot start a program, itself, in such a sandbox; None where it can."""
    try:
        done = _run([bwrap, *options, "--", os.path.realpath(bwrap), "--version"])
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    return None if done.returncode == 0 else done.stderr


def _run(words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - bwrap is what is tried
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, env={}, timeout=_SECONDS, check=False
    )


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line]
    return lines[-1] if lines else "it says nothing"
