"""The model of a merge comes to what the merge comes to, however odd the trees."""

import pathlib
import tempfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from magpkg.errors import MagpkgError
from magpkg.inspection.model import merged
from magpkg.making.rootfs import Member, assemble
from magpkg.manifest.fsentry import FsEntry, sort_entries
from magpkg.store.listing import take
from magpkg.store.tree import Tree
from tests.support.manifests import package

_PART = st.sampled_from(["bin", "usr", "lib", "a", "tmp"])
_PATH = st.lists(_PART, min_size=1, max_size=3).map("/".join)
_MODE = st.sampled_from([0o755, 0o700, 0o644, 0o500])
_NODE = st.one_of(
    st.tuples(st.just("directory"), _PATH, _MODE, st.just("")),
    st.tuples(st.just("file"), _PATH, _MODE, st.sampled_from(["", "one", "two"])),
    st.tuples(st.just("symlink"), _PATH, st.just(0o777), st.sampled_from(["usr", "../a", "/lib", "..", "usr/bin"])),
)
_Node = tuple[str, str, int, str]
_ABSOLUTE = ("symlink", "bin/a", 0o777, "/lib")
_UPWARDS = ("symlink", "bin/lib", 0o777, "../a")
_TREE = st.lists(_NODE, max_size=8)


def _fill(root: pathlib.Path, nodes: list[_Node]) -> None:
    root.mkdir()
    with Tree(str(root), "x") as tree:
        for kind, path, mode, content in nodes:
            try:
                if kind == "directory":
                    tree.make_directory(path, mode)
                elif kind == "file":
                    tree.write_file(path, mode, [content.encode()])
                else:
                    tree.make_symlink(path, content)
            except MagpkgError:
                continue  # what no tree can hold


def _entry(node: _Node) -> FsEntry:
    kind, path, mode, content = node
    return FsEntry(kind, f"/{path}", mode, *(("", content) if kind == "symlink" else (content, "")))


@settings(max_examples=60, deadline=None)
@example([[_ABSOLUTE], [("file", "bin/a/usr", 0o644, "one")]], [])
@example([[_UPWARDS], [("file", "bin/lib/usr", 0o644, "one")]], [])
@example(
    [[_ABSOLUTE], [("file", "bin/a/usr", 0o644, "one")], [("symlink", "bin/a", 0o777, "usr")]],
    [("file", "bin/a/x", 0o644, "")],
)
@example([[("symlink", "a", 0o777, ".")], [("file", "a/a", 0o644, "one"), ("file", "a/b", 0o644, "two")]], [])
@given(st.lists(_TREE, max_size=4), st.lists(_NODE, max_size=3, unique_by=lambda node: node[1]))
def test_the_model_is_what_is_made(trees: list[list[_Node]], extra: list[_Node]) -> None:
    entries = sort_entries(_entry(node) for node in extra)
    with tempfile.TemporaryDirectory() as directory:
        members = []
        for index, nodes in enumerate(trees):
            _fill(pathlib.Path(directory, str(index)), nodes)
            members.append(Member(package(f"p{index}"), f"{directory}/{index}"))
        listings = [take(member.tree) for member in members]
        root = pathlib.Path(directory, "root")
        root.mkdir()
        try:
            assemble(str(root), members, entries)
        except MagpkgError:
            with pytest.raises(MagpkgError):
                merged([("package", listing) for listing in listings], entries)
            return
        assert merged([("package", listing) for listing in listings], entries) == take(str(root))
