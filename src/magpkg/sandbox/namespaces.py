"""Namespaces: whether this host lets bwrap make them, found out by making them, and why not where it does not.

bwrap says which call failed, and the kernel gives a few error numbers for many reasons. So what is known of the host's
rules, of the container and of bwrap itself is laid beside what bwrap said.
"""

import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from magpkg.sandbox.kernel import Kernel
from magpkg.sandbox.privileges import DROPPED, WITHOUT_NAMESPACE, root_options, trial_options
from magpkg.sandbox.seccomp import venv_filter
from magpkg.sandbox.trial import run, tried
from magpkg.store.finding import Finding, require

OLDEST = (0, 8)
"""The oldest bwrap that is enough, Debian 12's."""

_PLAIN = (*DROPPED, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev")
_PROC = ("--unshare-pid", *_PLAIN, "--proc", "/proc")
_BUILD = ("--unshare-all", *_PLAIN)
_RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns"
_DENIED = ("Operation not permitted", "Permission denied", "No permissions")


def namespaces(bwrap: str, kernel: Kernel | None = None) -> Iterator[Finding]:
    """What this bwrap can do on this host: its version, a sandbox as a venv's, a new /proc, a sandbox as a build's."""
    kernel = kernel or Kernel()
    yield _version(bwrap)
    options = trial_options(root_options(bwrap))
    said = tried(bwrap, (*options, *_PLAIN))
    yield _sandbox(bwrap, said, kernel)
    if said is not None:
        return  # the others fail for the same reason
    yield _filter(bwrap, options)
    if os.geteuid() == 0:
        yield _root(bwrap, options, kernel)
    said = tried(bwrap, (*options, *_PROC))
    if said is None:
        yield Finding("proc", True, "a new /proc can be mounted")
    else:
        yield _proc(bwrap, said, kernel)
        return
    said = tried(bwrap, _BUILD)
    if said is None:
        yield Finding("build", True, "a build can have all namespaces of its own")
    else:
        yield _refused("build", "bwrap cannot unshare all that a build does", bwrap, said, kernel)


def check(bwrap: str, *, filtered: bool, builds: bool) -> Finding:
    """Raise why this host cannot make the sandbox of a venv, or of `builds` too; what its bwrap is like where it can.

    That of a venv may be `filtered`, that of a build always is.

    An old bwrap that does what is asked of it is no reason to raise.
    """
    found = namespaces(bwrap)
    version = next(found)
    others = list(islice(found, None if builds else 1 + filtered))
    if not all(finding.passed for finding in others):
        require([version, *others])
    return version


def _version(bwrap: str) -> Finding:
    try:
        done = run([bwrap, "--version"])
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


def _filter(bwrap: str, options: Sequence[str]) -> Finding:
    program = venv_filter()
    if not program:
        message = f"no filter of system calls is known for {os.uname().machine}, so none is on any command"
        return Finding("seccomp", True, message, "see docs/security.md for what it would keep from a command")
    said = tried(bwrap, (*options, *_PLAIN), program)
    if said is None:
        return Finding("seccomp", True, "the kernel takes a filter of system calls")
    fix = "use a kernel with CONFIG_SECCOMP_FILTER; seccomp: 'none' in the manifest does without"
    return Finding("seccomp", False, f"the kernel takes no filter of system calls: {_last(said)}", fix)


def _root(bwrap: str, options: Sequence[str], kernel: Kernel) -> Finding:
    """How far root in a sandbox is from root outside; not a failure, since the sandbox holds all that it did before."""
    if options != WITHOUT_NAMESPACE:
        return Finding("root", True, "root has a user namespace of its own in a sandbox")
    said = tried(bwrap, ("--unshare-user", *_PLAIN)) or ""
    refused = _refused("root", "", bwrap, said, kernel)
    message = "root in a sandbox has no user namespace, only fewer capabilities, and that keeps less from it"
    return Finding("root", True, f"{message}{refused.message}", refused.fix or "run magpkg as an ordinary user")


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
    elif denied and kernel.container:
        reason, fix = _contained(kernel)
    elif denied and kernel.filtered and ("new namespace" in said or kernel.setting(_RESTRICTED) != "1"):
        reason, fix = _filtered(kernel.environment)
    elif denied and kernel.setting(_RESTRICTED) == "1":
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


def _filtered(environment: Mapping[str, str]) -> tuple[str, str]:
    """Who put a filter on this process, where no container did, by what is known to do so and to leave a variable."""
    outside = "start magpkg outside it"
    if flatpak := environment.get("FLATPAK_ID"):
        return f"the seccomp filter of the Flatpak {flatpak} refuses it", f"{outside}: flatpak-spawn --host magpkg ..."
    if snap := environment.get("SNAP"):
        return f"the seccomp filter of the snap {os.path.basename(os.path.dirname(snap))} refuses it", outside
    if environment.get("container") == "firejail":
        return "firejail's seccomp filter refuses it", outside
    if environment.get("INVOCATION_ID"):
        unit = (
            "in the unit, RestrictNamespaces=no, and in SystemCallFilter=: @mount, clone, clone3, unshare, sethostname"
        )
        return "a seccomp filter refuses it, perhaps that of the systemd unit (INVOCATION_ID is set)", unit
    return "a seccomp filter refuses it, which what started this has set", outside


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


def _last(said: str) -> str:
    lines = [line for line in said.splitlines() if line]
    return lines[-1] if lines else "it says nothing"
