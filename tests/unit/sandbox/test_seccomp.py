"""Filters of system calls: which calls they stop, in each way to make them, and that nothing else is touched."""

import errno
import os
import stat

import pytest

from magpkg.sandbox.seccomp import ALLOW, TIOCLINUX, TIOCSTI, TRAP, VENV, Rule, answer, assemble
from magpkg.sandbox.syscalls import abis, numbers
from tests.support.filters import answers, decide

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
X32 = 0x4000_0000
TIOCGWINSZ = 0x5413
EPERM, ENOSYS = answer(errno.EPERM), answer(errno.ENOSYS)

# By hand from the tables of the kernel, not from the module: add_key, request_key, keyctl; ioctl.
KEYS = {X86_64: (248, 249, 250), I386: (286, 287, 288), AARCH64: (217, 218, 219), ARM: (309, 310, 311)}
IOCTL = {X86_64: 16, I386: 54, AARCH64: 29, ARM: 54}
MACHINES = [("x86_64", X86_64), ("x86_64", I386), ("i686", X86_64), ("aarch64", AARCH64), ("aarch64", ARM)]


@pytest.mark.parametrize(("machine", "audit"), MACHINES)
def test_a_venvs_filter_stops_these_calls_and_touches_no_other(machine: str, audit: int) -> None:
    program = assemble(VENV, machine)
    stopped = {number: decide(program, audit, number) for number in (*range(1024), 0xFFFF_FFFF, 0xF0005)}
    assert {number for number, action in stopped.items() if action != ALLOW} == set(KEYS[audit])
    assert {stopped[number] for number in KEYS[audit]} == {ENOSYS}
    for request in range(0x5400, 0x5480):
        expected = EPERM if request in (TIOCSTI, TIOCLINUX) else ALLOW
        for upper in (0, 1 << 32, 0xFFFF_FFFF << 32):
            assert decide(program, audit, IOCTL[audit], 0, upper | request) == expected, hex(request)
        assert decide(program, audit, IOCTL[audit], request, TIOCGWINSZ, request) == ALLOW


def test_x32_is_no_way_around() -> None:
    program = assemble(VENV, "x86_64")
    stopped = {number for number in range(1024) if decide(program, X86_64, X32 | number) != ALLOW}
    assert stopped == set(KEYS[X86_64])
    # x32 has an ioctl of its own; older kernels take its number without the bit as well.
    for number in (X32 | 514, 514, X32 | 16):
        assert decide(program, X86_64, number, 0, TIOCSTI) == EPERM
        assert decide(program, X86_64, number, 0, TIOCGWINSZ) == ALLOW


def test_a_foreign_architecture_has_no_calls() -> None:
    program = assemble(VENV, "x86_64")
    assert decide(program, AARCH64, 0) == decide(program, 0, 0) == ENOSYS
    assert assemble(VENV, "sparc64") == b""


def test_an_unknown_call_is_no_rule() -> None:
    with pytest.raises(KeyError):
        assemble([Rule("no_such_call", ALLOW)], "x86_64")


def test_of_several_rules_for_a_call_the_first_that_fits_counts() -> None:
    device = [Rule("mknod", answer(0), 1, (stat.S_IFCHR, stat.S_IFBLK), 0o170000), Rule("mknod", TRAP)]
    program = assemble(device, "x86_64")
    assert decide(program, X86_64, 133, 0, stat.S_IFCHR | 0o644) == answer(0)
    assert decide(program, X86_64, 133, 0, stat.S_IFBLK) == answer(0)
    assert decide(program, X86_64, 133, 0, stat.S_IFIFO | 0o644) == TRAP
    assert decide(program, X86_64, 134, 0, stat.S_IFCHR) == ALLOW


def test_a_long_filter_of_all_calls() -> None:
    calls = ("chown", "fchown", "lchown", "fchownat", "setuid", "setgid", "setgroups", "capset", "setxattr", "mknodat")
    rules = [Rule(call, answer(0), 1, tuple(range(1, 60))) for call in calls]
    for abi in abis("x86_64"):
        program = assemble(rules, "x86_64")
        named = {number for call in calls for number in numbers(call, abi)}
        assert {number for number in range(600) if decide(program, abi.audit, number, 0, 59) == answer(0)} == named
        assert {decide(program, abi.audit, number, 0, 60) for number in range(600)} == {ALLOW}


def test_what_this_kernel_makes_of_it() -> None:
    machine = os.uname().machine
    abi = abis(machine)[0]
    fchown, keyctl, setuid = (numbers(name, abi)[0] for name in ("fchown", "keyctl", "setuid"))
    rules = [Rule("fchown", answer(0)), Rule("keyctl", answer(errno.EDOM))]
    # A descriptor that is not there tells whether the call was made.
    calls = [(fchown, 99, 0, 0), (keyctl, 0, 0), (setuid, os.getuid())]
    assert answers(assemble(rules, machine), *calls) == [0, -errno.EDOM, 0]
    assert answers(assemble([], machine), calls[0]) == [-errno.EBADF]
