"""Lock sets: the pinned binary packages of a Debian suite become packages.

A binary package is unpacked, not installed: its maintainer scripts do not run. What they would have done and a user
would miss is done by fix-ups, small scripts that ship with magpkg, each named after the package it completes.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from magpkg import __file__ as package_file
from magpkg.debian.alternatives import link_commands, load_alternatives
from magpkg.debian.candidate import compare
from magpkg.debian.lockfile import LOCK_NAME, Lock, Pin, not_locked, read_lock
from magpkg.errors import MagpkgError
from magpkg.fetch.mirror import SCHEME
from magpkg.manifest.package import FIXUP_ENDING, UNDEB, UNTAR, Package, Source, make_package
from magpkg.manifest.sources import Sources

FIXUP_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data", "magpkg", "fixups")

_SCRIPT_START = "#!/bin/busybox sh\nset -e\n"

MERGED_USR = "merged-usr"
"""The fix-up that every package of a set stands on: the links that make /bin, /lib and /sbin parts of /usr."""

FIXUP_TOOLS = "busybox-static"
"""The one package that fix-ups are built with: static, so that it works in a root that holds nothing else."""

_PACKAGES_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data", "magpkg", "packages")


def companions() -> dict[str, tuple[str, ...]]:
    """The packages that a Debian package only recommends and whoever asks for it needs, such as libc6-dev for gcc."""
    with open(f"{_PACKAGES_DIRECTORY}/companions.json", encoding="utf-8") as file:
        return {name: tuple(others) for name, others in json.load(file).items()}


def note_data(sources: Sources) -> None:
    """Take down the files that ship with magpkg and that every set's packages depend on."""
    for directory in (FIXUP_DIRECTORY, f"{FIXUP_DIRECTORY}/inside"):
        for name in ("", *os.listdir(directory)):
            sources.note(os.path.join(directory, name))


@dataclass(frozen=True, slots=True)
class LockSet:
    """The packages of a lock by Debian name, and the names of its base: what makes a root usable."""

    packages: Mapping[str, Package]
    base: tuple[str, ...]


def lockset(text: str, where: str = "lock") -> LockSet:
    """The packages of a lock file's text.

    Packages that depend on one another in a circle become one package, which each of their names stands for. Raises
    MagpkgError naming the place in the lock for whatever is wrong with it.
    """
    lock = read_lock(text, where)
    pins = lock.pins
    made: dict[str, Package] = {}
    fixups = _Fixups(lock)
    # The base first, since some fix-ups are made in it.
    for circle in _circles(pins, [*lock.base, *sorted(pins)]):
        members = sorted(circle)
        inside = set(members)
        depends = {name for member in members for name in pins[member].depends if name not in inside}
        run_deps = [made[name] for name in sorted(depends)]
        if not run_deps and members != [FIXUP_TOOLS]:
            run_deps = fixups.foundation()
        sources = [_source(pins[name]) for name in members]
        package = make_package(_circle_name(members), UNDEB, sources, run_deps)
        for name in members:
            made[name] = package
        for name in members:
            made[name] = fixups.completed(name, made[name], made)
    return LockSet(made, lock.base)


class LockBeside:
    """The packages that a manifest in `directory` names by string: those of the lock file there, read when needed."""

    def __init__(self, directory: str, sources: Sources) -> None:
        self.path = os.path.join(directory, LOCK_NAME)
        self._sources = sources

    def package(self, name: str, where: str) -> Package:
        """The package of this name; MagpkgError, naming `where`, tells to run magpkg lock where the lock lacks it."""
        packages = self._set.packages
        if name not in packages:
            raise not_locked(name, packages, where)
        return packages[name]

    def base(self) -> tuple[Package, ...]:
        """The packages that every set with names from the lock stands on."""
        return tuple(self.package(name, self.path) for name in self._set.base)

    @cached_property
    def _set(self) -> LockSet:
        if self._sources.find([self.path]) is None:
            hint = "run magpkg lock, which makes it, and commit it"
            message = f"{self.path}: there is no such file, and packages that are named by strings are looked up in it"
            raise MagpkgError(message, hint)
        self._sources.vouch(self.path)  # a manifest may have been named; the lock beside it never is
        note_data(self._sources)
        return lockset(self._sources.read_text(self.path), self.path)


