"""Inputs: what an evaluation starts from, and what may stand in for a lock while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an evaluation starts from: an expression or a file, the import path and the outside arguments.

    A `found` file is one that the user has not named; it is held to the rule of the nearest manifest, see owners.
    """

    expression: str | None = None
    file: str | None = None
    import_path: tuple[str, ...] = ()
    external: tuple[tuple[str, str], ...] = ()
    top_level: tuple[tuple[str, str], ...] = ()
    found: bool = False


class LockStandIn(Protocol):
    """What stands in for one lock file while a manifest is asked what it wants of it; see wanted.WantedNames."""

    path: str
    text: str

    def lockset(self) -> Mapping[str, str]:
        """The key of every package that there could be, by name."""
