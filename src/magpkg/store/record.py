"""Records: the small files in which a store notes something. In the place of one may stand anything, and never end."""

import errno
import os
import stat
from io import BufferedReader


def opened(path: str) -> BufferedReader:
    """The record at `path`, open to be read; FileNotFoundError where there is none, or something that is no file."""
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115 - the caller's to close
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def text(path: str) -> str:
    """What the record at `path` says; nothing where there is none."""
    try:
        with opened(path) as file:
            return os.fsdecode(file.read())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def add_line(path: str, line: str) -> None:
    """Add a line to the record at `path`, which is made where there is none."""
    with open(path, "ab", opener=_without_waiting) as file:
        file.write(os.fsencode(f"{line}\n"))


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK, 0o666)