class _Fixups:
    """The fix-ups that a set needs, made with the set's own packages.

    Most are made with busybox alone. Those in the folder `inside` need the package that they complete: they are made in
    a root of that and of the base.
    """

    def __init__(self, lock: Lock) -> None:
        self._scripts = _scripts(FIXUP_DIRECTORY)
        self._inside_scripts = _scripts(f"{FIXUP_DIRECTORY}/inside")
        self._alternatives = load_alternatives()
        self._lock = lock
        self._pins = lock.pins

    def foundation(self) -> list[Package]:
        """What every package of the set stands on."""
        return [self._fixup(MERGED_USR, self._scripts[MERGED_USR], ())]

    def completed(self, name: str, package: Package, made: Mapping[str, Package]) -> Package:
        """`package` with the fix-up of the Debian package `name`; itself where there is none."""
        if name == MERGED_USR:
            return package
        if name in self._inside_scripts:
            base = [made[member] for member in self._lock.base if member in made]
            fixup = make_package(f"{name}{FIXUP_ENDING}", self._inside_scripts[name], (), (), (package, *base))
            return make_package(name, UNTAR, (), (package, fixup))
        pin = self._pins[name]
        links = self._alternatives.links(name, pin.version, self._lock.architecture)
        if name not in self._scripts and not links:
            return package
        # Links are the same for every version, so that a fix-up of links alone need not be made again for each.
        sources = [_source(pin)] if name in self._scripts else []
        script = self._scripts.get(name, _SCRIPT_START) + "".join(f"{line}\n" for line in link_commands(links))
        return make_package(name, UNTAR, (), (package, self._fixup(name, script, sources)))

    def _fixup(self, name: str, script: str, sources: Iterable[Source]) -> Package:
        """The package that the script makes; the .deb that it completes is at hand as /fetch/<name>.deb."""
        if FIXUP_TOOLS not in self._pins:
            raise MagpkgError(f"the lock set has no {FIXUP_TOOLS}, which its fix-ups need", "make the lock anew")
        script = script.replace("#!/bin/busybox", f"#!{self._busybox()}")
        tools = make_package(FIXUP_TOOLS, UNDEB, [_source(self._pins[FIXUP_TOOLS])])
        return make_package(f"{name}{FIXUP_ENDING}", script, sources, (), (tools,))

    def _busybox(self) -> str:
        version = self._pins[FIXUP_TOOLS].version
        if not version:
            raise MagpkgError(f"the lock set does not say which version of {FIXUP_TOOLS} it has", "make the lock anew")
        # Since trixie the package has its file below /usr, and no link leads there before the fix-up that makes it.
        return "/usr/bin/busybox" if compare(version, ">=", "1:1.37") else "/bin/busybox"


def _scripts(directory: str) -> dict[str, str]:
    """The scripts in a directory of fix-ups, by the name of the package that each completes."""
    scripts = {}
    for file_name in os.listdir(directory):
        if file_name.endswith(".sh"):
            with open(f"{directory}/{file_name}", encoding="utf-8") as file:
                scripts[file_name.removesuffix(".sh")] = file.read()
    return scripts


def _source(pin: Pin) -> Source:
    return Source(f"{pin.name}.deb", pin.sha256, (f"{SCHEME}{pin.path}",), pin.size)


def _circle_name(members: list[str]) -> str:
    """A name for one package, or for those of a circle: at most two are named, so that it fits a path."""
    return "+".join(members) if len(members) <= 2 else f"{members[0]}+{members[1]}+{len(members) - 2}"


def _circles(pins: Mapping[str, Pin], roots: Iterable[str]) -> Iterator[list[str]]:
    """The strongly connected components of the dependencies, dependencies first (Tarjan's algorithm, iterative).

    They come in the order in which the search from one root after another finds them.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in roots:
        if root in index:
            continue
        work = [(root, iter(pins[root].depends))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(pins[successor].depends)))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = _pop_component(stack, node)
                    on_stack.difference_update(component)
                    yield component


def _pop_component(stack: list[str], root: str) -> list[str]:
    component = []
    while True:
        component.append(stack.pop())
        if component[-1] == root:
            return component
