"""What differs between two manifests, package by package and field by field."""

from magpkg.inspection.difference import Changes, compare, side_of_manifest, side_of_venv
from magpkg.manifest.manifest import Manifest, read_manifest
from magpkg.manifest.package import Package, PackageGraph, Source, make_package


def deb(name: str, version: str, *needs: Package, content: str = "0") -> Package:
    url = f"debian:pool/main/x/{name}_{version}_amd64.deb"
    return make_package(name, "untar", [Source(f"{name}.deb", content * 64, (url,))], needs)


def fixed(shipped: Package, script: str = "true") -> Package:
    fixup = make_package(f"{shipped.name}-fixup", script, (), (), ())
    return make_package(shipped.name, "untar", (), [shipped, fixup])


def manifest(**fields: object) -> Manifest:
    return read_manifest({"packages": [], **fields}, PackageGraph())


OLD_LIBRARY, NEW_LIBRARY = deb("library", "1"), deb("library", "2", content="1")


def test_packages_are_added_removed_changed_and_moved_onto_others() -> None:
    first = Manifest((deb("tool", "5", OLD_LIBRARY), deb("gone", "1"), fixed(deb("fixed", "1"))))
    second = Manifest((deb("tool", "5", NEW_LIBRARY), deb("new", "3"), fixed(deb("fixed", "1"), "false")))
    found = compare(side_of_manifest("a", first), side_of_manifest("b", second))
    assert [str(item) for item in found.added] == ["new 3"]
    assert [str(item) for item in found.removed] == ["gone 1"]
    changed = [(str(one), str(other)) for one, other in found.changed]
    assert changed == [("fixed 1", "fixed 1"), ("library 1", "library 2")]
    assert [str(item) for item in found.rebased] == ["tool 5"]


def test_one_name_may_stand_for_several_packages() -> None:
    first = Manifest((OLD_LIBRARY,))
    second = Manifest((OLD_LIBRARY, NEW_LIBRARY))
    found = compare(side_of_manifest("a", first), side_of_manifest("b", second))
    assert ([str(item) for item in found.added], found.changed) == (["library 2"], ())


def test_fields_differ_by_name() -> None:
    first = manifest(
        envSet={"A": "1", "B": "2"}, envKeep=["USER"], mounts=["/a", "/b"],
        fsEntries=[{"type": "file", "path": "/x", "contents": "1"}],
    )  # fmt: skip
    second = manifest(
        envSet={"A": "2", "C": "2"}, mounts=["/a", {"type": "ro-bind", "source": "/b"}], mountDefaults=False,
        fsEntries=[{"type": "file", "path": "/x", "contents": "2"}], network=False, seccomp="none",
    )  # fmt: skip
    found = compare(side_of_manifest("a", first), side_of_manifest("b", second))
    assert found.fields == {
        "fsEntries": Changes((), (), ("/x",)),
        "mounts": Changes((), (), ("/b",)),
        "mountDefaults": Changes(("false",), ("true",), ()),
        "hostDefaults": Changes(("false",), ("true",), ()),
        "unshare": Changes(("net",), (), ()),
        "seccomp": Changes(("none",), ("default",), ()),
        "envKeep": Changes((), ("USER",), ()),
        "envSet": Changes(("C",), ("B",), ("A",)),
    }


def test_of_a_venv_only_the_packages_are_known() -> None:
    kept, before = fixed(deb("kept", "1")), deb("tool", "1")
    whole = Manifest((kept, before))
    trees = [package.tree_name for package in whole.closure()]
    venv = side_of_venv("a", "0" * 64, trees)
    assert compare(venv, side_of_manifest("b", whole)) == compare(venv, venv)
    after = deb("tool", "2", content="1")
    found = compare(venv, side_of_manifest("b", Manifest((kept, after))))
    ((one, other),) = found.changed
    assert (one.version, other.version, found.added, found.removed) == (None, "2", (), ())
    assert found.fields is None
    other_venv = side_of_venv("b", "1" * 64, [after.tree_name])
    assert [one.name for one, _ in compare(venv, other_venv).changed] == ["tool"]
