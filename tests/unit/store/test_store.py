"""The store: locks that outlive, workspaces that are swept, publishing by one rename."""

import ctypes
import errno
import fcntl
import os
import pathlib
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from magpkg.errors import MagpkgError
from magpkg.launch.lock import glance, hold
from magpkg.store import tree
from magpkg.store.cleanup import clean
from magpkg.store.store import Store
from magpkg.store.workspace import abandoned


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    """A store with its directories."""
    made = Store(str(tmp_path / "store"))
    made.prepare()
    return made


def published(store: Store, name: str = "abc") -> str:
    """A venv that is published."""
    path = store.venv(name)
    with store.exclusive(path), store.workspace("venv") as work:
        os.mkdir(f"{work}/made")
        store.publish(f"{work}/made", path)
    return path


def test_paths(tmp_path: pathlib.Path) -> None:
    store = Store("/s")
    assert store.fetched("abc") == "/s/fetch/abc"
    assert store.package("zlib-abc") == "/s/pkgs/zlib-abc"
    assert store.venv("abc") == "/s/venv/abc"
    Store(str(tmp_path / "x"))
    assert not (tmp_path / "x").exists()


def test_a_store_is_its_owners_alone(store: Store) -> None:
    assert os.stat(store.root).st_mode & 0o077 == 0


def test_a_store_that_cannot_be_made_says_how_to_move_it(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MagpkgError) as caught:
        Store(str(tmp_path / "file" / "store")).prepare()
    assert caught.value.message.startswith(f"the store {tmp_path}/file/store cannot be made: ")
    assert caught.value.hint == "set MAGPKG_STORE to a directory that you can write to"


def test_publishing_is_one_rename_and_never_replaces(store: Store) -> None:
    path = published(store)
    assert os.listdir(store.tmp_directory) == []
    pathlib.Path(path, "file").touch()
    with store.workspace("venv") as work:
        os.mkdir(f"{work}/made")
        with pytest.raises(MagpkgError, match="cannot be published"):
            store.publish(f"{work}/made", path)
    assert os.listdir(path) == ["file"]


def test_a_listing_is_there_before_its_tree(store: Store) -> None:
    os.mkdir(store.package("a-1"))
    pathlib.Path(store.package("a-1"), "file").touch()
    with store.workspace("build") as work:
        os.mkdir(f"{work}/out")
        pathlib.Path(work, "listing").write_text("new")
        with pytest.raises(MagpkgError, match="cannot be published"):
            store.publish(f"{work}/out", store.package("a-1"), f"{work}/listing")
    assert pathlib.Path(store.listing("a-1")).read_text() == "new"


def test_a_glance_neither_waits_nor_stamps(store: Store) -> None:
    assert glance(store.venv("abc")) is None
    path = published(store)
    os.utime(f"{path}.lock", (1, 1))
    held = glance(path)
    assert held is not None
    assert store.last_use(path) == 1
    with store.try_exclusive(path) as free:
        assert free is False
    os.close(held)
    with store.exclusive(path), pytest.raises(BlockingIOError):
        glance(path)
    os.rename(path, f"{path}.gone")
    assert glance(path) is None
    with store.try_exclusive(path) as free:
        assert free is True, "nothing is left open"


def test_hold_is_none_where_nothing_is_published(store: Store) -> None:
    assert hold(store.venv("abc")) is None
    with store.exclusive(store.venv("abc")):
        pass
    assert hold(store.venv("abc")) is None


def test_a_held_path_is_not_had_exclusively(store: Store) -> None:
    path = published(store)
    held, again = hold(path), hold(path)
    assert held is not None
    assert again is not None
    with store.try_exclusive(path) as free:
        assert free is False
    os.close(held)
    with store.try_exclusive(path) as free:
        assert free is False
    os.close(again)
    with store.try_exclusive(path) as free:
        assert free is True


def test_whoever_inherits_the_descriptor_keeps_the_lock(store: Store) -> None:
    path = published(store)
    held = hold(path)
    assert held is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[held]) as child:
        os.close(held)
        with store.try_exclusive(path) as free:
            assert free is False
        child.communicate()
    with store.try_exclusive(path) as free:
        assert free is True


def test_holding_stamps_the_last_use_and_touches_nothing_inside(store: Store) -> None:
    path = published(store)
    os.utime(path, (1000, 1000))
    os.utime(f"{path}.lock", (1000, 1000))
    assert store.last_use(path) == 1000
    held = hold(path)
    assert held is not None
    os.close(held)
    assert store.last_use(path) > 1000
    assert os.stat(path).st_mtime == 1000


