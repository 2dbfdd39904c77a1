"""What cleanup chooses: old and idle things of the kinds asked for, and leftovers."""

import fcntl
import os
import pathlib
import time

import pytest

from magpkg.launch.lock import hold
from magpkg.store.cleanup import FETCHED, LEFTOVER, PACKAGE, VENV, Report, clean
from magpkg.store.store import Store

DAY = 86400
EVERYTHING = (VENV, PACKAGE, FETCHED)


@pytest.fixture
def store(tmp_path: pathlib.Path) -> Store:
    """An empty store."""
    made = Store(str(tmp_path / "store"))
    made.prepare()
    return made


def _aged(path: str, days: float) -> None:
    used = time.time() - days * DAY
    os.utime(path, (used, used))


def package(store: Store, name: str, days: float) -> str:
    """A package tree with one file of 8192 bytes, last used so many days ago."""
    path = store.package(name)
    os.mkdir(path)
    pathlib.Path(path, "file").write_bytes(b"x" * 8192)
    pathlib.Path(f"{path}.lock").touch()
    _aged(f"{path}.lock", days)
    return path


def venv(store: Store, name: str, days: float, *members: str) -> str:
    """A venv of package trees, whose files it shares."""
    path = store.venv(name)
    os.makedirs(f"{path}/rootfs")
    for member in members:
        os.link(f"{store.package(member)}/file", f"{path}/rootfs/{member}")
    pathlib.Path(path, "packages").write_text("".join(f"{member}\n" for member in members))
    pathlib.Path(f"{path}.lock").touch()
    _aged(f"{path}.lock", days)
    return path


def removed(report: Report) -> list[tuple[str, str]]:
    """Kinds and names of what was removed."""
    assert report.failures == ()
    return sorted((removal.kind, removal.name) for removal in report.removed)


def test_an_empty_or_missing_store_is_clean(store: Store, tmp_path: pathlib.Path) -> None:
    assert clean(store, EVERYTHING, 0) == Report((), (), ())
    assert clean(Store(str(tmp_path / "none")), EVERYTHING, 0) == Report((), (), ())


def test_only_what_is_older_goes(store: Store) -> None:
    old, young = venv(store, "old", 31), venv(store, "young", 29)
    report = clean(store, [VENV], 30)
    assert removed(report) == [(VENV, "old")]
    assert report.removed[0].idle_seconds == pytest.approx(31 * DAY, abs=60)
    assert not os.path.exists(old)
    assert not os.path.exists(f"{old}.lock")
    assert os.path.isdir(young)


def test_age_zero_removes_what_was_used_just_now(store: Store) -> None:
    venv(store, "now", 0)
    assert removed(clean(store, [VENV], 0)) == [(VENV, "now")]


def test_only_the_kinds_asked_for_go(store: Store) -> None:
    package(store, "a-1", 99)
    venv(store, "v", 99)
    pathlib.Path(store.fetched("abc")).touch()
    _aged(store.fetched("abc"), 99)
    assert removed(clean(store, [FETCHED], 30)) == [(FETCHED, "abc")]
    assert removed(clean(store, [PACKAGE], 30)) == [(PACKAGE, "a-1")]
    assert removed(clean(store, [VENV], 30)) == [(VENV, "v")]


def test_a_venv_in_use_stays_and_is_named(store: Store) -> None:
    path = venv(store, "used", 99)
    held = hold(path)
    assert held is not None
    os.utime(held, (0, 0))
    report = clean(store, [VENV], 30)
    assert removed(report) == []
    assert report.busy == ("used",)
    os.close(held)
    assert removed(clean(store, [VENV], 30)) == [(VENV, "used")]


def test_a_venv_that_is_used_between_the_look_and_the_lock_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    path = venv(store, "old", 99)
    flock = fcntl.flock

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        held = hold(path)
        assert held is not None
        os.close(held)  # a launch that has ended by now
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert removed(clean(store, [VENV], 30)) == []
    assert os.path.isdir(path)


def test_packages_of_a_remaining_venv_stay_and_those_of_a_removed_one_go(store: Store) -> None:
    for name in ("a-1", "b-1", "c-1"):
        package(store, name, 99)
    venv(store, "young", 1, "a-1")
    venv(store, "old", 99, "a-1", "b-1")
    assert removed(clean(store, [PACKAGE], 30)) == [(PACKAGE, "c-1")]
    assert removed(clean(store, EVERYTHING, 30)) == [(PACKAGE, "b-1"), (VENV, "old")]
    assert os.path.isdir(store.package("a-1"))


