"""Debian packages: an ar archive of three members in an order, of which the last has the files; deb(5)."""

import io
import os
import re
from typing import BinaryIO, cast

from magpkg.errors import MagpkgError

MAGIC = b"!<arch>\n"

_HEADER = 60
_CHUNK = 1 << 18
_FORMAT = re.compile(rb"2\.[0-9]+\n")  # further lines may come to be, and count for nothing
_FORMAT_BYTES = 64
_CONTROL = re.compile(r"control\.tar(\.gz|\.xz|\.zst)?\Z")
_DATA = re.compile(r"data\.tar(\.gz|\.xz|\.zst|\.bz2)?\Z")


def control_member(file: BinaryIO, label: str) -> tuple[BinaryIO, str]:
    """The member of the package in `file` that has what is known of it and its scripts; else as `data_member`."""
    ending, member = _begin(file, label).find("control.tar", _CONTROL)
    return member, ending


def data_member(file: BinaryIO, label: str) -> tuple[BinaryIO, str]:
    """The member of the package in `file` that has its files, and how its name ends, such as ".xz" or nothing.

    Raises MagpkgError, which begins with `label`, where the package is not as deb(5) says: `debian-binary` of a format
    2, `control.tar`, `data.tar`, in this order; others may stand between them if their names begin with `_`. What
    follows them is nobody's. Read here and not by a library, since the one for Debian's archives takes sizes on trust.
    """
    reader = _begin(file, label)
    reader.find("control.tar", _CONTROL)
    ending, member = reader.find("data.tar", _DATA)
    return member, ending


def _begin(file: BinaryIO, label: str) -> "_Members":
    reader = _Members(file, label)
    name, member = reader.next("debian-binary")
    if name != "debian-binary" or not _FORMAT.match(member.read(_FORMAT_BYTES)):
        raise MagpkgError(f"{label}: is no Debian package of format 2: its first member must be debian-binary, 2.0")
    return reader


class _Members:
    """The members of an ar archive, one after the other."""

    def __init__(self, file: BinaryIO, label: str) -> None:
        self._file, self._label = file, label
        self._position, self._end = len(MAGIC), os.fstat(file.fileno()).st_size

    def next(self, wanted: str) -> tuple[str, BinaryIO]:
        """The name of the next member, and the member as a file; an error, where there is none, names `wanted`."""
        if self._position >= self._end:
            raise MagpkgError(f"{self._label}: is an ar archive without {wanted}, so no Debian package")
        self._file.seek(self._position)
        header = self._file.read(_HEADER)
        digits = header[48:58].rstrip(b" ")
        self._position += _HEADER
        if len(header) < _HEADER or header[58:] != b"`\n" or not digits.isdigit():
            raise self._damaged()
        size, start = int(digits), self._position
        if size > self._end - start:
            raise self._damaged()
        self._position += size + size % 2
        # Some programs end names with a slash, as System V did.
        name = header[:16].rstrip(b" ").removesuffix(b"/").decode("ascii", "replace")
        return name, cast("BinaryIO", io.BufferedReader(_Section(self._file, start, size), _CHUNK))

    def find(self, wanted: str, pattern: re.Pattern[str]) -> tuple[str, BinaryIO]:
        """The next member, but for those whose names begin with `_`: the ending of its name, and the member."""
        while True:
            name, member = self.next(wanted)
            match = pattern.match(name)
            if match:
                return match.group(1) or "", member
            if not name.startswith("_"):
                raise MagpkgError(f"{self._label}: has the member {name!r} where {wanted} must be, deb(5)")

    def _damaged(self) -> MagpkgError:
        return MagpkgError(f"{self._label}: is damaged: no ar header where one must be")


class _Section(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self._file.seek(self._start + self._position)
        content = self._file.read(max(0, min(len(buffer), self._size - self._position)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