def test_hold_waits_for_the_one_who_makes_it_and_looks_again(store: Store) -> None:
    path = store.venv("abc")
    found: list[int | None] = []
    with store.exclusive(path):
        waiter = threading.Thread(target=lambda: found.append(hold(path)))
        waiter.start()
        os.mkdir(path)
    waiter.join(10)
    assert found
    assert found[0] is not None
    os.close(found[0])


def test_hold_does_not_take_the_lock_of_what_was_removed_meanwhile(store: Store) -> None:
    path = published(store)
    found: list[int | None] = []
    with store.exclusive(path):
        waiter = threading.Thread(target=lambda: found.append(hold(path)))
        waiter.start()
        os.rmdir(path)
        os.unlink(f"{path}.lock")
    waiter.join(10)
    assert found == [None]


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[int], object]) -> None:
    """Have something happen between the next opening of a file and its lock; it is given the descriptor."""
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        action(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)


def test_hold_takes_the_lock_of_what_was_made_anew_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(store)

    def made_anew(_: int) -> None:
        os.rmdir(path)
        os.unlink(f"{path}.lock")
        published(store)

    meanwhile(monkeypatch, made_anew)
    held = hold(path)
    assert held is not None
    assert os.path.samestat(os.fstat(held), os.stat(f"{path}.lock"))
    with store.try_exclusive(path) as free:
        assert free is False
    os.close(held)


