"""Room: how much of the disk what is being made takes, and the error where that is more than it may."""

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.making.bounds import BYTES_VARIABLE, ENTRIES_VARIABLE, Bounds

LOG_BYTES = 1 << 30
"""How long a log may get."""

_BLOCK = 512  # what st_blocks counts, stat(2), whatever the file system's own blocks are
_SECONDS = 1.0
_REST = 20  # times as long as a look took nothing is looked at, so that a look at a large tree does not slow it down


@dataclass(frozen=True, slots=True)
class Room:
    """The directories that something is made in, its log, and the bounds of both; `label` names it in errors."""

    label: str
    directories: Sequence[str]
    log: str
    bounds: Bounds

    def looked(self) -> float:
        """Raise MagpkgError if there is too much by now, else say after how many seconds to look again."""
        began = time.monotonic()
        if os.stat(self.log).st_size > LOG_BYTES:
            os.truncate(self.log, LOG_BYTES)
            raise MagpkgError(f"{self.label}: its log is longer than {LOG_BYTES:,} bytes", f"the log is {self.log}")
        self.check(self.directories)
        return max(_SECONDS, _REST * (time.monotonic() - began))

    def check(self, directories: Sequence[str]) -> None:
        """Raise MagpkgError if these directories hold more than the bounds allow."""
        taken = entries = 0
        counted: set[int] = set()
        pending = list(directories)
        while pending:
            for status, path in _listed(pending.pop()):
                entries += 1
                if stat.S_ISDIR(status.st_mode):
                    pending.append(path)
                elif status.st_nlink == 1 or status.st_ino not in counted:
                    counted.add(status.st_ino)
                    taken += status.st_blocks * _BLOCK
                if taken > self.bounds.bytes:
                    raise self.too_much(self.bounds.bytes, "bytes", BYTES_VARIABLE)
                if entries > self.bounds.entries:
                    raise self.too_much(self.bounds.entries, "entries", ENTRIES_VARIABLE)

    def too_much(self, limit: int, what: str, variable: str) -> MagpkgError:
        """The error for something that took more than `limit`."""
        hint = f"if that is how large it is meant to be, set {variable} to a higher number"
        return MagpkgError(f"{self.label}: takes more than {limit:,} {what}", hint)


def _listed(directory: str) -> list[tuple[os.stat_result, str]]:
    """What is in a directory that may change meanwhile, or be closed to this process for now."""
    found = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    found.append((entry.stat(follow_symlinks=False), entry.path))
                except FileNotFoundError:
                    continue
    except OSError:
        return found
    return found
