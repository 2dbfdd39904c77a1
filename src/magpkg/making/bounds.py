"""Bounds: how much a package may hold once it is unpacked, so that no archive fills the disk or the memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from magpkg.errors import MagpkgError

BYTES_VARIABLE = "MAGPKG_MAX_UNPACKED_BYTES"
ENTRIES_VARIABLE = "MAGPKG_MAX_UNPACKED_ENTRIES"
SECONDS_VARIABLE = "MAGPKG_MAX_SCRIPT_SECONDS"

# Several times what the largest packages come to; a bomb of a few megabytes holds thousands of times as much.
_BYTES = 64 << 30
_ENTRIES = 1_000_000
_SECONDS = 900  # the slowest known, of TeX's formats, take a tenth of it
# What a small archive may hold is less: many times what any package of Debian does for its size, and done in seconds.
_BYTES_AT_LEAST = 64 << 20
_BYTES_PER_BYTE = 1000
_ENTRIES_AT_LEAST = 1500
_BYTES_PER_ENTRY = 8
# Headers and their records read, directories gone through, for each entry that there may be.
_STEPS_PER_ENTRY = 50


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most bytes and entries that one package may unpack to, and seconds that its maintainer scripts may take.

    A small archive has lower ones, unless a bound is another than the usual one or among the variables `stated`.
    """

    bytes: int = _BYTES
    entries: int = _ENTRIES
    seconds: int = _SECONDS
    stated: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class Meter:
    """Counts what the archives of one package hold; what is more than `bounds` allow is an error."""

    bounds: Bounds = field(default_factory=Bounds)
    _bytes: int = 0
    _entries: int = 0
    _steps: int = 0
    _input: int = 0
    _bytes_max: int = 0
    _entries_max: int = 0

    def count_input(self, size: int) -> None:
        """Note that an archive of `size` bytes comes: as much more may it hold."""
        self._input += size
        self._bytes_max, self._entries_max = self.bounds.bytes, self.bounds.entries
        if self._bytes_max == _BYTES and BYTES_VARIABLE not in self.bounds.stated:
            self._bytes_max = min(_BYTES, _BYTES_AT_LEAST + self._input * _BYTES_PER_BYTE)
        if self._entries_max == _ENTRIES and ENTRIES_VARIABLE not in self.bounds.stated:
            self._entries_max = min(_ENTRIES, _ENTRIES_AT_LEAST + self._input // _BYTES_PER_ENTRY)

    def count_bytes(self, number: int, label: str) -> None:
        """Note that the archive `label` holds this many more bytes."""
        self._bytes += number
        if self._bytes > self._bytes_max:
            raise self._too_much(label, self._bytes_max, "bytes", BYTES_VARIABLE)

    def count_entry(self, label: str) -> None:
        """Note that the archive `label` has one more entry, or made a directory for one."""
        self._entries += 1
        if self._entries > self._entries_max:
            raise self._too_much(label, self._entries_max, "entries", ENTRIES_VARIABLE)

    def count_steps(self, number: int, label: str) -> None:
        """Note that it took this many steps more: headers, records in them, directories on the way to an entry."""
        self._steps += number
        most = self._entries_max * _STEPS_PER_ENTRY
        if self._steps > most:
            raise self._too_much(label, most, "headers and directories on the way", ENTRIES_VARIABLE)

    def _too_much(self, label: str, limit: int, what: str, variable: str) -> MagpkgError:
        hint = f"if that is how large it is meant to be, set {variable} to a higher number"
        return MagpkgError(f"{label}: unpacks to more than {limit:,} {what}", hint)


def read_bounds(environment: Mapping[str, str]) -> Bounds:
    """The bounds that the two variables of the environment set, else the usual ones."""
    stated = tuple(name for name in (BYTES_VARIABLE, ENTRIES_VARIABLE) if environment.get(name))
    return Bounds(
        _number(environment, BYTES_VARIABLE, _BYTES),
        _number(environment, ENTRIES_VARIABLE, _ENTRIES),
        _number(environment, SECONDS_VARIABLE, _SECONDS),
        stated,
    )


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    text = environment.get(name, "")
    if not text:
        return usual
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise MagpkgError(f"{name}: must be a whole number, got {text!r}")
    return int(text)
