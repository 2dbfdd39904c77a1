"""Why a program that is there cannot be started: what the kernel would run in its place is missing in the sandbox.

execve(2) answers with the same error for a missing program and for a missing interpreter of one, so that bwrap, and a
shell, say of a file that is there that it is not.
"""

import os
import struct

from magpkg.errors import CommandNotStarted, MagpkgError
from magpkg.launch.hostfiles import FILE, MISSING
from magpkg.sandbox.view import View

_DEPTH = 4  # how many interpreters the kernel goes through, fs/exec.c
_PT_INTERP = 3
_LINE_MAX = 256  # what the kernel reads of a first line, BINPRM_BUF_SIZE
_HEADERS_MAX = 1 << 16


def check_interpreter(view: View, name: str, path: str) -> None:
    """Raise CommandNotStarted with status 126 where what runs the program at `path` inside is not there.

    `name` is how the user called it. What cannot be read, or is neither a script nor ELF, is left for bwrap to try.
    """
    at = path
    for _ in range(_DEPTH):
        host = view.host_path(at)
        interpreter, what = _interpreter(host) if host is not None else (None, "")
        if interpreter is None:
            return
        try:
            resolved = view.resolve(interpreter, name)
        except MagpkgError:
            return
        if resolved.kind == MISSING:
            shown = interpreter.replace("\r", "\\r")
            message = f"{name}: cannot be executed: its {what}, {shown}, is not in the venv"
            if interpreter.endswith("\r"):
                raise CommandNotStarted(message, "its lines end as on Windows; sed -i 's/\\r$//' mends that", 126)
            raise CommandNotStarted(message, "is its package in packages?", 126)
        host = view.host_path(resolved.path)
        if host is not None and (resolved.kind != FILE or not os.access(host, os.X_OK)):
            raise CommandNotStarted(f"{name}: cannot be executed: nor can its {what}, {interpreter}", None, 126)
        at = resolved.path


def _interpreter(path: str) -> tuple[str | None, str]:
    """What the kernel runs for the file at `path` of the host, and what that is called; None if nothing."""
    try:
        with open(path, "rb") as file:
            head = file.read(_LINE_MAX)
            if head.startswith(b"#!"):
                words = head[2:].partition(b"\n")[0].strip(b" \t").split(None if b"\r" not in head else b" ")
                return (_text(words[0]), "interpreter") if words and words[0].startswith(b"/") else (None, "")
            if head.startswith(b"\x7fELF") and len(head) >= 64:
                file.seek(0)
                return _loader(file.read(_HEADERS_MAX)), "loader"
    except (OSError, struct.error):
        return None, ""
    return None, ""


def _loader(data: bytes) -> str | None:
    """The program interpreter of an ELF file, elf(5); None where it is static."""
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    offset, size, count = (
        (*struct.unpack_from(f"{order}Q", data, 32), *struct.unpack_from(f"{order}HH", data, 54))
        if wide
        else (*struct.unpack_from(f"{order}I", data, 28), *struct.unpack_from(f"{order}HH", data, 42))
    )
    for index in range(count):
        at = offset + index * size
        if struct.unpack_from(f"{order}I", data, at)[0] != _PT_INTERP:
            continue
        begin = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, at + (8 if wide else 4))[0]
        length = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", data, at + (32 if wide else 16))[0]
        return _text(data[begin : begin + length].rstrip(b"\0")) or None
    return None


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
