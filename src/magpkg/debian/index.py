"""Indices: the Packages files of suites, looked into without reading more of them than is asked for.

An index has some 60,000 paragraphs and 50 MB. One pass finds where each begins; a paragraph is read when its package
comes up, which in a resolution is a few hundred of them.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key

from magpkg.debian.candidate import Candidate, compare, read_candidate
from magpkg.errors import MagpkgError
from magpkg.manifest.field import shown

# Several times what Debian has: the archive belongs to strangers, and both cost time.
_PARAGRAPH_BYTES_MAX = 1 << 20
_OF_A_NAME_MAX = 10_000

_NAME = re.compile(rb"^Package: *(.+)$", re.MULTILINE)
_PROVIDES = re.compile(rb"^Provides: *((?:.+\n )*.+)$", re.MULTILINE)
_PROVIDED_NAME = re.compile(rb"(?:^|,)\s*([^\s(,:]+)")


@dataclass(frozen=True, slots=True)
class Match:
    """A package that a search found."""

    name: str
    version: str
    description: str


def as_match(fields: Mapping[str, str]) -> Match:
    """What a search shows of a package, from its fields."""
    return Match(fields.get("Package", ""), fields.get("Version", ""), fields.get("Description", ""))


class PackagesIndex:
    """One Packages file: `data` is its text, `label` its name in errors."""

    def __init__(self, data: bytes, label: str) -> None:
        self._data = data
        self._label = label

    @cached_property
    def offsets(self) -> Mapping[str, Sequence[int]]:
        """Where the paragraphs of each package begin."""
        found: dict[str, list[int]] = {}
        before = -1
        for match, start in self._with_starts(_NAME.finditer(self._data)):
            name = match.group(1).decode("utf-8", "replace")
            if start == before:
                raise MagpkgError(f"{self._label}: package {shown(name)}: one paragraph has two fields Package")
            before = start
            found.setdefault(name, []).append(start)
        return found

    @cached_property
    def provided(self) -> Mapping[str, Sequence[int]]:
        """Where the paragraphs begin that provide each virtual package."""
        found: dict[str, list[int]] = {}
        for match, start in self._with_starts(_PROVIDES.finditer(self._data)):
            for name in _PROVIDED_NAME.findall(match.group(1)):
                found.setdefault(name.decode("utf-8", "replace"), []).append(start)
        return found

    def candidate(self, offset: int, architecture: str) -> Candidate:
        """The package whose paragraph begins at `offset`."""
        fields = self._fields_at(offset)
        return read_candidate(fields, architecture, f"{self._label}: package {fields.get('Package', '?')}")

    def marked(self, line: str) -> Iterator[str]:
        """The names of the packages that have this line in their paragraph."""
        seen = -1
        for _, start in self._with_starts(re.finditer(b"\n" + re.escape(line.encode()) + b"\n", self._data)):
            if start == seen:
                continue
            seen = start
            named = _NAME.search(self._data, start, self._end(start))
            if named is not None:
                yield named.group(1).decode("utf-8", "replace")

    def names_from(self, begun: str) -> Iterator[str]:
        """The names of packages that begin with `begun`."""
        # Beginning with plain text, not with ^, makes the search one for that text: 50 MB in 50 ms, not in a second.
        field = b"Package: " + begun.encode("utf-8", "surrogateescape")
        if self._data[: len(field)] == field:
            yield self._data[9 : self._data.find(b"\n")].decode("utf-8", "replace")
        for match in re.finditer(rb"\n" + re.escape(field) + rb"[^\n]*", self._data):
            yield match.group()[10:].decode("utf-8", "replace")

    def search(self, words: Sequence[str]) -> Iterator[Match]:
        """The packages whose name and short description have all of `words` in them, in the file's order."""
        first, *others = (word.lower() for word in words)
        pattern = rb"(?i)^(?:Package|Description): .*" + re.escape(first.encode("utf-8", "surrogateescape"))
        seen = -1
        for _, start in self._with_starts(re.finditer(pattern, self._data, re.MULTILINE)):
            if start != seen:
                seen = start
                found = as_match(self._fields_at(start))
                if all(word in f"{found.name} {found.description}".lower() for word in others):
                    yield found

    def fields(self, name: str) -> Iterator[Mapping[str, str]]:
        """The fields of each package called `name`, deb-control(5)."""
        return map(self._fields_at, self.offsets.get(name, ()))

    def _fields_at(self, start: int) -> dict[str, str]:
        end = self._end(start)
        if end - start > _PARAGRAPH_BYTES_MAX:
            raise MagpkgError(f"{self._label}: a paragraph has more than {_PARAGRAPH_BYTES_MAX} bytes")
        return _fields(self._data[start:end].decode("utf-8", "replace"))

    def _with_starts(self, matches: Iterator[re.Match[bytes]]) -> Iterator[tuple[re.Match[bytes], int]]:
        """The matches, in order, each with where its paragraph begins.

        Looked for from the match before: an index of one paragraph would be gone through anew for each of its lines.
        """
        start = seen = 0
        for match in matches:
            blank = self._data.rfind(b"\n\n", seen, match.start() + 1)
            start = start if blank < 0 else blank + 2
            seen = match.start()
            yield match, start

    def _end(self, start: int) -> int:
        end = self._data.find(b"\n\n", start)
        return len(self._data) if end < 0 else end


