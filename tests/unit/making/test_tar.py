"""Headers of tar archives, one by one: what is read, and what is an error since programs read it in two ways."""

import pathlib

import pytest

from magpkg.errors import MagpkgError
from magpkg.making.archive import read_entries
from tests.support.archives import END, block, long_link, long_name, padded, records

GNU = b"ustar  \0"
OLD = b""


def read(path: pathlib.Path, data: bytes) -> list[tuple[str, str, int, int, str]]:
    """Kind, path, mode, time and target of each member."""
    path.write_bytes(data)
    return [(entry.kind, entry.path, entry.mode, entry.mtime, entry.target) for entry in read_entries(str(path), "a")]


def numbered(at: int, field: bytes, header: bytes = block(b"0")) -> bytes:
    """A header with another field."""
    changed = bytearray(header)
    changed[at : at + len(field)] = field
    changed[148:156] = b" " * 8
    changed[148:156] = b"%06o\0 " % sum(changed)
    return bytes(changed)


FILE = ("file", "f", 0o755, 0, "")
PREFIX = numbered(345, b"above")
READ: dict[str, tuple[bytes, list[tuple[str, str, int, int, str]]]] = {
    "a prefix": (PREFIX, [("file", "above/f", 0o755, 0, "")]),
    "what GNU has in the prefix's place": (numbered(257, GNU, PREFIX), [FILE]),
    "what the oldest have there": (numbered(257, bytes(8), PREFIX), [FILE]),
    "a name of 100 bytes": (block(b"0", b"n" * 100), [("file", "n" * 100, 0o755, 0, "")]),
    "a directory of the oldest archives": (block(b"\0", b"d/", magic=OLD), [("directory", "d", 0o755, 0, "")]),
    "one that is called a file": (block(b"0", b"d/"), [("directory", "d", 0o755, 0, "")]),
    "a long name": (long_name(b"n" * 200) + block(b"0"), [("file", "n" * 200, 0o755, 0, "")]),
    "a long target": (long_link(b"t" * 200) + block(b"2"), [("symlink", "f", 0o755, 0, "t" * 200)]),
    "both": (long_link(b"t") + long_name(b"n") + block(b"2"), [("symlink", "n", 0o755, 0, "t")]),
    "both in the other order": (long_name(b"n") + long_link(b"t") + block(b"2"), [("symlink", "n", 0o755, 0, "t")]),
    "a path": (records([("path", "p/ü")]) + block(b"0"), [("file", "p/ü", 0o755, 0, "")]),
    "of two paths the last": (records([("path", "p"), ("path", "q")]) + block(b"0"), [("file", "q", 0o755, 0, "")]),
    "a linkpath": (records([("linkpath", "x")]) + block(b"1"), [("link", "f", 0o755, 0, "x")]),
    "a size": (records([("size", "3")]) + block(b"0", size=0) + padded(b"abc"), [FILE]),
    "a time": (records([("mtime", "1700000000.999999999")]) + block(b"0"), [("file", "f", 0o755, 1_700_000_000, "")]),
    "a time for all": (
        records([("mtime", "7")], b"g") + block(b"0") + block(b"0", b"g"),
        [("file", "f", 0o755, 7, ""), ("file", "g", 0o755, 7, "")],
    ),
    "a header for all, then one for a member": (
        records([("comment", "x")], b"g") + records([("path", "p")]) + block(b"0"),
        [("file", "p", 0o755, 0, "")],
    ),
    "owners and attributes": (records([("uid", "9" * 99), ("SCHILY.xattr.a", "\0=\n")]) + block(b"0"), [FILE]),
    "Solaris' letter": (records([("path", "p")], b"X") + block(b"0"), [("file", "p", 0o755, 0, "")]),
    "a size in base 256": (numbered(124, b"\x80" + bytes(10) + b"\x03") + padded(b"abc"), [FILE]),
    "a time in base 256": (numbered(136, b"\x80" + bytes(10) + b"\x03"), [("file", "f", 0o755, 3, "")]),
    "a time before the epoch": (numbered(136, b"\xff" * 12), [FILE]),
    "numbers with spaces before them": (numbered(124, b"          3 ") + padded(b"abc"), [FILE]),
    "a field without a number": (numbered(136, bytes(12)), [FILE]),
    "a sum of signed bytes": (
        block(b"0", b"\xff")[:148] + b"%06o\0 " % (sum(block(b"0", b"\xff", sums=False)) - 256) + block(b"0")[156:],
        [("file", "\udcff", 0o755, 0, "")],
    ),
    "what follows the end": (block(b"0") + END + block(b"0", b"g"), [FILE]),
    "one block of zeros": (block(b"0") + END[:512], [FILE]),
}