def test_packages_and_downloads_stay_while_something_is_made(store: Store) -> None:
    package(store, "a-1", 99)
    pathlib.Path(store.fetched("abc")).touch()
    _aged(store.fetched("abc"), 99)
    with store.reading():
        report = clean(store, EVERYTHING, 0)
    assert removed(report) == []
    assert report.busy == ("package trees", "downloads")


def test_the_bytes_freed_are_those_that_nothing_shares(store: Store) -> None:
    package(store, "a-1", 99)
    venv(store, "v", 99, "a-1")
    assert clean(store, [VENV], 30).freed_bytes < 8192
    assert clean(store, [PACKAGE], 30).freed_bytes == 8192


def test_a_dry_run_tells_what_a_run_does_and_removes_nothing(store: Store) -> None:
    package(store, "a-1", 99)
    package(store, "b-1", 99)
    venv(store, "old", 99, "a-1")
    venv(store, "young", 1, "b-1")
    os.mkdir(f"{store.tmp_directory}/build.dead")
    before = {str(path) for path in pathlib.Path(store.root).rglob("*")}
    told = clean(store, EVERYTHING, 30, dry_run=True)
    after = {str(path) for path in pathlib.Path(store.root).rglob("*")}
    assert after - {f"{store.packages_directory}.lock"} == before
    done = clean(store, EVERYTHING, 30)
    assert removed(told) == removed(done) == [(LEFTOVER, "build.dead"), (PACKAGE, "a-1"), (VENV, "old")]
    assert told.freed_bytes == done.freed_bytes


def test_leftovers_are_swept_whatever_their_age_and_work_in_progress_is_not(store: Store) -> None:
    with store.workspace("venv") as work:
        os.makedirs(f"{store.tmp_directory}/build.dead/closed")
        pathlib.Path(store.tmp_directory, "stray").touch()
        assert removed(clean(store, [VENV], 30)) == [(LEFTOVER, "build.dead"), (LEFTOVER, "stray")]
        assert os.path.isdir(work)


def test_the_lock_of_what_is_gone_is_removed(store: Store) -> None:
    pathlib.Path(f"{store.venv('gone')}.lock").touch()
    _aged(f"{store.venv('gone')}.lock", 99)
    clean(store, [VENV], 30)
    assert os.listdir(store.venv_directory) == []


def test_a_failure_is_named_and_the_rest_goes_on(store: Store) -> None:
    venv(store, "a", 99)
    venv(store, "b", 99)
    os.unlink(f"{store.venv('a')}.lock")
    os.symlink("loop.lock", f"{store.venv_directory}/loop.lock")
    os.symlink("a.lock", f"{store.venv('a')}.lock")
    os.utime(f"{store.venv('a')}.lock", (0, 0), follow_symlinks=False)
    report = clean(store, [VENV], 30)
    assert [removal.name for removal in report.removed] == ["b"]
    assert [failure.partition(":")[0] for failure in report.failures] == ["venv a"]


def test_the_log_of_a_package_goes_with_it(store: Store) -> None:
    path = package(store, "a-1", 99)
    pathlib.Path(f"{path}.log").write_text("built")
    clean(store, [PACKAGE], 30)
    assert os.listdir(store.packages_directory) == []


def test_the_digest_of_a_package_goes_with_it_and_one_left_alone_goes_too(store: Store) -> None:
    path = package(store, "a-1", 99)
    for name in (store.listing("a-1"), store.listing("b-2"), store.listing("c-3")):
        pathlib.Path(name).write_bytes(b"x" * 8192)
    _aged(store.listing("b-2"), 99)
    dry = clean(store, [PACKAGE], 30, dry_run=True)
    assert os.path.isdir(path)
    report = clean(store, [PACKAGE], 30)
    assert [(removal.name, removal.freed_bytes) for removal in report.removed] == [("a-1", 16384), ("b-2", 8192)]
    assert dry.freed_bytes == report.freed_bytes
    assert os.listdir(store.packages_directory) == ["c-3.digest"]


def test_what_was_moved_aside_goes_when_it_is_old(store: Store) -> None:
    for name, days in (("old", 99), ("young", 1)):
        os.makedirs(f"{store.damaged_directory}/{name}/a-1")
        _aged(f"{store.damaged_directory}/{name}", days)
    report = clean(store, [FETCHED], 30)
    assert [(removal.kind, removal.name) for removal in report.removed] == [(LEFTOVER, "old")]
    assert os.listdir(store.damaged_directory) == ["young"]
