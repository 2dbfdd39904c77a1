"""Records: the small files in which a store notes something. In the place of one may stand anything, and never end."""

import errno
import os
import secrets
import stat
from contextlib import suppress
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


def write(path: str, content: str, *, private: bool = False) -> None:
    """Make the record at `path`, whole at once, for its owner alone if `private`; one that is there stays."""
    partial = f"{path}.{secrets.token_hex(8)}"
    try:
        with open(partial, "xb", opener=_without_waiting) as file:
            if private:
                os.fchmod(file.fileno(), 0o600)
            file.write(os.fsencode(content))
        with suppress(FileExistsError):
            try:
                os.link(partial, path)
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                os.rename(partial, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK, 0o666)
