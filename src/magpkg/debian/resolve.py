"""Resolution: names and the packages of a suite become a closed set of pins. Pure.

The rules, which docs/lock.md tells to users:

- The names asked for are chosen first, in alphabetical order; then what they depend on, breadth first.
- Of a name, the preferred candidate is the one of the old lock, if there is one and the suite still has it; else that
  of the first suite that has the name, and of those that belong together with it, in the highest version.
- A dependency that something chosen meets is met. Else its alternatives are tried from left to right: a real package
  of that name first, then the packages that provide it, by priority and name. One that clashes with what is chosen
  already is passed over while there is another.
- Where a package chosen earlier turns out too old or too new, or broken by another, and a different version of it
  would do, the resolution starts again with that known.
- What still clashes in the end is an error that names both sides.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from magpkg.debian.candidate import Candidate, Relation
from magpkg.debian.lockfile import Pin
from magpkg.debian.synonyms import meant
from magpkg.errors import MagpkgError

_NAMED_MAX = 8  # of one kind in a message
_VERSION = 50  # what a comparison of versions takes, in other comparisons


class Packages(Protocol):
    """What there is to choose from; see index.Universe."""

    def names(self) -> set[str]:
        """The names of all packages, virtual ones not among them."""

    def candidates(self, name: str) -> Sequence[Candidate]:
        """The packages of this name, preferred ones first."""

    def providers(self, name: str) -> Sequence[Candidate]:
        """The packages that provide `name`, preferred ones first."""


@dataclass(frozen=True, slots=True)
class _Demand:
    """What is known of a package's version from an earlier try: it must be, or must not be, what `relation` says."""

    relation: Relation
    must: bool
    origin: str

    def allows(self, candidate: Candidate) -> bool:
        return self.relation.admits(candidate.version) == self.must

    def __str__(self) -> str:
        return f"{self.origin} {'needs' if self.must else 'cannot stand beside'} {self.relation}"


@dataclass(slots=True)
class Effort:
    """Counts the comparisons of a resolution: an archive can describe packages with which it would go on for ever."""

    comparisons_max: int = 20_000_000  # six times what GNOME, KDE and TeX Live together take, with all recommended
    tries_max: int = 200
    seconds_max: float = 120
    _started: float = field(default_factory=time.monotonic)
    _comparisons: int = 0
    _tries: int = 0

    def compare(self, count: int = 1) -> None:
        """Note that so many packages, relations or demands are compared with one."""
        self._comparisons += count
        if self._comparisons > self.comparisons_max:
            raise _endless(f"{self.comparisons_max:,} comparisons")
        if time.monotonic() - self._started > self.seconds_max:
            raise _endless(f"{self.seconds_max:.0f} seconds")

    def again(self, demand: _Demand) -> None:
        """Note that the resolution begins anew, with what `demand` says in mind."""
        self._tries += 1
        if self._tries > self.tries_max:
            raise _endless(f"{self.tries_max:,} tries, the last since {demand}")


def _endless(spent: str) -> MagpkgError:
    hint = "ask for fewer names at once, to find the ones that it goes wrong with"
    return MagpkgError(f"the dependencies are given up after {spent}", hint)


class _Again(Exception):
    def __init__(self, demand: _Demand) -> None:
        super().__init__(demand)
        self.demand = demand


def resolve(
    packages: Packages,
    names: Iterable[str],
    held: Mapping[str, Pin] | None = None,
    companions: Mapping[str, Sequence[str]] | None = None,
    *,
    recommends: bool = False,
    effort: Effort | None = None,
) -> dict[str, Pin]:
    """The pins of `names` and of all that they need, by name.

    `held` are pins to prefer, of an earlier lock. `companions` are packages that count as needed by others although
    these do not depend on them, where there are any; with `recommends` so do all that are recommended. Raises
    MagpkgError for names that do not exist, dependencies that cannot be met, packages that clash, and where it takes
    more than the `effort`.
    """
    demands: list[_Demand] = []
    effort = effort or Effort()
    while True:
        resolution = _Resolution(packages, held or {}, companions or {}, demands, recommends, effort)
        try:
            return resolution.run(sorted(set(names)))
        except _Again as again:
            effort.again(again.demand)
            demands.append(again.demand)


