"""Merging package trees into a rootfs."""

import datetime
import json
import os
import pathlib
import stat
import zoneinfo

import pytest

from magpkg.errors import MagpkgError
from magpkg.making.rootfs import SKELETON_DIRECTORIES, SKELETON_FILES, Member, assemble
from magpkg.manifest.fsentry import read_fs_entries
from magpkg.manifest.manifest import LAYOUT_VERSION
from magpkg.manifest.package import Package
from tests.support.archives import sha256
from tests.support.manifests import package


class Trees:
    """Package trees below a directory, and roots assembled of them."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory

    def member(self, made: Package, **files: str) -> Member:
        """A package whose tree has these files; `__` in a name stands for a slash, `-> ` begins a symlink."""
        tree = self.directory / made.tree_name
        tree.mkdir()
        for name, content in files.items():
            path = tree / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            if content.startswith("-> "):
                path.symlink_to(content[3:])
            else:
                path.write_text(content)
        return Member(made, str(tree))

    def assembled(self, *members: Member, entries: object = ()) -> tuple[pathlib.Path, tuple[str, ...]]:
        """A root of these members, and the warnings."""
        root = self.directory / f"root{len(list(self.directory.iterdir()))}"
        root.mkdir()
        return root, assemble(str(root), members, read_fs_entries(list(entries), "x"))  # type: ignore[call-overload]


@pytest.fixture
def trees(tmp_path: pathlib.Path) -> Trees:
    """Package trees in a directory of their own."""
    return Trees(tmp_path)


def test_trees_are_merged_and_their_files_shared(trees: Trees) -> None:
    a, b = trees.member(package("a"), usr__bin__a="A"), trees.member(package("b"), usr__bin__b="B")
    root, warnings = trees.assembled(a, b)
    assert warnings == ()
    assert (root / "usr/bin/a").read_text() + (root / "usr/bin/b").read_text() == "AB"
    shared, own = os.stat(root / "usr/bin/a"), os.stat(f"{a.tree}/usr/bin/a")
    assert shared.st_ino == own.st_ino or shared.st_mtime_ns == own.st_mtime_ns


def test_a_dependents_file_wins_without_a_warning(trees: Trees) -> None:
    below = package("below")
    lower = trees.member(below, etc__conf="lower")
    upper = trees.member(package("above", below), etc__conf="upper")
    root, warnings = trees.assembled(lower, upper)
    assert (root / "etc/conf").read_text() == "upper"
    assert (pathlib.Path(lower.tree) / "etc/conf").read_text() == "lower"
    assert warnings == ()


def test_unrelated_packages_with_different_files_are_warned_about(trees: Trees) -> None:
    a, b = (
        trees.member(package("a"), etc__conf="a", etc__same="x"),
        trees.member(package("b"), etc__conf="b", etc__same="x"),
    )
    root, warnings = trees.assembled(a, b)
    assert (root / "etc/conf").read_text() == "b"
    assert warnings == ("/etc/conf: a and b ship different files; b's is used",)


def test_a_directory_over_a_symlink_to_one_follows_it(trees: Trees) -> None:
    base = trees.member(package("base"), usr__lib__a="A", lib="-> usr/lib")
    old = trees.member(package("old"), lib__b="B")
    root, _ = trees.assembled(base, old)
    assert os.readlink(root / "lib") == "usr/lib"
    assert sorted(os.listdir(root / "usr/lib")) == ["a", "b"]


def test_the_same_link_again_is_no_conflict_with_the_directory_it_leads_to(trees: Trees) -> None:
    below = package("below")
    links = trees.member(below, sbin="-> usr/sbin")
    files = trees.member(package("files", below), usr__sbin__a="A")
    again = trees.member(package("links", below), sbin="-> usr/sbin")
    _, warnings = trees.assembled(links, files, again)
    assert warnings == ()


def test_a_tree_cannot_write_outside_of_the_root(trees: Trees) -> None:
    outside = trees.directory / "outside"
    outside.mkdir()
    evil = trees.member(package("evil"), link=f"-> {outside}")
    more = trees.member(package("more"), link__file="written")
    root, _ = trees.assembled(evil, more)
    assert list(outside.iterdir()) == []
    assert pathlib.Path(f"{root}{outside}/file").read_text() == "written"


def test_a_file_over_a_directory_is_an_error(trees: Trees) -> None:
    a, b = trees.member(package("a"), x__y=""), trees.member(package("b"), x="")
    with pytest.raises(MagpkgError, match="x: would replace a directory"):
        trees.assembled(a, b)


def test_the_mount_points_are_there_and_replace_nothing(trees: Trees) -> None:
    member = trees.member(package("a"), etc__hosts="mine", opt="-> /srv")
    root, _ = trees.assembled(member)
    assert (root / "etc/hosts").read_text() == "mine"
    assert os.readlink(root / "opt") == "/srv"
    assert (root / "etc/resolv.conf").read_text() == ""
    assert all((root / path).is_dir() for path in SKELETON_DIRECTORIES if path != "opt")


def test_the_skeleton_changes_only_with_the_layout_version() -> None:
    directories = "dev etc home media mnt opt proc root run srv sys tmp usr/share/zoneinfo var/tmp"
    text = json.dumps({name: content.decode("latin-1") for name, content in SKELETON_FILES.items()})
    assert LAYOUT_VERSION == "3"
    assert tuple(directories.split()) == SKELETON_DIRECTORIES
    assert sha256(text.encode()) == "9849c6280695686f07c9015538ba8fc85523d4e9f9208462f31cb5bcb77f1d93"


def test_the_time_zone_of_a_rootfs_is_utc(trees: Trees) -> None:
    root, _ = trees.assembled()
    with open(root / "etc/localtime", "rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file)
    assert datetime.datetime(2030, 7, 1, tzinfo=zone).strftime("%Z %z") == "UTC +0000"


def test_fs_entries_are_written_over_packages_and_not_into_their_trees(trees: Trees) -> None:
    member = trees.member(package("a"), etc__motd="package", etc__link="-> motd")
    entries = [
        {"type": "file", "path": "/etc/motd", "contents": "Grüße\n", "mode": "600"},
        {"type": "file", "path": "/etc/link", "contents": "mine"},
        {"type": "directory", "path": "/srv/data", "mode": "750"},
        {"type": "symlink", "path": "/etc/localtime", "target": "/usr/share/zoneinfo/UTC"},
    ]
    root, _ = trees.assembled(member, entries=entries)
    assert (root / "etc/motd").read_bytes() == "Grüße\n".encode()
    assert stat.S_IMODE(os.stat(root / "etc/motd").st_mode) == 0o600
    assert not (root / "etc/link").is_symlink()
    assert stat.S_IMODE(os.stat(root / "srv/data").st_mode) == 0o750
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/UTC"
    assert (pathlib.Path(member.tree) / "etc/motd").read_text() == "package"
