"""Outlines: the packages of a manifest as people speak of them, and the ways through their dependencies. Pure.

A Debian package with a fix-up is three packages to the store: as it was shipped, the fix-up, and the two together. An
outline shows the three as one.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from magpkg.fetch.mirror import SCHEME
from magpkg.manifest.package import FIXUP_ENDING, Package, Source, runtime_closure

# Of a url nothing else is a version: it may be a stranger's, and stands in pictures and on terminals.
_DEBIAN_FILE = re.compile(r"[^/_]+_(?P<version>[A-Za-z0-9.+~:-]+)_(?P<architecture>[a-z0-9-]+)\.deb\Z")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.+~: _@-]")
_ANY_ARCHITECTURE = "all"


@dataclass(frozen=True, slots=True)
class Node:
    """One package: its key in the outline, name, version ("" where nothing tells), what it is made from, its needs.

    The version is Debian's without the epoch, which file names leave out. `made_from` tells two packages of one name
    and version apart, dependencies aside. `depends` are keys. `trees` are the names of its trees in the store.
    """

    key: str
    name: str
    version: str
    made_from: tuple[str, ...]
    depends: tuple[str, ...]
    trees: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class Outline:
    """The packages of a closure by key, in merge order, and the keys of those that the manifest names."""

    roots: tuple[str, ...]
    nodes: Mapping[str, Node]

    def named(self, name: str) -> list[Node]:
        """The nodes of this name; of a circle of Debian packages, which is one node, each name counts."""
        return [node for node in self.nodes.values() if name in (node.name, *node.name.split("+"))]

    def shortest_paths(self, key: str) -> list[tuple[Node, ...]]:
        """For each root from which `key` is reached, one shortest path from it, in the roots' order."""
        paths = (self._shortest(root, key) for root in self.roots)
        return [path for path in paths if path]

    def _shortest(self, root: str, wanted: str) -> tuple[Node, ...]:
        came_from: dict[str, str] = {root: ""}
        pending = deque([root])
        while pending:
            key = pending.popleft()
            if key == wanted:
                path = []
                while key:
                    path.append(self.nodes[key])
                    key = came_from[key]
                return tuple(reversed(path))
            for child in self.nodes[key].depends:
                if child not in came_from:
                    came_from[child] = key
                    pending.append(child)
        return ()


def outline(packages: Sequence[Package]) -> Outline:
    """The outline of the runtime closure of `packages`."""
    closure = runtime_closure(packages)
    whole = {package.hash: package for package in closure}
    stands_for = {part.hash: package.hash for package in closure for part in _parts(package)}
    nodes: dict[str, Node] = {}
    for package in closure:
        if package.hash in stands_for:
            continue
        parts = (package, *_parts(package))
        needs = (dependency.hash for part in parts for dependency in part.run_deps)
        keys = dict.fromkeys(stands_for.get(need, need) for need in needs)
        depends = sorted((key for key in keys if key != package.hash), key=lambda key: (whole[key].name, key))
        sources = [source for part in parts for source in part.fetch]
        made_from = tuple(text for part in parts for text in (part.build, *(item.sha256 for item in part.fetch)))
        trees = tuple(part.tree_name for part in parts)
        nodes[package.hash] = Node(package.hash, package.name, _version(sources), made_from, tuple(depends), trees)
    roots = dict.fromkeys(stands_for.get(package.hash, package.hash) for package in packages)
    return Outline(tuple(roots), nodes)


def debian_architecture(packages: Iterable[Package]) -> str:
    """What Debian calls the architecture of the packages; "" where they are for any, or none is Debian's."""
    for found in (match for package in packages for match in _debian_files(package.fetch)):
        if found["architecture"] != _ANY_ARCHITECTURE:
            return found["architecture"]
    return ""


def tree_lines(drawn: Outline) -> Iterator[str]:
    """The dependencies as an indented tree; what stands above with all that it needs is not unfolded again."""
    seen: set[str] = set()
    pending = [(key, 0) for key in reversed(drawn.roots)]
    while pending:
        key, depth = pending.pop()
        node = drawn.nodes[key]
        again = key in seen and bool(node.depends)
        yield f"{'  ' * depth}{node}{' (see above)' if again else ''}"
        if key not in seen:
            seen.add(key)
            pending.extend((child, depth + 1) for child in reversed(node.depends))


def without_shortcuts(drawn: Outline) -> Outline:
    """The outline without the dependencies that others lead to as well: the rest can be read in a drawing."""
    reached = {key: _reached(drawn, node.depends) for key, node in drawn.nodes.items()}
    nodes = {}
    for key, node in drawn.nodes.items():
        below = {child for need in node.depends for child in reached[need]}
        nodes[key] = replace(node, depends=tuple(need for need in node.depends if need not in below))
    return Outline(drawn.roots, nodes)


def _reached(drawn: Outline, keys: Iterable[str]) -> set[str]:
    found: set[str] = set()
    pending = list(keys)
    while pending:
        key = pending.pop()
        if key not in found:
            found.add(key)
            pending.extend(drawn.nodes[key].depends)
    return found


def dot_lines(drawn: Outline) -> Iterator[str]:
    """The graph in the language of graphviz."""
    yield "digraph magpkg {"
    yield '  rankdir=LR; node [shape=box, style=rounded, fontname="sans-serif", fontsize=10]; edge [color=gray50];'
    for number, node in enumerate(drawn.nodes.values()):
        bold = ", penwidth=2" if node.key in drawn.roots else ""
        yield f'  n{number} [label="{_plain(node.name)}\\n{_plain(node.version)}"{bold}];'
    yield from (f"  n{one} -> n{other};" for one, other in _edges(drawn))
    yield "}"


def mermaid_lines(drawn: Outline) -> Iterator[str]:
    """The graph in the language of mermaid."""
    yield "graph LR"
    yield from (f'  n{number}["{_plain(str(node))}"]' for number, node in enumerate(drawn.nodes.values()))
    yield from (f"  n{one} --> n{other}" for one, other in _edges(drawn))


def _plain(text: str) -> str:
    """Text that cannot end a quoted label of either language, nor begin markup or an escape in it."""
    return _NOT_PLAIN.sub("\N{REPLACEMENT CHARACTER}", text)


def _edges(drawn: Outline) -> Iterator[tuple[int, int]]:
    numbers = {key: number for number, key in enumerate(drawn.nodes)}
    return ((numbers[node.key], numbers[child]) for node in drawn.nodes.values() for child in node.depends)


def _parts(package: Package) -> tuple[Package, ...]:
    """What a package with a fix-up consists of; nothing for others."""
    if package.fetch or len(package.run_deps) != 2:
        return ()
    shipped = [part for part in package.run_deps if not part.name.endswith(FIXUP_ENDING)]
    fixups = [part for part in package.run_deps if part.name == f"{package.name}{FIXUP_ENDING}"]
    return (*shipped, *fixups) if len(shipped) == len(fixups) == 1 else ()


def _version(sources: Iterable[Source]) -> str:
    return next((found["version"] for found in _debian_files(sources)), "")


def _debian_files(sources: Iterable[Source]) -> Iterator[re.Match[str]]:
    for source in sources:
        for url in source.urls:
            found = _DEBIAN_FILE.search(url) if url.startswith(SCHEME) else None
            if found:
                yield found
