"""Filters of system calls: a program of them, read and run as the kernel does."""

import struct
import subprocess
import sys

# Puts the filter of descriptor 0 on itself, then makes each call that it is told, and prints what came of it.
_CALLER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
filter = sys.stdin.buffer.read()
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
program = Program(len(filter) // 8, filter)
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0, os.strerror(ctypes.get_errno())  # PR_SET_SECCOMP
for words in sys.argv[1:]:
    answer = libc.syscall(*(ctypes.c_long(int(word)) for word in words.split(",")))
    print(answer if answer >= 0 else -ctypes.get_errno())
"""


def decide(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """What a filter comes to for one call: the action that seccomp(2) would take."""
    data = struct.pack("=IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    instructions = list(struct.iter_unpack("=HBBI", program))
    at = accumulator = 0
    while True:
        code, when_true, when_false, operand = instructions[at]
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, operand)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x15:
            at += when_true if accumulator == operand else when_false
        elif code == 0x05:
            at += operand
        else:
            assert code == 0x06, code
            return int(operand)


def answers(program: bytes, *calls: tuple[int, ...]) -> list[int]:
    """What this kernel answers to calls of a process with that filter: a number from 0 up, or minus the errno."""
    words = [",".join(map(str, call)) for call in calls]
    done = subprocess.run(
        [sys.executable, "-c", _CALLER, *words], input=program, stdout=subprocess.PIPE, timeout=60, check=True
    )
    return [int(word) for word in done.stdout.split()]