class Universe:
    """The packages of groups of indices for one architecture; those of an earlier group are preferred.

    In a group are the indices of suites that belong together: of what several of them have the highest version counts.
    """

    def __init__(self, groups: Sequence[Sequence[PackagesIndex]], architecture: str) -> None:
        self.architecture = architecture
        self._indices = [index for group in groups for index in group]
        first = itertools.accumulate((len(group) for group in groups), initial=0)
        self._groups = [range(start, start + len(group)) for start, group in zip(first, groups, strict=False)]
        self._candidates: dict[str, tuple[Candidate, ...]] = {}
        self._read: dict[tuple[int, int], Candidate] = {}

    def names(self) -> set[str]:
        """The names of all packages, virtual ones not among them."""
        return {name for index in self._indices for name in index.offsets}

    def marked(self, line: str) -> set[str]:
        """The names of the packages that have this line in a paragraph of any of the indices."""
        return {name for index in self._indices for name in index.marked(line)}

    def candidates(self, name: str) -> Sequence[Candidate]:
        """The packages of this name: by order of groups, and within one the highest version first."""
        if name not in self._candidates:
            found: list[Candidate] = []
            for group in self._groups:
                members = self._members(name, [(number, self._indices[number].offsets) for number in group])
                found.extend(sorted(members, key=cmp_to_key(_higher_first)))
            self._candidates[name] = tuple(found)
        return self._candidates[name]

    def providers(self, name: str) -> Sequence[Candidate]:
        """The packages that provide `name`: by order of groups, priority (required first), then by name."""
        found: list[Candidate] = []
        for group in self._groups:
            members = self._members(name, [(number, self._indices[number].provided) for number in group])
            found.extend(sorted(members, key=lambda candidate: (candidate.priority, candidate.name)))
        return found

    def _members(self, name: str, tables: Sequence[tuple[int, Mapping[str, Sequence[int]]]]) -> list[Candidate]:
        found = [(number, offset) for number, offsets in tables for offset in offsets.get(name, ())]
        if len(found) > _OF_A_NAME_MAX:
            raise MagpkgError(f"{shown(name)}: more than {_OF_A_NAME_MAX} packages have or provide this name")
        return [self._candidate(number, offset) for number, offset in found]

    def _candidate(self, number: int, offset: int) -> Candidate:
        key = (number, offset)
        if key not in self._read:
            self._read[key] = self._indices[number].candidate(offset, self.architecture)
        return self._read[key]


def _higher_first(one: Candidate, other: Candidate) -> int:
    if one.version == other.version:
        return 0
    return -1 if compare(one.version, ">>", other.version) else 1


def _fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph; a line that begins with a space goes on with the field above it, deb822(5)."""
    fields: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in paragraph.split("\n"):
        if line[:1] in (" ", "\t"):
            lines.append(line)
        else:
            name, _, value = line.partition(":")
            fields[name] = lines = [value.strip()]
    return {name: "\n".join(lines) for name, lines in fields.items()}
