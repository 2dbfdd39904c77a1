"""Choices: the links that update-alternatives(1) would make of what the postinsts of a closure say in plain words."""

import os
from collections.abc import Sequence

from magpkg.making.dpkg import DATABASE, Record
from magpkg.making.rootfs import Member
from magpkg.making.scripts import Alternative, alternatives
from magpkg.store.tree import Tree

_DIRECTORY = "etc/alternatives"


def write_choices(tree: Tree, packages: Sequence[Record], members: Sequence[Member]) -> None:
    """Write the links, and what update-alternatives keeps of them, of all packages whose scripts do not run.

    Of several that offer one name the one of the highest priority is chosen, as it is in a system that nobody changed.
    """
    offered: dict[str, list[tuple[Alternative, str]]] = {}
    trees = [member.tree for member in members]
    for record in packages:
        for found in alternatives(record.text("postinst")):
            if _is_there(found.path, [record.tree, *trees]):
                offered.setdefault(found.name, []).append((found, record.tree))
    for name, group in sorted(offered.items()):
        if "/" in name or name.startswith("."):
            continue
        best, shipped = max(group, key=lambda pair: pair[0].priority)
        _link(tree, best.link, name, best.path)
        for link, slave, path in best.slaves:
            if _is_there(path, [shipped, *trees]) and "/" not in slave and not slave.startswith("."):
                _link(tree, link, slave, path)
        tree.write_file(f"{DATABASE}/alternatives/{name}", 0o644, [_kept([item for item, _ in group], best).encode()])


def _link(tree: Tree, link: str, name: str, path: str) -> None:
    tree.make_symlink(f"{_DIRECTORY}/{name}", path)
    tree.make_symlink(link.lstrip("/"), f"/{_DIRECTORY}/{name}")


def _kept(group: Sequence[Alternative], best: Alternative) -> str:
    """What update-alternatives(1), FILES, has in its administrative directory of one name."""
    slaves = sorted({(slave, link) for item in group for link, slave, _ in item.slaves})
    lines = ["auto", best.link, *(word for pair in slaves for word in pair), ""]
    for item in sorted({item.path: item for item in group}.values(), key=lambda item: item.path):
        paths = {slave: path for _, slave, path in item.slaves}
        lines += [item.path, str(item.priority), *(paths.get(slave, "") for slave, _ in slaves)]
    return "\n".join([*lines, "", ""])


def _is_there(path: str, trees: Sequence[str]) -> bool:
    """Whether some tree has `path`, under this name or that of before the merged /usr."""
    names = [path, path.removeprefix("/usr") if path.startswith("/usr/") else f"/usr{path}"]
    return any(os.path.lexists(f"{tree}{name}") for tree in trees for name in names)
