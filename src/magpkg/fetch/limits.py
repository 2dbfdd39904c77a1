"""Limits: how much, how slow and how broken what a server gives may be."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from magpkg.errors import MagpkgError

BYTES_VARIABLE = "MAGPKG_MAX_DOWNLOAD_BYTES"
"""The variable for the largest file that is downloaded where nothing says how large it is."""

_BYTES = 16 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server is granted; all times are in seconds."""

    connect: float = 10
    silence: float = 30  # without one byte
    answer: float = 60  # from the request to the end of the headers, interim answers included
    window: float = 60  # in which `rate` bytes a second must have come
    rate: int = 1024
    whole: float = 6 * 3600  # for one file
    breaks: int = 4  # one after another without getting further
    breaks_in_all: int = 100
    redirects: int = 8
    wait: float = 60  # the longest Retry-After that is waited for
    backoff: float = 0.3  # the first wait of our own, which doubles


class Pace:
    """Measures one file as it comes: what is too slow, or takes too long in all, is an OSError.

    Counted is the time in which the server is waited for, not that in which what came is written.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._started = self._since = time.monotonic()
        self._waited = 0.0
        self._bytes = 0

    def wait(self) -> None:
        """Note that from now on the server is waited for."""
        self._since = time.monotonic()

    def came(self, received: int) -> None:
        """Note that so many bytes came of what was waited for."""
        limits, now = self._limits, time.monotonic()
        self._bytes += received
        self._waited += now - self._since
        self._since = now
        if self._waited >= limits.window:
            if self._bytes < limits.rate * self._waited:
                raise OSError(f"gives less than {limits.rate} bytes a second")
            self._waited, self._bytes = 0.0, 0
        if now - self._started > limits.whole:
            raise OSError(f"is not there whole after {limits.whole / 3600:.0f} hours")


class Breaks:
    """Counts how often the reception of one file failed; once that is too often, the last failure is raised."""

    def __init__(self, limits: Limits, position: int) -> None:
        self._limits = limits
        self._furthest = position
        self._in_vain = self._in_all = 0

    def count(self, position: int, failed: OSError, asked: float = 0) -> float:
        """Note a failure after so many bytes; returns how many seconds to wait, at least the `asked` within reason."""
        # A large file on a bad line breaks off often; what counts is how often without having got further.
        self._in_vain = 1 if position > self._furthest else self._in_vain + 1
        self._furthest = max(position, self._furthest)
        self._in_all += 1
        if self._in_vain > self._limits.breaks or self._in_all > self._limits.breaks_in_all:
            raise failed
        own: float = self._limits.backoff * 2 ** (self._in_vain - 1)
        return max(own, min(asked, self._limits.wait))

    def count_unreached(self, failed: OSError) -> float:
        """Note that no server was reached, for which one more try is enough: a person is waiting for the word."""
        if self._in_vain:
            raise failed
        return self.count(self._furthest, failed)


def most_bytes(environment: Mapping[str, str]) -> int:
    """The most bytes of a download whose size nothing says: as the variable says, else 16 GiB."""
    text = environment.get(BYTES_VARIABLE, "")
    if not text:
        return _BYTES
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise MagpkgError(f"{BYTES_VARIABLE}: must be a whole number, got {text!r}")
    return int(text)
