"""The base: what every Debian system has without anything depending on it, by a rule over the suite's index."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from magpkg.debian.candidate import REQUIRED, Candidate

ADDED = ("ca-certificates", "gawk", "netbase", "usr-is-merged")
"""What the rule has no word for: TLS, the awk that scripts are written for, /etc/protocols, and the package that says
that a root has a merged /usr. Without it the program that merges one, and all of Perl with it, would come."""

# Of what is only Priority: required, libraries come where something needs them, and what is Section: admin looks after
# a machine: disks, accounts, packages. The time zones are left, and what else a program takes for granted.
_LEFT_OUT = ("admin", "libs", "oldlibs")


class Marked(Protocol):
    """Where the packages are looked for; see index.Universe."""

    def marked(self, line: str) -> Iterable[str]:
        """The names of the packages that have this line in a paragraph."""

    def candidates(self, name: str) -> Sequence[Candidate]:
        """The packages of this name, preferred ones first."""


def base_of(universe: Marked) -> tuple[str, ...]:
    """The names of the base's packages, sorted.

    These are all that are Essential: yes, which other packages need not name (Debian policy 3.8); of those that are
    Priority: required (2.5) the ones that programs expect; and `ADDED`, as far as the suite has them. A required
    package that only gives what one of `ADDED` gives as well, such as another awk, stays out.
    """
    added = [found for name in ADDED if (found := _preferred(universe, name)) is not None]
    given = {relation.name for candidate in added for relation in candidate.provides}
    essential = [item for item in _all_marked(universe, "Essential: yes") if item.essential]
    required = [
        item
        for item in _all_marked(universe, "Priority: required")
        if item.priority == REQUIRED and item.section.rpartition("/")[2] not in _LEFT_OUT
    ]
    expected = [item for item in required if not given & {relation.name for relation in item.provides}]
    return tuple(sorted({item.name for item in (*added, *essential, *expected)}))


def _all_marked(universe: Marked, line: str) -> Iterable[Candidate]:
    found = (_preferred(universe, name) for name in universe.marked(line))
    return [candidate for candidate in found if candidate is not None]


def _preferred(universe: Marked, name: str) -> Candidate | None:
    return next(iter(universe.candidates(name)), None)
