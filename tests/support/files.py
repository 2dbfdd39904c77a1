"""File systems: one that is a dictionary, and what can be told of a real one."""

import hashlib
import os
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class DictFiles:
    """`magpkg.view.Files` by a dictionary: "dir", "file", "exe" or "-> target" by path; parents come by themselves."""

    nodes: Mapping[str, str]
    modes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole = {"/": "dir"}
        for path, node in self.nodes.items():
            parent = os.path.dirname(path)
            while parent != "/":
                whole.setdefault(parent, "dir")
                parent = os.path.dirname(parent)
            whole[path] = node
        self.nodes = whole

    def kind(self, path: str, *, follow: bool = False) -> str:
        """See magpkg.view.Files."""
        node = self.nodes.get(self.real_path(path) if follow else self._above(path))
        if node is None:
            return "missing"
        return {"dir": "directory", "file": "file", "exe": "file"}.get(node, "symlink")

    def source_kind(self, path: str) -> str:
        """See magpkg.view.Files."""
        return self.kind(path)

    def link_target(self, path: str) -> str:
        """See magpkg.view.Files."""
        node = self.nodes[self._above(path)]
        assert node.startswith("-> ")
        return node.removeprefix("-> ")

    def names(self, path: str) -> Sequence[str]:
        """See magpkg.view.Files."""
        directory = self.real_path(os.path.normpath(path))
        return sorted(
            os.path.basename(node) for node in self.nodes if node != "/" and os.path.dirname(node) == directory
        )

    def mode(self, path: str) -> int:
        """See magpkg.view.Files."""
        return self.modes.get(path, 0o755)

    def executable(self, path: str) -> bool:
        """See magpkg.view.Files."""
        return self.nodes[self.real_path(path)] == "exe"

    def _above(self, path: str) -> str:
        """`path` without symlinks above its last part."""
        return path if path == "/" else os.path.join(self.real_path(os.path.dirname(path)), os.path.basename(path))

    def real_path(self, path: str) -> str:
        """See magpkg.view.Files."""
        for _ in range(40):
            for end in range(len(parts := path.split("/"))):
                head = "/".join(parts[: end + 1])
                node = self.nodes.get(head, "")
                if node.startswith("-> "):
                    rest = "/".join(parts[end + 1 :])
                    path = os.path.normpath(os.path.join(os.path.dirname(head), node[3:], rest))
                    break
            else:
                return path
        return path


def tree_digest(root: str) -> dict[str, tuple[str | int, ...]]:
    """Everything that can be told of each path below `root`: kind, mode, time, size, links, content."""
    told: dict[str, tuple[str | int, ...]] = {}
    pending = [root]
    while pending:
        path = pending.pop()
        status = os.lstat(path)
        content = ""
        if os.path.islink(path):
            content = os.readlink(path)
        elif os.path.isdir(path):
            names = sorted(os.listdir(path))
            pending += [f"{path}/{name}" for name in names]
            content = "\n".join(names)
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        told[path.removeprefix(root)] = (status.st_mode, status.st_mtime_ns, status.st_size, status.st_uid, content)
    return told


def settle(directory: pathlib.Path) -> None:
    """Launch until a plan is kept: that of a file which was changed a moment ago is not."""
    plans = pathlib.Path(directory, "plans-wait")
    plans.write_text("")
    changed = os.stat(plans).st_ctime_ns
    while os.stat(plans).st_ctime_ns - changed < 60_000_000:
        os.utime(plans)
    plans.unlink()
