"""Any manifest at all: an error that names a field or a value with a hash, never another exception."""

import copy
import pathlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from magpkg.errors import MagpkgError
from magpkg.making.rootfs import assemble
from magpkg.manifest.fsentry import read_fs_entries
from magpkg.manifest.manifest import read_manifest, venv_hash
from magpkg.manifest.package import PackageGraph
from tests.support.files import tree_digest

_PARTS = st.sampled_from(["etc", "loop", "evil", "lib", "..", ".", "", "a\nb", "x" * 256, "é", "oldroot", "tmp"])
_PATHS = st.lists(_PARTS, max_size=5).map(lambda parts: "/" + "/".join(parts))
_TEXT = st.one_of(_PATHS, st.text(max_size=8), st.sampled_from(["\0", "\ud800", "A=B", "${HOME}", "untar", "0755"]))
_ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=8,
)
_ENTRY = st.fixed_dictionaries(
    {"type": st.sampled_from(["file", "directory", "symlink"]), "path": _PATHS},
    optional={"target": _TEXT, "contents": _TEXT, "mode": _TEXT},
)
# Where a broken guard would lead: beside the root, never to a place of the host.
_TARGETS = st.sampled_from(["../oldroot", "..", "loop", "lib", "evil", "."])
_NAMES = st.sampled_from(["/evil", "/loop", "/lib"])
_BELOW = st.tuples(_NAMES, st.sampled_from(["x", "oldroot/x", "loop/x"])).map("/".join)
_LINK = st.fixed_dictionaries({"type": st.just("symlink"), "path": _NAMES, "target": _TARGETS})
_FILE = st.fixed_dictionaries(
    {"type": st.just("file"), "path": st.one_of(_PATHS, _BELOW), "contents": st.text(max_size=4)}
)
_PACKAGE = st.fixed_dictionaries(
    {"name": _TEXT}, optional={name: _ANY for name in ("fetch", "build", "runDeps", "buildDeps")}
)
_MANIFEST = st.fixed_dictionaries(
    {"packages": st.lists(st.one_of(_PACKAGE, _ANY), max_size=3)},
    optional={
        "fsEntries": st.lists(st.one_of(_ENTRY, _ANY), max_size=4),
        "mounts": st.lists(st.one_of(_TEXT, _ENTRY, _ANY), max_size=3),
        "envSet": st.one_of(st.dictionaries(_TEXT, _TEXT, max_size=3), _ANY),
        "envKeep": st.one_of(st.lists(_TEXT, max_size=3), _ANY),
        "mountDefaults": _ANY,
    },
)


def told(value: Any) -> str:
    """The hash of a manifest, or its error."""
    try:
        manifest = read_manifest(copy.deepcopy(value), PackageGraph())
        return venv_hash(manifest.closure(), manifest.fs_entries)
    except MagpkgError as error:
        assert error.message
        error.message.encode("utf-8", "replace")
        return f"error: {error.message}"


@settings(max_examples=400, deadline=None)
@given(st.one_of(_MANIFEST, _ANY))
def test_any_value_is_a_manifest_or_an_error(value: Any) -> None:
    assert told(value) == told(value)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(_LINK, _FILE), max_size=6))
def test_no_fs_entry_is_written_outside(tmp_path_factory: Any, items: list[Any]) -> None:
    base: pathlib.Path = tmp_path_factory.mktemp("entries")
    (base / "root").mkdir()
    (base / "oldroot").mkdir()
    before = tree_digest(str(base / "oldroot"))
    try:
        assemble(str(base / "root"), [], read_fs_entries(items, "venv.fsEntries"))
    except MagpkgError as error:
        assert error.message
    assert tree_digest(str(base / "oldroot")) == before
    assert sorted(path.name for path in base.iterdir()) == ["oldroot", "root"]


@settings(max_examples=150, deadline=None)
@given(st.lists(_FILE, max_size=3), st.lists(_FILE, max_size=3))
def test_hashes_are_equal_where_the_entries_are(first: list[Any], second: list[Any]) -> None:
    try:
        one, two = (read_fs_entries(items, "venv.fsEntries") for items in (first, second))
    except MagpkgError:
        return
    assert (venv_hash((), one) == venv_hash((), two)) == (one == two)
