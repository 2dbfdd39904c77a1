"""Tar: a stream becomes members, as GNU tar and dpkg read them; what those might read in two ways is an error.

ustar and what came before it, pax headers, and GNU's long names and large numbers are read. Sparse files are not, nor
two extended headers for one member, nor content of what has none. Sources of the rules: POSIX, pax, "ustar Interchange
Format"; the manual of GNU tar, "Basic Tar Format"; deb(5).
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.making.pax import BYTES_MAX, Extension, in_range, read_long, read_records
from magpkg.making.stream import Stream

FILE, LINK, SYMLINK, DIRECTORY = b"0", b"1", b"2", b"5"

_BLOCK = 512
_END = bytes(_BLOCK)
_USTAR = b"ustar\0"  # GNU's own magic has a space there, and other things in the place of the prefix
_FILES = (b"0", b"\0", b"7")
_PAX_FOR_ALL, _LONG_NAME, _LONG_LINK = b"g", b"L", b"K"
_EXTENDED = (b"x", b"X", _PAX_FOR_ALL, _LONG_NAME, _LONG_LINK)  # X is Solaris' x
_NOTHING = Extension()
_SPARSE = b"S"
_NUMBER = re.compile(rb" *([0-7]+)(?:[ \0].*)?\Z", re.DOTALL)
_NAME_MAX = 4096  # PATH_MAX, limits.h(0p)


@dataclass(frozen=True, slots=True)
class Member:
    """One member: one of the four kinds, or another type flag; name, mode, mtime in seconds, size, what it links to."""

    kind: bytes
    name: str
    mode: int
    mtime: int
    size: int
    target: str


class TarReader:
    """Reads the members of a stream, in order."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._mtime: int | None = None  # of all members that come
        self._left = self._padding = 0

    def members(self) -> Iterator[Member]:
        """The members to the end of the archive, which must be marked. Raises MagpkgError for whatever is wrong."""
        while True:
            for _ in self.content():
                pass
            self._stream.take(self._padding)
            block = self._header()
            extension = _NOTHING
            if block is not None and block[156:157] in _EXTENDED:
                extension, block = self._extension(block)
            if block is None:
                return
            member = _member(block, extension, self._mtime, self._stream)
            self._left, self._padding = member.size, -member.size % _BLOCK
            yield member

    def content(self) -> Iterator[bytes]:
        """What is left of the content of the member that came last, in pieces."""
        for piece in self._stream.pieces(self._left):
            self._left -= len(piece)
            yield piece

    def _header(self) -> bytes | None:
        """The next header, its checksum right; None where the archive ends."""
        block = self._stream.take(_BLOCK)
        if block == _END:
            return None
        self._stream.meter.count_steps(1, self._stream.label)
        stored = _number(block[148:156], "checksum", self._stream)
        fields = block[:148] + b" " * 8 + block[156:]
        # The sum is of unsigned bytes; some old programs took them for signed ones.
        if stored != sum(fields) and stored != sum(fields) - 256 * sum(byte > 127 for byte in fields):
            raise self._stream.damaged("no member and no end where one must be: a header with a wrong checksum")
        return block

    def _extension(self, block: bytes) -> tuple[Extension, bytes | None]:
        """What the extended headers from `block` on say, and the header that they belong to."""
        extension, seen = Extension(), b""
        header: bytes | None = block
        while header is not None and (kind := header[156:157]) in _EXTENDED:
            size = _number(header[124:136], "size", self._stream)
            if not 0 <= size <= BYTES_MAX:
                raise self._stream.damaged(f"an extended header of {size:,} bytes")
            # GNU's two may both be needed. Any other two could say different things.
            if seen and kind + seen not in (b"KL", b"LK"):
                raise self._stream.damaged("a second extended header for one member")
            data = self._stream.take(size + -size % _BLOCK)[:size]
            try:
                seen += self._read(kind, data, extension)
            except ValueError as error:
                raise self._stream.damaged(str(error)) from error
            header = self._header()
        if header is None and seen:
            raise self._stream.damaged("an extended header without a member")
        return extension, header

    def _read(self, kind: bytes, data: bytes, extension: Extension) -> bytes:
        """Take what an extended header holds into `extension`; returns its kind if it is of one member alone."""
        if kind == _LONG_NAME:
            extension.path = read_long(data)
        elif kind == _LONG_LINK:
            extension.link = read_long(data)
        elif kind == _PAX_FOR_ALL:
            for_all = Extension()  # GNU tar forgets what an earlier one said; POSIX would not
            self._stream.meter.count_steps(read_records(data, for_all, everywhere=True), self._stream.label)
            self._mtime = for_all.mtime
            return b""
        else:
            self._stream.meter.count_steps(read_records(data, extension, everywhere=False), self._stream.label)
        return kind


def _member(header: bytes, extension: Extension, mtime: int | None, stream: Stream) -> Member:
    kind = header[156:157]
    name = _text(_field(header, 0, 100) if extension.path is None else extension.path, stream)
    if extension.path is None and header[257:263] == _USTAR and header[345]:
        name = f"{_text(_field(header, 345, 500), stream)}/{name}"
    target = ""
    if kind in (LINK, SYMLINK):
        target = _text(_field(header, 157, 257) if extension.link is None else extension.link, stream)
    size = _number(header[124:136], "size", stream) if extension.size is None else extension.size
    if size < 0:
        raise MagpkgError(f"{stream.label}: member {name!r} has a negative size")
    if kind in _FILES:
        kind = DIRECTORY if name.endswith("/") else FILE  # as in the oldest archives, which had no kind for it
    elif kind == _SPARSE:
        raise MagpkgError(f"{stream.label}: member {name!r} is a sparse file, which cannot be read")
    if size and kind in (LINK, SYMLINK, DIRECTORY):
        # GNU tar passes over it or takes it for the next header, as it is asked to list or to unpack.
        raise MagpkgError(f"{stream.label}: member {name!r} has content, which only a file can have")
    if extension.mtime is not None:
        mtime = extension.mtime
    elif mtime is None:
        mtime = in_range(_number(header[136:148], "time", stream))
    return Member(kind, name, _number(header[100:108], "mode", stream), mtime, size, target)


def _field(header: bytes, start: int, end: int) -> bytes:
    return header[start:end].partition(b"\0")[0]


def _text(name: bytes, stream: Stream) -> str:
    if len(name) > _NAME_MAX:
        raise MagpkgError(f"{stream.label}: member {os.fsdecode(name[:60])!r}…: its name has {len(name):,} bytes")
    return os.fsdecode(name)


def _number(field: bytes, what: str, stream: Stream) -> int:
    """A number in octal digits, or in GNU's form for large and negative ones: base 256, marked by its first bit."""
    match = _NUMBER.match(field)
    if match:
        return int(match.group(1), 8)
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (field[0] == 0xFF) * (1 << 8 * (len(field) - 1))
    if not field.strip(b"\0"):
        return 0
    raise stream.damaged(f"a header whose {what} is no number: {field!r}")
