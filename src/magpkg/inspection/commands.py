"""The commands that packages bring, found in their trees."""

import os
import stat
from collections.abc import Callable, Container, Iterator

from magpkg.inspection.outline import Node, Outline


def commands_of(drawn: Outline, base: Container[str], tree: Callable[[str], str], search_path: str) -> list[str]:
    """The commands of the packages that a manifest names, sorted; those in `base` are left out.

    `tree` gives the directory of a tree. Debian divides what people know as one package: so the commands of a
    dependency whose name begins with the package's own count too, as those of python3-minimal do for python3. A package
    that has no commands stands for those that it depends on, as default-jdk does.
    """
    directories = [directory for directory in search_path.split(":") if directory.startswith("/")]
    found: set[str] = set()
    pending = [drawn.nodes[key] for key in drawn.roots]
    seen: set[str] = set()
    while pending:
        node = pending.pop()
        if node.key in seen or node.name in base:
            continue
        seen.add(node.key)
        own = set(_executables(node, tree, directories))
        found |= own
        needed = [drawn.nodes[key] for key in node.depends]
        pending += [other for other in needed if not own or other.name.startswith(f"{node.name}-")]
    return sorted(found)


def _executables(node: Node, tree: Callable[[str], str], directories: list[str]) -> Iterator[str]:
    for name in node.trees:
        for directory in directories:
            place = tree(name) + directory
            if not os.path.isdir(place):
                continue
            with os.scandir(place) as entries:
                yield from (entry.name for entry in entries if entry.is_symlink() or _is_executable(entry))


def _is_executable(entry: "os.DirEntry[str]") -> bool:
    return entry.is_file() and bool(entry.stat().st_mode & stat.S_IXUSR)
