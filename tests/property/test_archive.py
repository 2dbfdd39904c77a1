"""What is read of an archive is what dpkg-deb and GNU tar show of it, however odd the archive; or it is refused."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from magpkg.errors import MagpkgError
from magpkg.making.archive import read_entries
from magpkg.making.pax import in_range
from tests.support.archives import END, block, deb_bytes, long_link, long_name, padded, records

ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
# A list that can be read back: names quoted, times to the second.
LIST = ("tar", "--quoting-style=c", "--full-time", "--numeric-owner", "-tvf")
_LINE = re.compile(
    r'(.)(\S{9})\S? +\S+ +(\d+) (-?\d+-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.\d+)? +("(?:[^"\\]|\\.)*")'
    r'(?: (?:->|link to) ("(?:[^"\\]|\\.)*"))?\Z'
)
_KINDS = {"C": "file", "d": "directory", "-": "file", "l": "symlink", "h": "link"}
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
Row = tuple[str, str, int, int, int, str]


def _unquoted(text: str) -> str:
    def plain(match: re.Match[bytes]) -> bytes:
        escaped = match.group(1)
        return bytes([int(escaped, 8)]) if len(escaped) == 3 else _ESCAPES.get(escaped, escaped)

    return os.fsdecode(re.sub(rb"\\([0-7]{3}|.)", plain, os.fsencode(text[1:-1])))


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def shown(listing: bytes) -> list[Row]:
    """The members that a list of GNU tar's has, but for the root: kind, path, mode, time, size, target."""
    rows = []
    for line in listing.decode("utf-8", "surrogateescape").split("\n")[:-1]:
        match = _LINE.match(line)
        assert match, line
        kind, letters, size, moment, name, target = match.groups()
        mode = sum(0o400 >> bit for bit, letter in enumerate(letters) if letter not in "-ST") & 0o755
        time = in_range(int((datetime.fromisoformat(moment).replace(tzinfo=UTC)).timestamp()))
        path = _plain(_unquoted(name))
        if kind == "C" and name.endswith('/"'):
            kind = "d"  # tar makes a directory of it, too
        to = _unquoted(target) if target else ""
        if path:
            rows.append((_KINDS[kind], path, mode, time, int(size), _plain(to) if kind == "h" else to))
    return rows


def read(path: str) -> tuple[list[Row], bytes]:
    """The same of what magpkg reads, and the content of all files, one after the other."""
    rows, content = [], []
    for entry in read_entries(path, "a.deb"):
        content.append(b"".join(entry.chunks()))
        rows.append((entry.kind, entry.path, entry.mode, entry.mtime, len(content[-1]), entry.target))
    return rows, b"".join(content)


