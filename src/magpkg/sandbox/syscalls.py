"""System calls: their numbers, by name, in each of the ways in which a program can call a kernel.

A 64-bit kernel serves 32-bit programs, too, with numbers of their own. Where these were given twice, once for user ids
of 16 bits and once for 32, the name stands for both: `chown` is also chown32.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abi:
    """One way to call a kernel: its AUDIT_ARCH_ value of linux/audit.h, and its column in the table of numbers."""

    audit: int
    column: int
    ignored: int = 0
    """Bits of a number that only say who calls: __X32_SYSCALL_BIT of asm/unistd.h."""


_X86_64 = (Abi(0xC000003E, 0, 0x4000_0000), Abi(0x4000_0003, 1))
_AARCH64 = (Abi(0xC00000B7, 2), Abi(0x4000_0028, 3))

# Under personality(2) PER_LINUX32 a 64-bit kernel gives a 32-bit name.
_MACHINES: Mapping[str, tuple[Abi, ...]] = {
    "x86_64": _X86_64,
    "i386": _X86_64,
    "i586": _X86_64,
    "i686": _X86_64,
    "aarch64": _AARCH64,
    "armv7l": _AARCH64,
    "armv8l": _AARCH64,
}

# Of x86_64, i386, aarch64, arm: asm/unistd_64.h and _x32.h, asm/unistd_32.h, asm-generic/unistd.h, arm's syscall.tbl.
_NUMBERS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "add_key": ((248,), (286,), (217,), (309,)),
    "capset": ((126,), (185,), (91,), (185,)),
    "chown": ((92,), (182, 212), (), (182, 212)),
    "fchown": ((93,), (95, 207), (55,), (95, 207)),
    "fchownat": ((260,), (298,), (54,), (325,)),
    "fremovexattr": ((199,), (237,), (16,), (237,)),
    "fsetxattr": ((190,), (228,), (7,), (228,)),
    "ioctl": ((16, 514), (54,), (29,), (54,)),  # 514 is x32's
    "keyctl": ((250,), (288,), (219,), (311,)),
    "lchown": ((94,), (16, 198), (), (16, 198)),
    "lremovexattr": ((198,), (236,), (15,), (236,)),
    "lsetxattr": ((189,), (227,), (6,), (227,)),
    "mknod": ((133,), (14,), (), (14,)),
    "mknodat": ((259,), (297,), (33,), (324,)),
    "removexattr": ((197,), (235,), (14,), (235,)),
    "removexattrat": ((466,), (466,), (466,), (466,)),
    "request_key": ((249,), (287,), (218,), (310,)),
    "setfsgid": ((123,), (139, 216), (152,), (139, 216)),
    "setfsuid": ((122,), (138, 215), (151,), (138, 215)),
    "setgid": ((106,), (46, 214), (144,), (46, 214)),
    "setgroups": ((116,), (81, 206), (159,), (81, 206)),
    "setregid": ((114,), (71, 204), (143,), (71, 204)),
    "setresgid": ((119,), (170, 210), (149,), (170, 210)),
    "setresuid": ((117,), (164, 208), (147,), (164, 208)),
    "setreuid": ((113,), (70, 203), (145,), (70, 203)),
    "setuid": ((105,), (23, 213), (146,), (23, 213)),
    "setxattr": ((188,), (226,), (5,), (226,)),
    "setxattrat": ((463,), (463,), (463,), (463,)),
}

CALLS = tuple(_NUMBERS)
"""The calls that are known here by name."""


def abis(machine: str) -> tuple[Abi, ...]:
    """The ways to call the kernel of a machine, named as uname(2) names it; empty for one that is not known here."""
    return _MACHINES.get(machine, ())


def numbers(call: str, abi: Abi) -> tuple[int, ...]:
    """The numbers of a call; empty where this way to call the kernel has no such one. KeyError for an unknown name."""
    return _NUMBERS[call][abi.column]
