"""Ways out of a sandbox, tried from inside: run by a Python there, with what the host knows as JSON in argv[1].

Prints an object: for each way the name of the error that the kernel gave, or what was reached.
"""

import ctypes
import errno
import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable
from typing import Any

libc = ctypes.CDLL(None, use_errno=True)
host: dict[str, Any] = {}


def call(name: str, *arguments: object) -> int:
    """A function of the C library; OSError where it fails."""
    result: int = getattr(libc, name)(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def by_handle() -> str:
    """open_by_handle_at(2) of a host's file, through each mount that shows its file system."""
    kind, handle = host["handle"]
    raw = bytes.fromhex(handle)
    text = ctypes.create_string_buffer(struct.pack("=Ii", len(raw), kind) + raw)
    last = errno.ENOENT
    for directory in ("/", *(f"/{name}" for name in os.listdir("/"))):
        descriptor = os.open(directory, os.O_RDONLY) if os.path.isdir(directory) else -1
        for flags in (os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY):
            opened = libc.open_by_handle_at(descriptor, text, flags)
            if opened >= 0:
                return f"reached through {directory}"
            last = ctypes.get_errno()
    raise OSError(last, "open_by_handle_at")


def by_proc(what: str) -> Callable[[], str]:
    """What /proc/PID shows of every process that is seen."""

    def probe() -> str:
        own = os.stat("/").st_ino, os.stat("/").st_dev
        for name in filter(str.isdigit, os.listdir("/proc") if os.path.isdir("/proc") else []):
            path = f"/proc/{name}/{what}"
            try:
                if what == "environ":
                    with open(path, "rb") as file:
                        content = file.read()
                    if b"SECRET_OF_THE_HOST" in content:
                        return f"read {path}"
                elif (os.stat(path).st_ino, os.stat(path).st_dev) != own and os.path.exists(path + host["secret"]):
                    return f"reached {path}"
            except OSError:
                continue
        return "nothing"

    return probe


def by_mount() -> str:
    """A remount of the root as writable, mount(2), MS_REMOUNT | MS_BIND."""
    call("mount", b"none", b"/", None, 32 | 4096, None)
    return "writable"


def by_device() -> str:
    """A node of the host's disk, mknod(2)."""
    path = "/tmp/disk"
    os.mknod(path, stat.S_IFBLK | 0o600, host["device"])
    os.close(os.open(path, os.O_RDONLY))
    return "opened"


def by_chroot() -> str:
    """The old way out: a root below the working directory, and up from there."""
    os.makedirs("/tmp/below", exist_ok=True)
    os.chdir("/tmp")
    os.chroot("/tmp/below")
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    return "reached" if os.path.exists(host["secret"]) else "nothing"


def by_setns() -> str:
    """Into the namespaces of a process of the host, by its number and by a pidfd."""
    try:
        descriptor = os.open(f"/proc/{host['pid']}/ns/mnt", os.O_RDONLY)
    except OSError:
        descriptor = os.pidfd_open(host["pid"])
    call("setns", descriptor, 0x00020000)  # CLONE_NEWNS
    return "entered"


def by_ptrace() -> str:
    """PTRACE_SEIZE of a process of the host."""
    call("ptrace", 0x4206, host["pid"], None, None)
    return "traced"


def by_keys() -> str:
    """A key of the session that the sandbox was started from."""
    number = 250 if os.uname().machine == "x86_64" else 219
    call("syscall", number, 10, -3, b"user", host["key"].encode(), 0)  # KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING
    return "found"


def by_bpf() -> str:
    """bpf(2), BPF_PROG_GET_NEXT_ID: asked of all programs of the kernel."""
    call("syscall", 321 if os.uname().machine == "x86_64" else 280, 11, ctypes.create_string_buffer(128), 128)
    return "allowed"


def by_setting() -> str:
    """A program of ours as the one that the host runs for a core, core(5)."""
    with open("/proc/sys/kernel/core_pattern", "r+") as file:
        file.write(file.read())
    return "written"


def by_reboot() -> str:
    """reboot(2) with a wrong word: who may not gets EPERM before the word is looked at."""
    call("syscall", 169 if os.uname().machine == "x86_64" else 142, 0, 0, 0, None)
    return "allowed"


def by_module() -> str:
    """finit_module(2) of no file."""
    call("syscall", 313 if os.uname().machine == "x86_64" else 273, -1, b"", 0)
    return "allowed"


def by_name() -> str:
    """The host's name, set to what it is."""
    name = socket.gethostname().encode()
    call("sethostname", name, len(name))
    return "set"


PROBES: dict[str, Callable[[], str]] = {
    "open_by_handle_at": by_handle,
    "/proc/PID/root": by_proc("root"),
    "/proc/PID/cwd": by_proc("cwd"),
    "/proc/PID/environ": by_proc("environ"),
    "mount": by_mount,
    "mknod": by_device,
    "setns": by_setns,
    "ptrace": by_ptrace,
    "keyctl": by_keys,
    "bpf": by_bpf,
    "core_pattern": by_setting,
    "reboot": by_reboot,
    "finit_module": by_module,
    "sethostname": by_name,
    "chroot": by_chroot,
}


def main() -> None:
    """Try each way in a process of its own, the second time from a user namespace in which everything is allowed."""
    host.update(json.loads(sys.argv[1]))
    found: dict[str, str] = {}
    for nested in (False, True):
        for name, probe in PROBES.items():
            reader, writer = os.pipe()
            if os.fork() == 0:
                try:
                    if nested:
                        call("unshare", 0x10000000 | 0x00020000)  # CLONE_NEWUSER | CLONE_NEWNS
                    outcome = probe()
                except OSError as error:
                    outcome = errno.errorcode[error.errno or 0]
                os.write(writer, outcome.encode())
                os._exit(0)
            os.close(writer)
            with os.fdopen(reader) as file:
                found[f"{name}, nested" if nested else name] = file.read()
            os.wait()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
