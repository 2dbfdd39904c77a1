"""Privileges: how root in a sandbox is kept from being root outside.

An ordinary user's sandbox is always in a user namespace, and the kernel then asks of each call that is root's alone
whether it is root outside who calls. For root bwrap makes such a namespace only if it is told to. Where the kernel
makes none, all that is left is to drop the capabilities by which root reaches around a sandbox, capabilities(7).
"""

import os
from collections.abc import Sequence

from magpkg.launch.bwrap import REPORTS, given_ids
from magpkg.sandbox.trial import can_be_given_ids, tried

DROPPED = ("--cap-drop", "CAP_SYS_ADMIN")
"""What nothing in a sandbox has, though it be in a user namespace: with it the root could be made writable."""

_ABLE = (
    *("AUDIT_CONTROL", "AUDIT_READ", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "IPC_OWNER"),
    *("LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "PERFMON", "SYSLOG"),
    *("SYS_BOOT", "SYS_MODULE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG"),
    "WAKE_ALARM",
)
WITHOUT_NAMESPACE = tuple(word for name in _ABLE for word in ("--cap-drop", f"CAP_{name}"))
"""What root's sandbox is drawn with where it has no user namespace, beside `DROPPED`."""

COVERED_IN_PROC = ("sys", "acpi", "asound", "driver", "dynamic_debug", "fs", "scsi")
"""What in a proc file system sets something of the host for whoever is root there, in a user namespace too.

core(5) has a program that the host's kernel starts in `sys`. bwrap covers `bus`, `irq` and `sysrq-trigger`, and `sys`
only where access(2) says that it could be written to, which it does not say of the directory, proc_sys(5).
"""

_WITH_NAMESPACE = ("--unshare-user",)
_PLAIN = (*DROPPED, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev")


def proc_covers() -> tuple[str, ...]:
    """What is to be read-only in each proc mount of whoever runs this: nobody but root could write there."""
    return COVERED_IN_PROC if os.geteuid() == 0 else ()


def cover(proc: str, names: Sequence[str]) -> list[str]:
    """bwrap's options that make what has these names in the proc mount at `proc` read-only."""
    return [word for name in names for word in ("--ro-bind-try", f"/proc/{name}", f"{proc}/{name}")]


def root_options(bwrap: str) -> tuple[str, ...]:
    """bwrap's options for a sandbox of whoever runs this, beside `DROPPED`; of root's it is tried what is possible.

    Root has every id that it has outside, each as itself: so files are whose they are, and root can work on them. Where
    that is refused, as it is without CAP_SETUID, root has its own id alone, and files of others are nobody's.
    """
    if os.geteuid() != 0:
        return ()
    users, groups = _own_ids("uid_map"), _own_ids("gid_map")
    if can_be_given_ids(bwrap, (*_WITH_NAMESPACE, *_PLAIN), users, groups):
        return (*_WITH_NAMESPACE, "--info-fd", REPORTS, "--userns-block-fd", given_ids(users, groups))
    return _WITH_NAMESPACE if tried(bwrap, (*_WITH_NAMESPACE, *_PLAIN)) is None else WITHOUT_NAMESPACE


def trial_options(options: Sequence[str]) -> tuple[str, ...]:
    """What of such options is for a trial, which gives bwrap no descriptors."""
    return _WITH_NAMESPACE if tuple(options[:1]) == _WITH_NAMESPACE else tuple(options)


def _own_ids(name: str) -> str:
    """The ids that this process's user namespace has, each mapped to itself, as a map of user_namespaces(7)."""
    with open(f"/proc/self/{name}", encoding="ascii") as file:
        extents = [line.split() for line in file]
    return "".join(f"{first} {first} {count}\n" for first, _, count in extents)