def test_a_glance_sees_that_it_was_removed_meanwhile(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(store)
    meanwhile(monkeypatch, lambda _: os.unlink(f"{path}.lock"))
    assert glance(path) is None


def test_an_exclusive_lock_of_a_removed_file_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = published(store)
    meanwhile(monkeypatch, lambda _: os.unlink(f"{path}.lock"))
    with store.try_exclusive(path) as free:
        assert free is False


def test_a_lock_is_no_symlink(store: Store, tmp_path: pathlib.Path) -> None:
    os.symlink(tmp_path / "elsewhere", f"{store.venv('abc')}.lock")
    with pytest.raises(OSError, match="Too many levels of symbolic links"), store.try_exclusive(store.venv("abc")):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_hold_says_that_it_waits(store: Store) -> None:
    path = published(store)
    waits = threading.Event()
    found: list[int | None] = []
    with store.exclusive(path):
        other = threading.Thread(target=lambda: found.append(hold(path, waits.set)))
        other.start()
        assert waits.wait(10)
        assert found == []
    other.join(10)
    assert found
    assert found[0] is not None
    os.close(found[0])


def test_a_workspace_is_removed_even_after_a_failure(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.workspace("build") as work:
        pathlib.Path(work, "file").touch()
        _ = 1 // 0
    assert os.listdir(store.tmp_directory) == []


def test_a_workspace_in_use_is_not_abandoned(store: Store) -> None:
    with store.workspace("build") as work, abandoned(work) as dead:
        assert not dead
    os.mkdir(f"{store.tmp_directory}/build.dead")
    pathlib.Path(store.tmp_directory, "file").touch()
    for name, expected in {"build.dead": True, "file": True, "gone": False}.items():
        with abandoned(f"{store.tmp_directory}/{name}") as dead:
            assert dead is expected


def test_nobody_begins_to_use_what_a_sweep_removes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkdir(f"{store.tmp_directory}/build.new")  # and its maker was about to lock it
    remove, locked = tree.remove, []

    def meanwhile_locked(path: str) -> int:
        descriptor = os.open(path, os.O_RDONLY)
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked.append(path)
        os.close(descriptor)
        return remove(path)

    monkeypatch.setattr(tree, "remove", meanwhile_locked)
    clean(store, [], 30)
    assert locked == []
    assert os.listdir(store.tmp_directory) == []


def test_a_workspace_that_was_swept_while_it_was_made_is_made_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda _: clean(store, [], 30))
    with store.workspace("build") as work:
        assert os.listdir(store.tmp_directory) == [os.path.basename(work)]
    mkdir = os.mkdir

    def swept(path: str, mode: int) -> None:
        monkeypatch.setattr(os, "mkdir", mkdir)
        mkdir(path, mode)
        os.rmdir(path)

    monkeypatch.setattr(os, "mkdir", swept)
    with store.workspace("build") as work:
        assert os.listdir(store.tmp_directory) == [os.path.basename(work)]


def test_a_workspace_that_a_sweep_looks_at_is_left_to_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, int]] = []

    def looked_at(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        other = os.open(path, os.O_RDONLY)
        fcntl.flock(other, fcntl.LOCK_EX)
        taken.append((path, other))

    meanwhile(monkeypatch, looked_at)
    with store.workspace("build") as work:
        assert work != taken[0][0]
        with abandoned(work) as dead:
            assert not dead
    os.close(taken[0][1])
    assert os.listdir(store.tmp_directory) == []


def test_a_workspace_is_its_owners_alone_and_removed_after_a_signal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.workspace("build") as work:
        assert os.stat(work).st_mode & 0o777 == 0o700

    def interrupted(_: int) -> None:
        assert os.listdir(store.tmp_directory) != []
        raise KeyboardInterrupt

    meanwhile(monkeypatch, interrupted)
    with pytest.raises(KeyboardInterrupt), store.workspace("build"):
        pass
    assert os.listdir(store.tmp_directory) == []


def test_a_sweep_follows_no_symlink(store: Store, tmp_path: pathlib.Path) -> None:
    # Whoever uses the other directory holds its lock; the link is abandoned all the same, and alone goes.
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    os.symlink(tmp_path / "other", f"{store.tmp_directory}/build.link")
    used = os.open(tmp_path / "other", os.O_RDONLY)
    fcntl.flock(used, fcntl.LOCK_EX)
    assert [removal.name for removal in clean(store, [], 30).removed] == ["build.link"]
    os.close(used)
    assert os.listdir(tmp_path / "other") == ["file"]


def test_reading_keeps_cleanup_from_packages(store: Store) -> None:
    with store.reading(), store.reading(), store.try_exclusive(store.packages_directory) as free:
        assert free is False
    with store.try_exclusive(store.packages_directory) as free:
        assert free is True


def test_locks_are_flocks_on_the_file_beside_the_data(store: Store) -> None:
    path = published(store)
    with store.exclusive(path), open(f"{path}.lock", "rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_members(store: Store) -> None:
    path = published(store)
    assert store.members("abc") == []
    pathlib.Path(path, "packages").write_text("a-1\nb-2\n")
    assert store.members("abc") == ["a-1", "b-2"]
    assert store.members("gone") == []


def test_origins_are_lines_whatever_stands_in_their_place(store: Store) -> None:
    for origin in ("/a\x1b/\u2028b", "/a\nb", os.fsdecode(b"/\xff"), "/a\x1b/\u2028b"):
        store.note_origin("abc", origin)
    assert store.origins("abc") == ["/a\x1b/\u2028b", os.fsdecode(b"/\xff")]
    os.mkfifo(f"{store.origins_directory}/pipe")
    os.mkdir(f"{store.origins_directory}/directory")
    for name in ("pipe", "directory"):
        store.note_origin(name, "/a")
        assert store.origins(name) == []
    os.rename(store.origins_directory, f"{store.origins_directory}.away")
    os.symlink(store.origins_directory, store.origins_directory)  # nothing can be looked up in a circle
    store.note_origin("abc", "/a")


def test_what_is_published_was_flushed_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    library = ctypes.CDLL(None, use_errno=True)

    class Library:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def syncfs(self, descriptor: int) -> int:
            calls.append(f"syncfs of {os.readlink(f'/proc/self/fd/{descriptor}')}")
            return int(library.syncfs(descriptor))

    rename = os.rename

    def noted(work: str, path: str) -> None:
        calls.append("rename")
        rename(work, path)

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(os, "rename", noted)
    store.prepare()
    with store.workspace("test") as work:
        os.mkdir(f"{work}/out")
        store.publish(f"{work}/out", store.package("a"))
    assert calls == [f"syncfs of {work}", "rename"]
    assert os.path.isdir(store.package("a"))


def test_what_cannot_be_flushed_is_not_published(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def syncfs(self, _: int) -> int:
            ctypes.set_errno(errno.ENOSPC)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Library)  # a disk that fails to write what it took cannot be had otherwise
    with store.workspace("test") as work:
        os.mkdir(f"{work}/out")
        with pytest.raises(MagpkgError, match="cannot be published: No space left on device"):
            store.publish(f"{work}/out", store.package("a"))
    assert os.listdir(store.packages_directory) == []


def test_a_text_that_another_launch_has_kept_meanwhile_is_not_replaced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, first = store.prepare, []

    def meanwhile_kept() -> None:
        monkeypatch.setattr(store, "prepare", prepare)
        first.append(os.stat(store.keep_text("passwd", "me\n")).st_ino)

    monkeypatch.setattr(store, "prepare", meanwhile_kept)
    path = store.keep_text("passwd", "me\n")
    assert [os.stat(path).st_ino] == first
    assert pathlib.Path(store.keep_text("passwd", "you\n")).read_text() == "you\n"
    assert pathlib.Path(path).read_text() == "me\n"
    pathlib.Path(path).write_text("damaged")
    assert pathlib.Path(store.keep_text("passwd", "me\n")).read_text() == "me\n"
    assert os.listdir(store.tmp_directory) == []
