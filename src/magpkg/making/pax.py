"""Extended headers: what stands before a member and says what its own header has no room for."""

import math
from dataclasses import dataclass

BYTES_MAX = 1 << 20
"""The most that one may hold: names, and attributes that are not read."""

_LATEST = 2**32 - 1
_SPARSE = b"GNU.sparse."
_SIZE_DIGITS_MAX = 19


@dataclass(slots=True)
class Extension:
    """What is said of the next member beside its own header; None where nothing is."""

    path: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    mtime: int | None = None


def read_records(data: bytes, extension: Extension, *, everywhere: bool) -> int:
    """Take the records of a pax header into `extension`; returns how many there are.

    `everywhere` says that it is meant for all members that come. Other records than of path, linkpath, size and mtime
    are passed over: owners, times of access and attributes have no place in a tree. POSIX, pax, "pax Extended Header".

    Raises ValueError, saying what, where a record is not as it must be, or the member is a sparse file.
    """
    at = count = 0
    while at < len(data):
        count += 1
        space = data.find(b" ", at, at + 8)
        digits = data[at : max(space, at)]
        end = at + int(digits) if digits.isdigit() else 0
        equals = data.find(b"=", space, end)
        if not space < equals < end <= len(data) or data[end - 1] != 0x0A:
            raise ValueError(f"an extended header without a record where one must be (byte {at})")
        _take(data[space + 1 : equals], data[equals + 1 : end - 1], extension, everywhere)
        at = end
    return count


def _take(name: bytes, value: bytes, extension: Extension, everywhere: bool) -> None:
    if name == b"mtime":
        extension.mtime = read_moment(value)
    elif name in (b"path", b"linkpath", b"size"):
        if everywhere:
            raise ValueError(f"an extended header that gives all members one {name.decode()}")
        if not value:
            raise ValueError(f"an extended header with an empty {name.decode()}")
        if name == b"path":
            extension.path = value
        elif name == b"linkpath":
            extension.link = value
        elif not value.isdigit() or len(value) > _SIZE_DIGITS_MAX:
            raise ValueError("an extended header with a size that is no number")
        else:
            extension.size = int(value)
    elif name.startswith(_SPARSE):
        raise ValueError("a sparse file, which cannot be read; pack it without --sparse")


def read_long(data: bytes) -> bytes:
    """The name that a GNU header of the kinds K and L holds, which ends at the first NUL."""
    name = data.partition(b"\0")[0]
    if not name:
        raise ValueError("an extended header with an empty name")
    return name


def read_moment(text: bytes) -> int:
    """A time in seconds, without the fraction; what is none, such as infinity, is the epoch."""
    whole = text.partition(b".")[0]
    if whole.isdigit() and len(whole) <= _SIZE_DIGITS_MAX:
        return in_range(int(whole))
    try:
        seconds = float(text) if len(text) <= 64 else math.nan
    except ValueError:
        return 0
    return int(min(max(seconds, 0), _LATEST)) if math.isfinite(seconds) else 0


def in_range(seconds: int) -> int:
    """A time that every file system can hold."""
    return min(max(seconds, 0), _LATEST)