@pytest.mark.parametrize("name", sorted(READ))
def test_what_is_read(tmp_path: pathlib.Path, name: str) -> None:
    data, members = READ[name]
    assert read(tmp_path / "a", data + (b"" if data.endswith(END[:512]) else END)) == members


MEMBER = block(b"0")
REFUSED = {
    "two long names": (long_name(b"a") + long_name(b"b") + MEMBER, "a second extended header for one member"),
    "two pax headers": (records([("path", "a")]) + records([("path", "b")]) + MEMBER, "a second extended header"),
    "one of each": (long_name(b"a") + records([("path", "b")]) + MEMBER, "a second extended header"),
    "one for all after one for a member": (long_name(b"a") + records([], b"g") + MEMBER, "a second extended header"),
    "an extended header alone": (long_name(b"a"), "an extended header without a member"),
    "an empty long name": (long_name(b"") + MEMBER, "an extended header with an empty name"),
    "an empty path": (records([("path", "")]) + MEMBER, "an extended header with an empty path"),
    "a path for all": (records([("path", "a")], b"g") + MEMBER, "gives all members one path"),
    "a size that is none": (records([("size", "-1")]) + MEMBER, "a size that is no number"),
    "a directory's content": (block(b"5", size=512) + END, "member 'f' has content, which only a file can have"),
    "a symlink's content": (block(b"2", size=512) + END, "member 'f' has content"),
    "a hard link's content": (block(b"1", b"f", 512, b"x") + END, "member 'f' has content"),
    "content by a pax size": (records([("size", "512")]) + block(b"5") + END, "member 'f' has content"),
    "a directory called a file, with content": (block(b"0", b"d/", 512) + END, "member 'd/' has content"),
    "a wrong checksum": (MEMBER.replace(b"f", b"g", 1), "a header with a wrong checksum"),
    "no number": (numbered(124, b"0000000001x\0"), "a header whose size is no number"),
    "a number after a NUL": (numbered(124, b"\0" + b"0" * 10 + b"1"), "a header whose size is no number"),
    "a minus": (numbered(124, b"-0000000001\0"), "a header whose size is no number"),
    "GNU's base 64": (numbered(124, b"+AAAAAAAAAA\0"), "a header whose size is no number"),
    "a record without an end": (block(b"x", size=6) + padded(b"6 a=bc") + MEMBER, "without a record where one must be"),
    "a record that is too long": (block(b"x", size=6) + padded(b"9 a=b\n") + MEMBER, "without a record where one"),
    "a record of no length": (block(b"x", size=6) + padded(b"0 a=b\n") + MEMBER, "without a record where one must be"),
    "a record without a name": (block(b"x", size=4) + padded(b"4 a\n") + MEMBER, "without a record where one must be"),
    "a NUL in a target": (records([("linkpath", "a\0b")]) + block(b"2"), "member 'f' has a NUL in its target"),
    "a part of a file": (block(b"M"), "member 'f' is a device, fifo or of an unknown kind"),
    "a directory's listing": (block(b"D"), "member 'f' is a device, fifo or of an unknown kind"),
    "a sparse file": (block(b"S"), "member 'f' is a sparse file"),
    "no end": (MEMBER[:], "no member and no end where one must be: it is cut short"),
    "content that is cut short": (block(b"0", size=600) + bytes(512), "it is cut short"),
    "padding that is cut short": (block(b"0", size=600) + bytes(700), "it is cut short"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_an_error(tmp_path: pathlib.Path, name: str) -> None:
    data, said = REFUSED[name]
    with pytest.raises(MagpkgError) as caught:
        read(tmp_path / "a", data if "short" in said else data + END)
    assert caught.value.message.startswith("a: ") and said in caught.value.message, caught.value.message