def run(*words: str) -> bytes:
    """What a program prints; that it fails is an error."""
    done = subprocess.run(words, capture_output=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


def compare(path: str) -> None:
    """Compare what magpkg reads of a package with what the two programs show."""
    rows, content = read(path)
    unpacked = f"{path}.tar"
    pathlib.Path(unpacked).write_bytes(run("dpkg-deb", "--fsys-tarfile", path))
    assert run("dpkg-deb", "-c", path) == run("tar", "-tvf", unpacked)
    assert shown(run(*LIST, unpacked)) == rows
    assert run("tar", "-xOf", unpacked) == content


_NAME = st.sampled_from(
    [b"a", b"./b/", b"usr/bin/c", b"d//e", b"./f/./g", b"n" * 100, b"\xff\xfe", b"\xc3\xbc", b"x y\n"]
)
_LONG = st.sampled_from([b"long/" * 30 + b"x", b"l" * 101, b"short", b"d/", b"\xc3\xbc/\xff"])
_TEXT = st.sampled_from(["p", "p/q/", "./p", "ü", "p" * 150, "a=b", "two\nlines", ""])
_CONTENT = st.binary(max_size=1100)
_MAGIC = st.sampled_from([b"ustar\x0000", b"ustar\x0000", b"ustar  \0", b"", b"ustar\0\0\0", b"ustar 00"])
# But for owners and devices: of those tar says that they are no numbers, and goes on; here they are not read at all.
_ANYWHERE = st.integers(0, 511).filter(lambda at: not 107 <= at < 124 and not 328 <= at < 345)
_FIELDS = st.lists(
    st.one_of(
        st.tuples(st.just(345), st.sampled_from([b"above", b"a/b", b"/", b"", b"p" * 155])),
        st.tuples(st.just(100), st.sampled_from([b"0000644\0", b"0006755\0", b"   644 \0", b"100755 \0", bytes(8)])),
        st.tuples(
            st.just(136),
            st.sampled_from(
                [b"14524770000\0", b"\x80" + bytes(7) + b"\1\2\3\4", b"\xff" * 12, bytes(12), b"7777777777 \0"]
            ),
        ),
        st.tuples(
            st.just(124), st.sampled_from([b"\x80" + bytes(11), b"          0 ", bytes(12), b"00000000007\0", b"x"])
        ),
        st.tuples(st.just(265), st.sampled_from([b"root\0", b"\xff", b"0"])),
        st.tuples(_ANYWHERE, st.binary(min_size=1, max_size=2)),
    ),
    max_size=2,
)
_RECORD = st.one_of(
    st.tuples(st.sampled_from(["path", "linkpath"]), _TEXT),
    st.tuples(st.just("size"), st.sampled_from(["0", "1", "3", "700"])),
    st.tuples(st.just("mtime"), st.sampled_from(["1", "1700000000.999999999", "1.5", "0"])),
    st.tuples(st.sampled_from(["comment", "uid", "SCHILY.xattr.user.a", "hdrcharset", "LIBARCHIVE.x"]), st.just("7")),
)
_EXTENSION = st.one_of(
    st.lists(_RECORD, max_size=3).map(records),
    st.lists(st.tuples(st.sampled_from(["comment", "mtime"]), st.just("9")), max_size=1).map(
        lambda r: records(r, b"g")
    ),
    _LONG.map(long_name),
    _LONG.map(long_link),
)
_EXTENSIONS = st.one_of(st.just(b""), st.just(b""), _EXTENSION, st.lists(_EXTENSION, max_size=2).map(b"".join))


@st.composite
def _member(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([b"0", b"1", b"2", b"5"] * 5 + [b"\0", b"7", b"\0", b"S", b"6"]))
    content = draw(_CONTENT) if kind in b"0\x007" else b""
    header = bytearray(block(kind, draw(_NAME), len(content), draw(_NAME) if kind in b"12" else b"", draw(_MAGIC)))
    for at, field in draw(_FIELDS):
        header[at : at + len(field)] = field[: 512 - at]
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return draw(_EXTENSIONS) + bytes(header) + padded(content)


_ARCHIVE = st.tuples(
    st.lists(_member(), max_size=4).map(b"".join), st.sampled_from([END, END, END[:512], b"", END * 9])
)


@example((long_name(b"d/") + block(b"0"), END))
@example((records([("path", "p/q/"), ("size", "3")]) + block(b"0") + padded(b"abc"), END))
@settings(max_examples=150, deadline=None)
@given(_ARCHIVE)
def test_what_is_read_is_what_dpkg_and_tar_show(archive: tuple[bytes, bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = f"{scratch}/a.deb"
        pathlib.Path(path).write_bytes(deb_bytes(b"".join(archive)))
        try:
            read(path)
        except MagpkgError as error:
            event(f"refused: {error.message.partition('member')[0][:60]}")
            return
        event("read")
        compare(path)


_PART = st.text(st.characters(exclude_characters="/\0\n", exclude_categories=["Cs"]), min_size=1, max_size=90).filter(
    lambda part: part not in (".", "..") and len(part.encode()) <= 200
)
_FILES = st.dictionaries(st.lists(_PART, min_size=1, max_size=3).map("/".join), st.binary(max_size=700), max_size=5)


@settings(max_examples=40, deadline=None)
@given(
    _FILES, st.sampled_from(["v7", "ustar", "gnu", "oldgnu", "posix"]), st.sampled_from(["none", "gzip", "xz", "zstd"])
)
def test_what_dpkg_and_tar_pack_is_read(files: dict[str, bytes], form: str, compression: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = pathlib.Path(scratch, "root")
        (root / "DEBIAN").mkdir(parents=True)
        (root / "DEBIAN/control").write_text(
            "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.invalid>\nDescription: a\n"
        )
        for number, (name, content) in enumerate(files.items()):
            path = root / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                (path.parent / f"{number}").symlink_to(name[-100:])
                (path.parent / f"{number} too").hardlink_to(path)
            except OSError:
                continue  # a file stands where a directory must
        package = f"{scratch}/a.deb"
        run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(root), package)
        compare(package)
        try:
            run("tar", "-C", str(root), f"--format={form}", "-cf", f"{scratch}/a.tar", ".")
        except AssertionError:
            return  # the form has no room for such names
        shutil.copy(f"{scratch}/a.tar", package)
        rows, content = read(package)
        assert rows == shown(run(*LIST, package))
        assert run("tar", "-xOf", package) == content
