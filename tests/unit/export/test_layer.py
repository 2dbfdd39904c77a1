"""Layers of package trees, and the archives that they become."""

import io
import os
import pathlib
import stat
import subprocess
import tarfile
from collections.abc import Sequence

import pytest

from magpkg.errors import MagpkgError
from magpkg.export.layer import Layer, check_names, join_layers, limit_layers, make_layers
from magpkg.export.tarball import tarball
from magpkg.making.rootfs import Member, assemble
from magpkg.manifest.fsentry import read_fs_entries
from magpkg.manifest.package import Package
from tests.support.manifests import package


@pytest.fixture
def trees(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory for package trees."""
    return tmp_path


def member(trees: pathlib.Path, made: Package, *files: str) -> Member:
    """A package whose tree has these files, each with its own name in it; `NAME -> TARGET` is a symlink."""
    tree = trees / made.tree_name
    tree.mkdir()
    for text in files:
        name, _, target = text.partition(" -> ")
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        else:
            path.write_text(f"{made.name}: {name}")
    return Member(made, str(tree))


def archive(layer: Layer) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(tarball(layer.entries))))


def names(layer: Layer) -> list[str]:
    return archive(layer).getnames()


def contents(root: pathlib.Path) -> dict[str, tuple[int, str]]:
    """Mode and content of each path below a root."""
    told = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_text() if path.is_file() else ""
        told[str(path.relative_to(root))] = (status.st_mode, content)
    return told


MERGED_USR = ("usr/bin/sh", "bin -> usr/bin", "lib64 -> usr/lib64")


def merged(trees: pathlib.Path) -> list[Member]:
    """Packages with a merged /usr, files that win over others, and links into what is not there yet."""
    base = package("base")
    later = package("later", base)
    more = package("more", later)
    moves = package("moves", more)
    after = package("zafter", moves)
    made = [
        member(trees, base, *MERGED_USR, "etc/conf", "etc/alt -> conf"),
        member(trees, later, "bin/tool", "lib64/ld.so", "etc/conf", "opt/link -> ../usr/lib64"),
        member(trees, more, "opt/link/deep/file", "etc/alt -> other", "usr/bin/tool"),
        member(trees, moves, "opt/link -> ../srv"),
        member(trees, after, "opt/link/deep/again"),
    ]
    os.chmod(f"{made[2].tree}/usr", 0o700)
    return made


def test_layers_one_over_the_other_are_the_rootfs(trees: pathlib.Path) -> None:
    members = merged(trees)
    given = [{"type": "file", "path": "/bin/mine", "contents": "x"}, {"type": "directory", "path": "/a", "mode": "700"}]
    entries = read_fs_entries(given, "x")
    (trees / "root").mkdir()
    (trees / "unpacked").mkdir()
    assemble(str(trees / "root"), members, entries)
    layers = make_layers(members, entries, [("etc/passwd", "root\n"), ("etc/conf", "not used")])
    for layer in layers:
        words = ["tar", "-xp", "-C", str(trees / "unpacked")]
        subprocess.run(words, input=b"".join(tarball(layer.entries)), check=True)
    wanted = contents(trees / "root")
    wanted |= dict.fromkeys(("tmp", "var/tmp"), (stat.S_IFDIR | 0o1777, ""))
    wanted["etc/passwd"] = (wanted["etc/passwd"][0], "root\n")
    assert contents(trees / "unpacked") == wanted
    joined = {entry.path: entry for layer in layers for entry in layer.entries}
    assert {entry.path: entry for entry in join_layers(layers).entries} == joined


def test_a_layer_has_its_package_where_that_ends_up(trees: pathlib.Path) -> None:
    first, second, third, _, fifth, last = make_layers(merged(trees))
    assert names(first) == ["bin", "etc", "etc/alt", "etc/conf", "lib64", "usr", "usr/bin", "usr/bin/sh"]
    # `bin` leads to usr/bin, `lib64` to what is made for it; the directories above are in the layer, too.
    assert set(names(second)) == {
        "etc", "etc/conf", "opt", "opt/link", "usr", "usr/bin", "usr/bin/tool", "usr/lib64", "usr/lib64/ld.so",
    }  # fmt: skip
    assert "usr/lib64/deep/file" in names(third)
    assert "srv/deep/again" in names(fifth)
    assert "proc" in names(last)


def test_a_layer_does_not_depend_on_what_else_is_there(trees: pathlib.Path) -> None:
    base, tool, other = package("base"), package("tool"), package("another")
    members = [member(trees, base, *MERGED_USR), member(trees, tool, "bin/tool", "usr/share/x")]
    more = member(trees, other, "usr/share/other", "bin/tool")
    alone = make_layers(members)[1]
    beside = make_layers([members[0], more, members[1]])[2]
    assert b"".join(tarball(alone.entries)) == b"".join(tarball(beside.entries))


def test_only_a_packages_own_hard_links_are_hard_links(trees: pathlib.Path) -> None:
    one, two = member(trees, package("one"), "usr/z", "usr/b"), member(trees, package("two"), "usr/c")
    os.link(f"{one.tree}/usr/z", f"{one.tree}/usr/y")
    os.link(f"{one.tree}/usr/b", trees / "elsewhere")
    os.unlink(f"{two.tree}/usr/c")
    os.link(f"{one.tree}/usr/z", f"{two.tree}/usr/c")  # as a store that shares files between trees would have it
    whole = archive(join_layers(make_layers([one, two])))
    kinds = {info.name: info.linkname if info.islnk() else "file" for info in whole if not info.isdir()}
    assert {name: kinds[name] for name in ("usr/z", "usr/y", "usr/b", "usr/c")} == {
        "usr/y": "file", "usr/z": "usr/y", "usr/b": "file", "usr/c": "file",
    }  # fmt: skip


def test_an_archive_tells_nothing_of_the_machine(trees: pathlib.Path) -> None:
    one = member(trees, package("one"), "usr/bin/x", "usr/l -> x", "usr/long" + "g" * 150)
    os.utime(f"{one.tree}/usr/bin/x", ns=(1_700_000_000_123_456_789,) * 2)
    infos = list(archive(join_layers(make_layers([one]))))
    assert {(info.uid, info.gid, info.uname, info.gname) for info in infos} == {(0, 0, "", "")}
    times = {info.name: info.mtime for info in infos if info.isdir() or info.issym() or info.name == "usr/bin/x"}
    assert times.pop("usr/bin/x") == 1_700_000_000
    assert set(times.values()) == {315532800}
    assert [info.name for info in infos] == sorted(info.name for info in infos)


def weights(layers: Sequence[Layer]) -> list[tuple[str, ...]]:
    return [layer.names for layer in layers]


def test_the_smallest_neighbours_share_a_layer_where_there_are_too_many(trees: pathlib.Path) -> None:
    members = [member(trees, package(name), f"usr/{name}") for name in "abcde"]
    pathlib.Path(f"{members[1].tree}/usr/large").write_bytes(bytes(100_000))
    layers = make_layers(members)
    a, b, c, d, e = (member.package.tree_name for member in members)
    assert weights(limit_layers(layers, 6)) == [(a,), (b,), (c,), (d,), (e,), ("fsEntries",)]
    assert weights(limit_layers(layers, 4)) == [(a,), (b,), (c, d, e), ("fsEntries",)]
    assert weights(limit_layers(layers, 1)) == [(a, b, c, d, e, "fsEntries")]
    joined = limit_layers(layers, 2)
    assert join_layers(joined).entries == join_layers(layers).entries


def test_a_package_without_files_has_no_layer(trees: pathlib.Path) -> None:
    members = [member(trees, package("group")), member(trees, package("real"), "x")]
    assert [layer.names for layer in make_layers(members)] == [(members[1].package.tree_name,), ("fsEntries",)]


@pytest.mark.parametrize("name", ["usr/.wh.bin", ".wh..wh..opq", "opt/.wh.a/b", "l -> x", ".wh.l -> x"])
def test_no_image_holds_a_name_that_makes_another_vanish(trees: pathlib.Path, name: str) -> None:
    layers = make_layers([member(trees, package("a"), "usr/bin/a", "opt/a.wh.b"), member(trees, package("b"), name)])
    if ".wh." not in name:
        check_names(layers)
        return
    with pytest.raises(MagpkgError, match=r"^b-[0-9a-f]{64}: .*\.wh\..*: would make another file vanish"):
        check_names(layers)
