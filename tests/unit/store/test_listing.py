"""Listings: taken from a tree, written and read, compared."""

import io
import os
import pathlib
import random

import pytest

from magpkg.errors import MagpkgError
from magpkg.store.listing import (
    DIRECTORY,
    FILE,
    OTHER,
    SYMLINK,
    UNREADABLE,
    Difference,
    Item,
    compare,
    read,
    take,
    text,
)
from magpkg.store.tree import Tree
from tests.support.archives import sha256

BEFORE = {
    "bin": Item(DIRECTORY, 0o755),
    "bin/sh": Item(FILE, 0o755, 3, "a" * 64),
    "bin-x": Item(SYMLINK, 0o777, 0, "bin/sh"),
}


@pytest.mark.parametrize(
    ("path", "now", "what"),
    [
        ("bin/sh", None, "is missing"),
        ("bin/sh", Item(FILE, 0o755, 3, "b" * 64), "has another content"),
        ("bin/sh", Item(FILE, 0o755, 4, "b" * 64), "has 4 bytes, not 3"),
        ("bin/sh", Item(FILE, 0o4711, 4, "b" * 64), "has mode 4711, not 0755; has 4 bytes, not 3"),
        ("bin/sh", Item(FILE, 0o755, 3, UNREADABLE), "cannot be read"),
        ("bin/sh", Item(DIRECTORY, 0o755), "is a directory, not a file"),
        ("bin/sh", Item(OTHER, 0o755), "is no file"),
        ("bin-x", Item(SYMLINK, 0o777, 0, "/etc"), "leads to /etc, not to bin/sh"),
        ("bin/new", Item(FILE, 0o755, 3, "a" * 64), "does not belong here"),
    ],
)
def test_each_difference_has_its_words(path: str, now: Item | None, what: str) -> None:
    found = BEFORE | ({path: now} if now is not None else {})
    if now is None:
        del found[path]
    assert compare(BEFORE, found) == [Difference(path, what)]


def test_what_lies_below_a_difference_is_not_told_again() -> None:
    deep = {"a": Item(DIRECTORY, 0o755), "a/b": Item(DIRECTORY, 0o755), "a/b/c": Item(FILE, 0o644, 0, "x")}
    beside = {"a-b": Item(FILE, 0o644, 0, "x")}
    assert compare(deep | beside, beside) == [Difference("a", "is missing")]
    assert compare(beside, deep | beside) == [Difference("a", "does not belong here")]
    closed = {"a": Item(DIRECTORY, 0, 0, UNREADABLE)}
    assert compare(deep, closed) == [Difference("a", "has mode 0000, not 0755; cannot be read")]
    assert compare(deep, deep) == []


def test_a_text_is_read_as_it_was_written_or_not_at_all() -> None:
    listing = BEFORE | {os.fsdecode(b"\xff\n\xe2\x82\xac"): Item(SYMLINK, 0o777, 0, os.fsdecode(b"\xfe"))}
    kept = text(listing).encode("ascii")
    assert read(io.BytesIO(kept), "x") == listing
    choose = random.Random(1)  # noqa: S311 - to be repeated, not to be secret
    broken = [b"", kept[:-1], kept[: len(kept) // 2], b"\0" * len(kept), kept + b" ", kept.partition(b"\n")[2]]
    for _ in range(50):
        position = choose.randrange(len(kept))
        broken.append(kept[:position] + bytes([kept[position] ^ 1]) + kept[position + 1 :])
    for garbage in broken:
        with pytest.raises(MagpkgError, match="the digest of a: is damaged"):
            read(io.BytesIO(garbage), "the digest of a")


def test_a_text_that_another_program_wrote_is_no_listing() -> None:
    for body in (b"[]", b"5", b'{"a": 5}', b'{"a": ["file", 1, 2, 3, 4, 5]}', b"{"):
        kept = b"magpkg listing 1 " + sha256(body).encode() + b"\n" + body
        with pytest.raises(MagpkgError, match="the digest of a: is no listing"):
            read(io.BytesIO(kept), "the digest of a")


def test_the_writer_knows_the_digests_of_what_it_leaves(tmp_path: pathlib.Path) -> None:
    """Through symlinks, hard links and files that are replaced: reading the files again gives the same listing."""
    with Tree(str(tmp_path), "x") as tree:
        tree.make_symlink("lib", "usr/lib")
        tree.write_file("lib/a", 0o644, [b"one", b"two"])
        tree.write_file("usr/lib/b", 0o755, [])
        tree.write_file("lib/a", 0o4600, [b"three"])
        tree.make_link("c", "lib/a")
        tree.make_symlink("usr/lib/b", "nowhere")
        tree.write_file("usr/lib/d", 0o644, [b"four"])

    def unread(path: str, _: object) -> str:
        raise AssertionError(f"{path} was read")

    known = take(str(tmp_path), tree.written, unread)
    assert known == take(str(tmp_path))
    assert sorted(known) == ["c", "lib", "usr", "usr/lib", "usr/lib/a", "usr/lib/b", "usr/lib/d"]
    assert known["c"] == known["usr/lib/a"]