class _Resolution:
    def __init__(
        self,
        packages: Packages,
        held: Mapping[str, Pin],
        companions: Mapping[str, Sequence[str]],
        demands: Sequence[_Demand],
        recommends: bool,
        effort: Effort,
    ) -> None:
        self._packages = packages
        self._held = held
        self._companions = companions
        self._demands = demands
        self._demands_on: dict[str, list[_Demand]] = {}
        for demand in demands:
            self._demands_on.setdefault(demand.relation.name, []).append(demand)
        self._recommends = recommends
        self._effort = effort
        self._chosen: dict[str, Candidate] = {}
        self._provided: dict[str, list[Candidate]] = {}
        self._wanted_by: dict[str, str | None] = {}
        self._queue: deque[Candidate] = deque()

    def run(self, names: Iterable[str]) -> dict[str, Pin]:
        for name in names:
            self._choose(self._asked_for(name), None)
        depends: dict[str, set[str]] = {}
        while self._queue:
            candidate = self._queue.popleft()
            needed = {self._satisfied(candidate, group).name for group in candidate.depends}
            needed.update(self._accompanying(candidate))
            if self._recommends:
                needed.update(self._recommended(candidate))
            depends[candidate.name] = needed - {candidate.name}
        self._check_clashes()
        return {name: self._chosen[name].pin(tuple(sorted(depends[name]))) for name in sorted(self._chosen)}

    def _asked_for(self, name: str) -> Candidate:
        found = next(self._allowed(name), None)
        if found is not None:
            return found
        if self._packages.candidates(name):
            raise MagpkgError(f"no version of {name} will do: {self._known_demands(name)}")
        providers = sorted({provider.name for provider in self._packages.providers(name)})
        if providers:
            hint = f"ask for one of those that provide it: {', '.join(providers[:_NAMED_MAX])}"
            raise MagpkgError(f"{name} is a virtual package", hint)
        likely = meant(name, self._packages.names())
        raise MagpkgError(f"there is no package {name}", f"did you mean {likely}?" if likely else None)

    def _choose(self, candidate: Candidate, wanted_by: str | None) -> Candidate:
        if candidate.name not in self._chosen:
            self._chosen[candidate.name] = candidate
            self._wanted_by[candidate.name] = wanted_by
            for provided in candidate.provides:
                self._provided.setdefault(provided.name, []).append(candidate)
            self._queue.append(candidate)
        return candidate

    def _satisfied(self, candidate: Candidate, group: Sequence[Relation]) -> Candidate:
        """What is chosen to meet one dependency of `candidate`."""
        found = self._met(group) or self._best_option(group)
        if found is None:
            raise self._unmet(candidate, group)
        return self._choose(found, candidate.name)

    def _accompanying(self, candidate: Candidate) -> Iterator[str]:
        for name in self._companions.get(candidate.name, ()):
            found = self._met([Relation(name)]) or next(self._allowed(name), None)
            if found is not None:
                yield self._choose(found, candidate.name).name

    def _recommended(self, candidate: Candidate) -> Iterator[str]:
        for group in candidate.recommends:
            found = self._met(group) or self._best_option(group)
            if found is not None and (found.name in self._chosen or not self._clashes(found)):
                yield self._choose(found, candidate.name).name

    def _met(self, group: Sequence[Relation]) -> Candidate | None:
        """Something chosen already that meets the dependency, or None."""
        for relation in group:
            named = self._chosen.get(relation.name)
            for candidate in ([named] if named else []) + self._provided.get(relation.name, []):
                self._effort.compare(1 + len(candidate.provides))
                if candidate.meets(relation):
                    return candidate
        return None

    def _best_option(self, group: Sequence[Relation]) -> Candidate | None:
        options = [option for relation in group for option in self._options(relation)]
        if len(options) < 2:
            return next(iter(options), None)
        return next((option for option in options if not self._clashes(option)), options[0])

    def _options(self, relation: Relation) -> Iterator[Candidate]:
        """The packages that could be chosen to meet the relation, one of each name, preferred ones first."""
        seen = set(self._chosen)
        if relation.name not in seen:
            real = next((item for item in self._allowed(relation.name) if relation.admits(item.version)), None)
            if real is not None:
                yield real
        for provider in self._packages.providers(relation.name):
            self._effort.compare(1 + len(provider.provides))
            if provider.name not in seen and provider.meets(relation) and provider == self._preferred(provider.name):
                seen.add(provider.name)
                yield provider

    def _allowed(self, name: str) -> Iterator[Candidate]:
        """The candidates of a name that no demand rules out, preferred ones first."""
        held = self._held.get(name)
        candidates = self._packages.candidates(name)
        demands = self._demands_on.get(name, ())
        kept = [item for item in candidates if held and (item.version, item.sha256) == (held.version, held.sha256)]
        for candidate in (*kept[:1], *candidates):
            self._effort.compare(1 + _VERSION * len(demands))
            if all(demand.allows(candidate) for demand in demands):
                yield candidate

    def _preferred(self, name: str) -> Candidate | None:
        return next(self._allowed(name), None)

    def _unmet(self, candidate: Candidate, group: Sequence[Relation]) -> Exception:
        """The demand that another try can meet, else the error."""
        origin = f"{candidate.name} {candidate.version}"
        for relation in group:
            if relation.name in self._chosen and any(
                relation.admits(item.version) for item in self._allowed(relation.name)
            ):
                return _Again(_Demand(relation, True, origin))
        text = " | ".join(str(relation) for relation in group[:_NAMED_MAX]) or "a package of another architecture"
        there = [
            f"{item.name} {item.version}"
            for relation in group[:_NAMED_MAX]
            for item in self._packages.candidates(relation.name)[:_NAMED_MAX]
        ]
        known = "; ".join(self._known_demands(relation.name) for relation in group)
        message = f"{self._reason(candidate.name)} depends on {text}, which cannot be had"
        message += f": there is {', '.join(there)}" if there else ": there is no such package"
        return MagpkgError(message + (f"; {known}" if known.strip("; ") else ""), "is a suite or component missing?")

    def _known_demands(self, name: str) -> str:
        known = [str(demand) for demand in self._demands_on.get(name, ())]
        return "; ".join(known[-_NAMED_MAX:])

    def _clashes(self, option: Candidate) -> bool:
        """Whether `option` and something chosen cannot stand together, whoever of them says so."""
        for chosen in self._chosen.values():
            self._effort.compare(
                len(option.clashes) * (1 + len(chosen.provides)) + len(chosen.clashes) * (1 + len(option.provides))
            )
            if any(chosen.meets(clash.relation) for clash in option.clashes):
                return True
            if any(option.meets(clash.relation) for clash in chosen.clashes):
                return True
        return False

    def _check_clashes(self) -> None:
        for candidate in self._chosen.values():
            for clash in candidate.clashes:
                for other in self._meant(clash.relation):
                    if other.name != candidate.name:
                        raise self._clash(candidate, clash.verb, clash.relation, other)

    def _meant(self, relation: Relation) -> Iterator[Candidate]:
        named = self._chosen.get(relation.name)
        for candidate in ([named] if named else []) + self._provided.get(relation.name, []):
            self._effort.compare(1 + len(candidate.provides))
            if candidate.meets(relation):
                yield candidate

    def _clash(self, candidate: Candidate, verb: str, relation: Relation, other: Candidate) -> Exception:
        """The demand for another version of `other` where there is one, else the error."""
        if relation.name == other.name and any(not relation.admits(item.version) for item in self._allowed(other.name)):
            return _Again(_Demand(relation, False, f"{candidate.name} {candidate.version}"))
        message = f"{self._reason(candidate.name)} {verb} {relation}, and that is {self._reason(other.name)}"
        return MagpkgError(message, "leave out one of them")

    def _reason(self, name: str) -> str:
        """A chosen package and how it came to be chosen."""
        chain = [f"{name} {self._chosen[name].version}"]
        dependent = self._wanted_by[name]
        while dependent is not None:
            chain.append(dependent)
            dependent = self._wanted_by[dependent]
        if len(chain) > _NAMED_MAX:
            chain[_NAMED_MAX // 2 : -_NAMED_MAX // 2] = ["..."]
        return chain[0] if len(chain) == 1 else f"{chain[0]} (needed by {', by '.join(chain[1:])})"
