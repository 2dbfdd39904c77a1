"""Candidates: binary packages as an index describes them, with relations and versions by Debian's rules."""

import operator
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from magpkg.debian.grammar import is_architecture, is_related_name, is_version
from magpkg.debian.lockfile import Pin
from magpkg.errors import MagpkgError
from magpkg.manifest.field import shown

# deb-version(7) and Debian Policy 7.1: "<" and ">" are old spellings of "<=" and ">=".
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<<": operator.lt,
    "<=": operator.le,
    "<": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.ge,
    ">>": operator.gt,
}
_PRIORITIES = ("required", "important", "standard", "optional", "extra")
REQUIRED = _PRIORITIES.index("required")
"""The number of the highest priority."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A package's word about another: a name and, where `operator` is not empty, what its version must be."""

    name: str
    operator: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name

    def admits(self, version: str) -> bool:
        """Whether a package of this name and `version` is meant."""
        return not self.operator or compare(version, self.operator, self.version)

    def admits_provided(self, provided: "Relation") -> bool:
        """Whether what another package provides is meant; without a version it never meets one (Policy 7.5)."""
        if provided.name != self.name:
            return False
        return not self.operator or (bool(provided.version) and self.admits(provided.version))


@dataclass(frozen=True, slots=True)
class Clash:
    """A package's word that it cannot stand beside another: `verb` is "conflicts with" or "breaks"."""

    verb: str
    relation: Relation


@dataclass(frozen=True, slots=True)
class Candidate:
    """One binary package of an index; of each tuple in `depends` and `recommends`, one relation must be met."""

    name: str
    version: str
    architecture: str
    path: str
    sha256: str
    size: int
    priority: int = _PRIORITIES.index("optional")
    depends: tuple[tuple[Relation, ...], ...] = ()
    recommends: tuple[tuple[Relation, ...], ...] = ()
    clashes: tuple[Clash, ...] = ()
    provides: tuple[Relation, ...] = ()
    essential: bool = False
    section: str = ""

    def meets(self, relation: Relation) -> bool:
        """Whether this package is, or provides, what the relation names."""
        if relation.name == self.name and relation.admits(self.version):
            return True
        return any(relation.admits_provided(provided) for provided in self.provides)

    def pin(self, depends: tuple[str, ...]) -> Pin:
        """The package as a lock has it."""
        return Pin(self.name, self.version, self.architecture, self.path, self.sha256, self.size, depends)


def compare(version: str, relation: str, other: str) -> bool:
    """Whether `version` stands in `relation` (<<, <=, =, >=, >>) to `other`, in Debian's order of versions."""
    from debian.debian_support import NativeVersion

    return _OPERATORS[relation](NativeVersion(version), NativeVersion(other))


def lower(old: Mapping[str, Pin], new: Mapping[str, Pin]) -> list[str]:
    """The names whose pins have a lower version in `new` than in `old`, sorted; a version that is none is not lower."""
    found = []
    for name in sorted(old.keys() & new.keys()):
        with suppress(ValueError):
            if old[name].version and new[name].version and compare(new[name].version, "<<", old[name].version):
                found.append(name)
    return found


def read_candidate(fields: Mapping[str, str], architecture: str, where: str) -> Candidate:
    """The candidate that a paragraph of an index describes, for a system of one architecture.

    Raises MagpkgError naming `where` and the field that is missing or cannot be read.
    """
    try:
        depends = [fields[name] for name in ("Pre-Depends", "Depends") if name in fields]
        priority = fields.get("Priority", "optional")
        return Candidate(
            name=_valid(fields["Package"], "name of a package", is_related_name),
            version=_valid(fields["Version"], "version", is_version),
            architecture=_valid(fields["Architecture"], "architecture", is_architecture),
            path=fields["Filename"].removeprefix("./"),
            sha256=fields["SHA256"],
            size=int(_valid(fields["Size"], "number of bytes", _is_number)),
            priority=_PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES),
            depends=_all_of(", ".join(depends), architecture),
            recommends=_all_of(fields.get("Recommends", ""), architecture),
            clashes=(
                *_clashes("conflicts with", fields.get("Conflicts", ""), architecture),
                *_clashes("breaks", fields.get("Breaks", ""), architecture),
            ),
            provides=tuple(
                relation for group in _all_of(fields.get("Provides", ""), architecture) for relation in group
            ),
            essential=fields.get("Essential", "no") == "yes",
            section=fields.get("Section", ""),
        )
    except KeyError as error:
        raise MagpkgError(f"{where}: the field {error.args[0]} is missing") from error
    except ValueError as error:
        raise MagpkgError(f"{where}: cannot be read: {error}") from error


def _clashes(verb: str, text: str, architecture: str) -> tuple[Clash, ...]:
    return tuple(Clash(verb, relation) for group in _all_of(text, architecture) for relation in group)


def _all_of(text: str, architecture: str) -> tuple[tuple[Relation, ...], ...]:
    """The groups of a relation field, in order; relations to other architectures are left out of their group."""
    if not text.strip():
        return ()
    from debian.deb822 import PkgRelation

    return tuple(
        tuple(
            _relation(item["name"], *(item["version"] or ("", "")))
            for item in group
            if item.get("archqual") in (None, "any", "native", architecture)
        )
        for group in PkgRelation.parse_relations(text)
    )


def _relation(name: str, operator: str, version: str) -> Relation:
    # What the library cannot parse it gives back as a name.
    _valid(name, "relation to a package", is_related_name)
    if operator:
        _valid(operator, "relation of versions", _OPERATORS.__contains__)
        _valid(version, "version", is_version)
    return Relation(name, operator, version)


def _valid(text: str, what: str, check: Callable[[str], bool]) -> str:
    if not check(text):
        raise ValueError(f"{shown(text)} is no {what}")
    return text


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
