"""How much of the disk something takes, counted while it changes; the end of a log."""

import os
import pathlib

import pytest

from magpkg.errors import MagpkgError
from magpkg.making.bounds import Bounds
from magpkg.making.room import LOG_BYTES, Room
from magpkg.making.script import tail


def room(path: pathlib.Path, *, size: int = 1 << 20, entries: int = 100) -> Room:
    """The room of a build in `path`, with a log beside it."""
    (path / "out").mkdir()
    (path / "log").touch()
    return Room("package mine: build", [str(path / "out")], str(path / "log"), Bounds(size, entries))


def test_what_is_within_bounds_is_looked_at_again_after_a_while(tmp_path: pathlib.Path) -> None:
    made = room(tmp_path)
    (tmp_path / "out" / "file").write_bytes(b"x" * 1000)
    assert 1 <= made.looked() < 60


def test_too_long_a_log_is_cut_and_an_error(tmp_path: pathlib.Path) -> None:
    made = room(tmp_path)
    os.truncate(made.log, LOG_BYTES + 5)
    with pytest.raises(MagpkgError) as caught:
        made.looked()
    assert caught.value.message == "package mine: build: its log is longer than 1,073,741,824 bytes"
    assert os.stat(made.log).st_size == LOG_BYTES


def test_bytes_count_wherever_they_are_and_once_for_all_links(tmp_path: pathlib.Path) -> None:
    made = room(tmp_path)
    deep = tmp_path / "out" / "a" / "b"
    deep.mkdir(parents=True)
    (deep / "large").write_bytes(os.urandom(700_000))
    os.link(deep / "large", deep / "again")
    made.looked()
    (deep / "other").write_bytes(os.urandom(700_000))
    with pytest.raises(MagpkgError, match="takes more than 1,048,576 bytes") as caught:
        made.looked()
    assert "MAGPKG_MAX_UNPACKED_BYTES" in (caught.value.hint or "")


def test_entries_count_and_links_are_not_followed(tmp_path: pathlib.Path) -> None:
    made = room(tmp_path, entries=4)
    (tmp_path / "out" / "up").symlink_to("..")
    (tmp_path / "out" / "root").symlink_to("/")
    for name in ("one", "two"):
        (tmp_path / "out" / name).mkdir()
    made.looked()
    (tmp_path / "out" / "three").touch()
    with pytest.raises(MagpkgError, match="takes more than 4 entries"):
        made.looked()


def test_what_is_gone_or_closed_is_no_error(tmp_path: pathlib.Path) -> None:
    made = room(tmp_path)
    made.check([str(tmp_path / "gone")])
    (tmp_path / "out" / "closed").mkdir(mode=0)
    made.looked()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", ""),
        (b"one\ntwo", "one\ntwo"),
        (b"\n".join(b"%d" % number for number in range(100)), "\n".join(map(str, range(70, 100)))),
        (b"x" * 501, "x" * 500 + "..."),
        (b"y" * 200_000 + b"\nend\n", "y" * 500 + "...\nend"),
    ],
)
def test_the_tail_of_a_log(tmp_path: pathlib.Path, content: bytes, shown: str) -> None:
    (tmp_path / "log").write_bytes(content)
    assert tail(str(tmp_path / "log")) == shown
