"""The filter of system calls that is on each command: what it stops, in every way to call, and what works below it."""

import json
import pathlib
import re
import sys

from magpkg.sandbox.syscalls import CALLS, Abi, abis, numbers
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

PACKAGES = ["python3", "bash", "coreutils", "grep"]

# Calls by their numbers, as 64-bit programs, as x32 ones and as 32-bit ones make them; the last from a few bytes of
# machine code: int 0x80, with the arguments where a 32-bit program has them. Prints what each answers.
CALLER = """
import ctypes, json, mmap, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def native(number, *arguments):
    answer = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments))
    return answer if answer >= 0 else -ctypes.get_errno()
page = libc.mmap(None, 4096, 7, 0x62, -1, 0)  # MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT
code = bytes.fromhex("53 89f8 89f3 87d1 cd80 5b c3")
ctypes.memmove(page, code, len(code))
ctypes.memset(page + 2048, ord("x"), 1)
old = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int)(page)
typed, line, size, low = 0x5412, 0x541C, 0x5413, page + 2048
master, slave = os.openpty()
print(json.dumps({
    "add_key": native(248, low, low, low, 1, -3), "request_key": native(249, low, low, 0, -3),
    "keyctl": native(250, 0, -3, 0),
    "x32 keyctl": native(0x40000000 | 250, 0, -3, 0),
    "TIOCSTI": native(16, slave, typed, low), "TIOCLINUX": native(16, slave, line, low),
    "TIOCSTI with upper bits": native(16, slave, 1 << 32 | typed, low),
    "x32 TIOCSTI": native(0x40000000 | 514, slave, typed, low), "TIOCGWINSZ": native(16, slave, size, low),
    "32-bit getpid": old(20, 0, 0, 0) == os.getpid(), "32-bit add_key": old(286, low, low, 0),
    "32-bit keyctl": old(288, 0, -3, 0),
    "32-bit request_key": old(287, low, low, 0), "32-bit TIOCSTI": old(54, slave, typed, low),
    "32-bit TIOCLINUX": old(54, slave, line, low), "32-bit TIOCGWINSZ": old(54, slave, size, low),
}))
"""
EPERM, ENOSYS = -1, -38
STOPPED = {
    **dict.fromkeys(["add_key", "request_key", "keyctl", "x32 keyctl"], ENOSYS),
    **dict.fromkeys(["32-bit add_key", "32-bit request_key", "32-bit keyctl"], ENOSYS),
    **dict.fromkeys(["TIOCSTI", "TIOCLINUX", "TIOCSTI with upper bits", "x32 TIOCSTI"], EPERM),
    **dict.fromkeys(["32-bit TIOCSTI", "32-bit TIOCLINUX"], EPERM),
    **{"TIOCGWINSZ": 0, "32-bit TIOCGWINSZ": 0, "32-bit getpid": True},
}


def test_the_filter_is_on_every_command(magpkg: Magpkg) -> None:
    # Twice: the second launch takes the plan that the first one left.
    for _ in range(2):
        done = magpkg.venv(expression(PACKAGES), "python3", "-c", CALLER).checked()
        assert json.loads(done.stdout) == STOPPED


def test_the_filter_is_on_a_shims_command(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(expression(PACKAGES))
    magpkg.run("shim", "-q", "bin", "python3").checked()
    for _ in range(2):
        done = magpkg.call([f"{magpkg.directory}/bin/python3", "-c", CALLER]).checked()
        assert json.loads(done.stdout) == STOPPED


def test_a_manifest_may_do_without(magpkg: Magpkg) -> None:
    def seccomp(manifest: str) -> list[str]:
        return magpkg.venv(manifest, "grep", "^Seccomp:", "/proc/self/status").checked().stdout.split()[1:]

    with_it, without = expression(PACKAGES), expression(PACKAGES, seccomp="none")
    before = pathlib.Path("/proc/self/status").read_text()
    own = re.findall(r"^Seccomp:\s*(\d)", before, re.MULTILINE)
    for _ in range(2):
        assert (seccomp(with_it), seccomp(without)) == (["2"], own)
    assert magpkg.rootfs(with_it) == magpkg.rootfs(without)


TYPER = """
import fcntl
try:
    print("typed", fcntl.ioctl(0, 0x5412, b"#"))
except OSError as error:
    print(error.strerror)
"""


def test_a_command_types_nothing_into_its_terminal(magpkg: Magpkg) -> None:
    def said(words: list[str]) -> str:
        terminal = Terminal(words, magpkg.environment({"TERM": "dumb"}), magpkg.directory)
        try:
            return terminal.expect(r"(typed|Operation not permitted|Input/output error)", 120).split("\n")[-1]
        finally:
            terminal.close()

    run = ["--", "python3", "-c", TYPER]
    assert "not permitted" in said(magpkg.words("venv", "-e", expression(PACKAGES), *run))
    # Without the filter it is as the kernel has it, dev.tty.legacy_tiocsti.
    assert said(magpkg.words("venv", "-e", expression(PACKAGES, seccomp="none"), *run)) == said(
        [sys.executable, *run[2:]]
    )


def test_the_numbers_are_those_of_the_kernels_headers(magpkg: Magpkg) -> None:
    include = f"{magpkg.rootfs(expression(['linux-libc-dev', 'coreutils']))}/usr/include"
    headers = {
        "x86_64": ["x86_64-linux-gnu/asm/unistd_64.h", "x86_64-linux-gnu/asm/unistd_32.h"],
        "aarch64": ["asm-generic/unistd.h"],
    }
    for machine, paths in headers.items():
        for abi, path in zip(abis(machine), paths, strict=False):
            defined = _defined(pathlib.Path(include, path).read_text())
            for call in CALLS:
                spelled = {defined[name] for name in (call, f"{call}32") if name in defined}
                assert set(numbers(call, abi)) - _newer(call, abi) == spelled, (machine, call)


def _defined(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)}


def _newer(call: str, abi: Abi) -> set[int]:
    """What bookworm's headers do not have: calls of Linux 6.13, and x32's ioctl, which is in a header of its own."""
    if call.endswith("xattrat"):
        return set(numbers(call, abi))
    return {514} if call == "ioctl" and abi.ignored else set()
