"""Outputs that a document shows, compared with what is printed as far as that is the same each time."""

import os
import re
from collections.abc import Sequence

# What the store already has is not fetched or made again, and not said.
_PASSING = re.compile(r"magpkg: (fetching|making) ")
_VARYING = re.compile(r"\ba moment\b|\S*\d\S*( (B|KiB|MiB|GiB|seconds?|minutes?)\b)?")


def lasting(text: str) -> list[str]:
    """The lines of an output that are there each time."""
    return [line for line in text.splitlines() if not _PASSING.match(line)]


def outline(text: str) -> list[str]:
    """The same, with `#` for each word that has a digit: versions, sizes, hashes, times."""
    return [re.sub(r"\s+", " ", _VARYING.sub("#", line)).rstrip() for line in lasting(text)]


def is_like(shown: str, printed: str) -> bool:
    """Whether an output is what a page shows of it; a line `...` there stands for any lines."""
    pattern = "".join(r"(.*\n)*" if line == "..." else re.escape(line) + r"\n" for line in outline(shown))
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in outline(printed))) is not None


def as_ordinary_user() -> Sequence[str]:
    """What to put before a command that refuses root, such as PostgreSQL's: it then sees itself as user 1000."""
    return ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.getuid() == 0 else []
