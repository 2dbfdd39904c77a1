"""Bounds: how much a package may hold once it is unpacked, so that no archive fills the disk or the memory."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from magpkg.errors import MagpkgError

BYTES_VARIABLE = "MAGPKG_MAX_UNPACKED_BYTES"
ENTRIES_VARIABLE = "MAGPKG_MAX_UNPACKED_ENTRIES"

# Several times what the largest packages come to; a bomb of a few megabytes holds thousands of times as much.
_BYTES = 64 << 30
_ENTRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes and the most entries that one package may unpack to."""

    bytes: int = _BYTES
    entries: int = _ENTRIES


@dataclass(slots=True)
class Meter:
    """Counts what the archives of one package hold; what is more than `bounds` allow is an error."""

    bounds: Bounds = field(default_factory=Bounds)
    _bytes: int = 0
    _entries: int = 0

    def count_bytes(self, number: int, label: str) -> None:
        """Note that the archive `label` holds this many more bytes."""
        self._bytes += number
        if self._bytes > self.bounds.bytes:
            raise _too_much(label, self.bounds.bytes, "bytes", BYTES_VARIABLE)

    def count_entry(self, label: str) -> None:
        """Note that the archive `label` has one more entry."""
        self._entries += 1
        if self._entries > self.bounds.entries:
            raise _too_much(label, self.bounds.entries, "entries", ENTRIES_VARIABLE)


class MeteredStream(io.RawIOBase):
    """A stream whose bytes are counted as they are read: those of headers and of what follows the archive, too."""

    def __init__(self, stream: BinaryIO, meter: Meter, label: str) -> None:
        self._stream, self._meter, self._label = stream, meter, label

    def read(self, size: int = -1) -> bytes:
        """Read and count up to `size` bytes."""
        content = self._stream.read(size)
        self._meter.count_bytes(len(content), self._label)
        return content


def read_bounds(environment: Mapping[str, str]) -> Bounds:
    """The bounds that the two variables of the environment set, else the usual ones."""
    return Bounds(
        _number(environment, BYTES_VARIABLE, _BYTES),
        _number(environment, ENTRIES_VARIABLE, _ENTRIES),
    )


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise MagpkgError(f"{name}: must be a whole number, got {text!r}")
    return int(text)


def _too_much(label: str, limit: int, what: str, variable: str) -> MagpkgError:
    hint = f"if that is how large it is meant to be, set {variable} to a higher number"
    return MagpkgError(f"{label}: unpacks to more than {limit:,} {what}", hint)
