"""Filters of system calls: rules for calls become the program that a kernel runs before each call, for `--seccomp`.

The program is classic BPF over struct seccomp_data, see seccomp(2). It looks first at who calls: on a 64-bit kernel a
32-bit program, or a 64-bit one that borrows its entry, has other numbers, and a filter that forgets that can be walked
around. What no rule names is allowed, and costs next to nothing: since Linux 5.11 the kernel finds out once which
numbers are always allowed.
"""

import errno
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from magpkg.launch.bwrap import handed
from magpkg.sandbox.syscalls import Abi, abis, numbers

ALLOW = 0x7FFF_0000
"""The call is made: SECCOMP_RET_ALLOW of linux/seccomp.h."""

TRAP = 0x0003_0000
"""The call is not made; the caller gets SIGSYS, and may answer it itself: SECCOMP_RET_TRAP."""

_ERRNO = 0x0005_0000  # SECCOMP_RET_ERRNO
_WORD = 0xFFFF_FFFF

# linux/bpf_common.h: the code of each kind of instruction.
_LOAD, _AND, _EQUAL, _JUMP, _RETURN = 0x20, 0x54, 0x15, 0x05, 0x06
_NUMBER_AT, _AUDIT_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
"""Requests of ioctl_tty(2) that put text into a terminal as if it had been typed there: asm-generic/ioctls.h."""


def answer(number: int) -> int:
    """The action by which a call is not made and fails with this errno; with 0 it looks as if it had succeeded."""
    return _ERRNO | number


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens at a call; of several for one call the first that fits counts.

    With an `argument`, the first is 0, the rule fits where that, of which the lower 32 bits are looked at through
    `mask`, is one of `values`. The upper bits of an int mean nothing to the kernel, so they must mean nothing here
    (CVE-2019-10063).
    """

    call: str
    action: int
    argument: int | None = None
    values: tuple[int, ...] = ()
    mask: int = _WORD


# The keyring calls answer as a kernel without keyrings does: runc and crun go on without a keyring then, and only then.
VENV = (
    Rule("ioctl", answer(errno.EPERM), 1, (TIOCSTI, TIOCLINUX)),
    Rule("add_key", answer(errno.ENOSYS)),
    Rule("keyctl", answer(errno.ENOSYS)),
    Rule("request_key", answer(errno.ENOSYS)),
)
"""What no command of a venv can do, unless its manifest says so: type for the user, and use the user's keyrings."""


def venv_filter() -> bytes:
    """The filter of a venv on this machine; empty where its numbers are not known here."""
    return assemble(VENV, os.uname().machine)


def filter_options() -> tuple[str, ...]:
    """bwrap's options for the filter of a venv, if there is one on this machine."""
    program = venv_filter()
    return ("--seccomp", handed(program)) if program else ()


def assemble(rules: Sequence[Rule], machine: str) -> bytes:
    """The filter for a kernel of this machine, named as uname(2) names it; empty where its numbers are not known here.

    A call in another way than the known ones, which no such kernel has, answers ENOSYS. KeyError for an unknown call.
    """
    known = abis(machine)
    program = [_instruction(_LOAD, _AUDIT_AT)]
    for abi in known:
        section = _section(rules, abi)
        # The jump of a comparison reaches 255 instructions, this one any number.
        program += [_instruction(_EQUAL, abi.audit, 1, 0), _instruction(_JUMP, len(section)), *section]
    program.append(_instruction(_RETURN, answer(errno.ENOSYS)))
    return b"".join(program) if known else b""


def _section(rules: Sequence[Rule], abi: Abi) -> list[bytes]:
    section = [_instruction(_LOAD, _NUMBER_AT)]
    if abi.ignored:
        section.append(_instruction(_AND, _WORD & ~abi.ignored))
    for call in dict.fromkeys(rule.call for rule in rules):
        block = _block([rule for rule in rules if rule.call == call])
        for number in numbers(call, abi):
            section += [_instruction(_EQUAL, number, 0, len(block)), *block]
    return [*section, _instruction(_RETURN, ALLOW)]


def _block(rules: Sequence[Rule]) -> list[bytes]:
    """What is done once the number is that of the call that these rules are for."""
    block: list[bytes] = []
    for rule in rules:
        if rule.argument is None:
            return [*block, _instruction(_RETURN, rule.action)]
        block.append(_instruction(_LOAD, _ARGUMENTS_AT + 8 * rule.argument))  # the lower half: both are little-endian
        if rule.mask != _WORD:
            block.append(_instruction(_AND, rule.mask))
        for value in rule.values:
            block += [_instruction(_EQUAL, value, 0, 1), _instruction(_RETURN, rule.action)]
    return [*block, _instruction(_RETURN, ALLOW)]


def _instruction(code: int, operand: int, when_true: int = 0, when_false: int = 0) -> bytes:
    """One struct sock_filter of linux/filter.h."""
    return struct.pack("=HBBI", code, when_true, when_false, operand)
