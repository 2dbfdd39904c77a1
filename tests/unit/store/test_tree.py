"""The confined writer: nothing that it is told to write leaves its root."""

import os
import pathlib
import stat
from collections.abc import Callable

import pytest

from magpkg.errors import MagpkgError
from magpkg.store.tree import Tree, make_point, remove, tidy
from tests.support.machine import room


@pytest.fixture
def places(tmp_path: pathlib.Path) -> tuple[str, str]:
    """A root, and a directory outside that must stay as it is."""
    for name in ("root", "outside"):
        (tmp_path / name).mkdir()
    (tmp_path / "outside" / "file").write_text("untouched")
    return str(tmp_path / "root"), str(tmp_path / "outside")


def read(path: str) -> str:
    """The text of a file that is no symlink."""
    assert not os.path.islink(path)
    return pathlib.Path(path).read_text()


def test_files_directories_and_links(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree:
        tree.write_file("usr/bin/a", 0o755, [b"one", b"two"], 1000)
        tree.make_directory("usr/share", 0o750)
        tree.make_link("usr/bin/b", "usr/bin/a")
        tree.make_symlink("usr/bin/c", "a")
        tree.make_symlink("dangling", "nowhere")
        assert tree.exists("usr/bin/c")
        assert tree.exists("dangling")
        assert not tree.exists("usr/bin/d")
    assert read(f"{root}/usr/bin/a") == "onetwo"
    assert os.stat(f"{root}/usr/bin/a").st_mtime == 1000
    assert stat.S_IMODE(os.stat(f"{root}/usr/bin/a").st_mode) == 0o755
    assert stat.S_IMODE(os.stat(f"{root}/usr/share").st_mode) == 0o750
    assert os.path.samefile(f"{root}/usr/bin/a", f"{root}/usr/bin/b")
    assert os.readlink(f"{root}/usr/bin/c") == "a"


def test_modes_do_not_depend_on_the_umask_and_the_owner_can_read(places: tuple[str, str]) -> None:
    root, _ = places
    previous = os.umask(0o077)
    try:
        with Tree(root, "package a") as tree:
            tree.write_file("a/b/c", 0o002, [])
            tree.make_directory("d", 0o005)
    finally:
        os.umask(previous)
    modes = [stat.S_IMODE(os.stat(f"{root}/{path}").st_mode) for path in ("a", "a/b", "a/b/c", "d")]
    assert modes == [0o755, 0o755, 0o402, 0o705]


@pytest.mark.parametrize("up", ["/", "../../../../../../../", "x/../../../../"])
def test_a_symlinked_parent_leads_no_further_than_the_root(places: tuple[str, str], up: str) -> None:
    root, outside = places
    with Tree(root, "package evil") as tree:
        tree.make_symlink("evil", f"{up}{outside.lstrip('/')}")
        tree.write_file("evil/file", 0o644, [b"written"])
        tree.make_symlink("evil/link", "x")
        tree.make_directory("evil/directory")
        tree.make_link("evil/hard", "evil/file")
    assert os.listdir(outside) == ["file"]
    assert read(f"{outside}/file") == "untouched"
    assert read(f"{root}{outside}/file") == "written"


def test_a_file_replaces_a_symlink_and_is_not_written_through_it(places: tuple[str, str]) -> None:
    root, outside = places
    with Tree(root, "package evil") as tree:
        tree.make_symlink("file", f"{outside}/file")
        tree.write_file("file", 0o777, [b"written"])
        tree.make_symlink("test_tree.py", f"{outside}/file")
        assert tree.adopt_files("", os.path.dirname(__file__), ["test_tree.py"]) == ["test_tree.py"]
    assert read(f"{root}/file") == "written"
    assert read(f"{root}/test_tree.py") == read(__file__)
    assert read(f"{outside}/file") == "untouched"
    assert stat.S_IMODE(os.stat(f"{outside}/file").st_mode) == 0o644


def test_a_hard_link_cannot_name_what_is_outside(places: tuple[str, str]) -> None:
    root, outside = places
    with Tree(root, "package evil") as tree:
        tree.make_symlink("dir", outside)
        tree.make_symlink("link", f"{outside}/file")
        with pytest.raises(MagpkgError, match="dir/file, which is missing"):
            tree.make_link("stolen", "dir/file")
        with pytest.raises(MagpkgError, match=r"is a hard link to dir/\.\./x, which is missing"):
            tree.make_link("stolen", "dir/../x")
        tree.make_link("other", "link")
    assert os.readlink(f"{root}/other") == f"{outside}/file"
    assert os.stat(f"{outside}/file").st_nlink == 1


def test_a_hard_link_to_a_symlink_is_one_to_the_symlink_itself(places: tuple[str, str]) -> None:
    root, outside = places
    with Tree(root, "package a") as tree:
        for target in ("none", outside):
            tree.make_symlink("link", target)
            tree.make_link("other", "link")
            assert os.path.samestat(os.lstat(f"{root}/link"), os.lstat(f"{root}/other"))


def test_a_hard_link_that_is_there_stays(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree:
        tree.write_file("a", 0o644, [b"content"])
        for _ in range(2):
            tree.make_link("b", "a")
            tree.make_link("a", "b")
            tree.make_link("a", "a")
    assert read(f"{root}/a") == read(f"{root}/b") == "content"


def test_hard_links_between_more_directories_than_are_remembered(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree:
        for index in range(450):
            tree.write_file(f"{index}/a", 0o644, [])
        for index in (250, 251, 0, 300, 449):
            tree.make_link(f"new{index}/a", f"{index}/a")
    assert os.path.samefile(f"{root}/new250/a", f"{root}/250/a")


def test_a_file_that_does_not_fit_is_an_error(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree, room(1000), pytest.raises(MagpkgError, match="big: cannot be written"):
        tree.write_file("big", 0o644, [b"x" * 1500])


@pytest.mark.parametrize("path", ["../file", "here/../file", "here/../../file"])
def test_no_way_up_leads_out(places: tuple[str, str], path: str) -> None:
    root, outside = places
    with Tree(root, "package evil") as tree:
        tree.make_symlink("here", ".")
        tree.write_file("here/known", 0o644, [])
        tree.write_file(path, 0o644, [b"written"])
    assert sorted(os.listdir(os.path.dirname(outside))) == ["outside", "root"]
    assert read(f"{root}/file") == "written"


def test_a_mode_is_not_set_through_a_symlink(places: tuple[str, str]) -> None:
    root, outside = places
    before = os.stat(outside).st_mode
    with Tree(root, "package evil") as tree:
        tree.make_symlink("dir", outside)
        tree.make_directory("dir", 0o777)
    assert os.stat(outside).st_mode == before
    assert stat.S_IMODE(os.stat(f"{root}{outside}").st_mode) == 0o777


def test_a_directory_that_meets_a_symlink_to_one_follows_it(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "rootfs") as tree:
        tree.make_directory("usr/lib")
        tree.make_symlink("lib", "usr/lib")
        tree.make_directory("lib")
        tree.write_file("lib/a", 0o644, [])
        tree.make_directory("lib/x86")
    assert os.readlink(f"{root}/lib") == "usr/lib"
    assert sorted(os.listdir(f"{root}/usr/lib")) == ["a", "x86"]


def test_a_replaced_symlink_is_not_remembered(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "rootfs") as tree:
        for target in ("one", "two"):
            tree.make_symlink("link", target)
            tree.write_file("link/a", 0o644, [])
            tree.make_directory("link/d", 0o700)
    assert sorted(os.listdir(f"{root}/one")) == ["a", "d"]
    assert sorted(os.listdir(f"{root}/two")) == ["a", "d"]


def test_what_cannot_be_is_named(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree:
        tree.write_file("file", 0o644, [])
        tree.make_directory("directory")
        tree.make_symlink("loop", "loop")
        attempts: list[tuple[Callable[[], object], str]] = [
            (lambda: tree.write_file("file/x", 0o644, []), "package a: file: file is a file, not a directory"),
            (lambda: tree.write_file("directory", 0o644, []), "package a: directory: would replace a directory"),
            (lambda: tree.make_symlink("directory", "x"), "package a: directory: would replace a directory"),
            (lambda: tree.write_file("loop/x", 0o644, []), "package a: loop: leads through too many symlinks"),
            (
                lambda: tree.make_link("x", "directory"),
                "package a: x: is a hard link to directory, which is not a file",
            ),
            (
                lambda: tree.write_file("n" * 300, 0o644, []),
                f"package a: {'n' * 300}: cannot be written: File name too long",
            ),
        ]
        for action, message in attempts:
            with pytest.raises(MagpkgError) as caught:
                action()
            assert caught.value.message == message


def test_many_directories_need_few_descriptors(places: tuple[str, str]) -> None:
    root, _ = places
    with Tree(root, "package a") as tree:
        for index in range(1500):
            tree.write_file(f"{index}/a", 0o644, [])
        assert len(os.listdir("/proc/self/fd")) < 300
    assert len(os.listdir(root)) == 1500


def test_a_symlink_does_not_make_deeper_nesting_possible(places: tuple[str, str]) -> None:
    root, _ = places
    deep = "/".join(["d"] * 150)
    with Tree(root, "package a") as tree:
        tree.make_directory(deep)
        tree.make_symlink("short", deep)
        path = "short"
        with pytest.raises(MagpkgError, match="directories are nested more than 250 deep"):
            for _ in range(150):
                path += "/e"
                tree.make_directory(path)
        assert path.count("/") > 90


def test_tidy_drops_setuid_and_sets_times(places: tuple[str, str]) -> None:
    root, _ = places
    for name, mode in (("suid", 0o4755), ("sgid", 0o2755), ("hidden", 0o000)):
        pathlib.Path(f"{root}/{name}").touch()
        os.chmod(f"{root}/{name}", mode)
    os.mkdir(f"{root}/sticky")
    for path in (root, f"{root}/sticky"):
        os.chmod(path, 0o3777)  # noqa: S103 - what tidy is to mend
    os.symlink("suid", f"{root}/link")
    tidy(root, "package a", 86400)
    modes = {name: stat.S_IMODE(os.lstat(f"{root}/{name}").st_mode) for name in ("suid", "sgid", "hidden", "sticky")}
    assert modes == {"suid": 0o755, "sgid": 0o755, "hidden": 0o400, "sticky": 0o755}
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o755
    assert {os.lstat(f"{root}/{name}").st_mtime for name in ("suid", "hidden", "link")} == {86400}


def test_tidy_refuses_what_is_no_file(places: tuple[str, str]) -> None:
    root, _ = places
    os.mkfifo(f"{root}/pipe")
    with pytest.raises(MagpkgError, match=r"^package a: /out/pipe: is a device, fifo or socket$"):
        tidy(root, "package a", 0)


def test_tidy_goes_only_so_deep(places: tuple[str, str]) -> None:
    root, _ = places
    os.makedirs(f"{root}/{'d/' * 255}")
    with pytest.raises(MagpkgError, match=r"directories are nested more than 250 deep$"):
        tidy(root, "package a", 0)
    remove(root)
    assert not os.path.exists(root)


def test_a_tree_deeper_than_a_process_can_hold_open_is_removed(places: tuple[str, str]) -> None:
    root, _ = places
    directory = os.open(root, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    remove(root)
    assert not os.path.exists(root)


def test_remove_follows_no_symlink_and_counts_what_it_frees(places: tuple[str, str]) -> None:
    root, outside = places
    os.makedirs(f"{root}/closed/deep")
    pathlib.Path(f"{root}/closed/deep/big").write_bytes(b"x" * 100_000)
    os.link(f"{outside}/file", f"{root}/shared")
    os.symlink(outside, f"{root}/link")
    os.chmod(f"{root}/closed", 0o000)
    freed = remove(root)
    assert 100_000 <= freed < 140_000
    assert not os.path.exists(root)
    os.symlink(outside, root)
    remove(root)
    assert not os.path.lexists(root)
    assert read(f"{outside}/file") == "untouched"
    assert remove(root) == 0


def test_a_mount_point_is_made_with_what_is_above_it(places: tuple[str, str]) -> None:
    root, _ = places
    make_point(root, "a/b/c", directory=True)
    make_point(root, "a/b/file", directory=False)
    make_point(root, "top", directory=True)
    pathlib.Path(root, "kept").write_text("kept")
    make_point(root, "kept", directory=False)
    modes = {name: stat.S_IMODE(os.stat(f"{root}/{name}").st_mode) for name in ("a", "a/b", "a/b/c", "a/b/file", "top")}
    assert modes == {"a": 0o700, "a/b": 0o700, "a/b/c": 0o755, "a/b/file": 0o444, "top": 0o755}
    assert read(f"{root}/kept") == "kept"


@pytest.mark.parametrize("where", ["above", "root", "middle", "last", "parent"])
@pytest.mark.parametrize("directory", [True, False])
def test_no_mount_point_is_made_through_a_symlink(places: tuple[str, str], where: str, *, directory: bool) -> None:
    root, outside = places
    os.makedirs(f"{root}/inner/d")
    given, path = f"{root}/inner", "d/x/y"
    if where == "above":  # what was a directory when it was looked at
        os.rename(f"{root}/inner", f"{root}/moved")
        os.symlink(outside, f"{root}/inner")
        os.mkdir(f"{outside}/d")
    elif where == "root":
        given = f"{root}/link"
        os.symlink(outside, given)
    elif where == "middle":
        os.rmdir(f"{root}/inner/d")
        os.symlink(outside, f"{root}/inner/d")
    elif where == "parent":
        path = "d/../../../outside/x"
    else:
        path = "d/x"
        os.symlink(f"{outside}/made", f"{root}/inner/d/x")
    before = sorted(os.listdir(outside))
    if where == "last":
        make_point(given, path, directory=directory)  # what is there is for the next look to judge
    else:
        with pytest.raises(NotADirectoryError):
            make_point(given, path, directory=directory)
    assert sorted(os.listdir(outside)) == before
