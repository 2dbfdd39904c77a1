"""Archives that try to get out of their tree, or to fill the machine, and odd ones that are meant well.

The cases are those that public suites ask of an unpacker; each test names what it answers:

- moby/go-archive: breakout by `..`, by an absolute name, by a hard link outside, by a hard link to a symlink, by a
  symlink above a later member, by a symlink replaced on the way;
- umoci: layers whose symlinks, absolute or with `..`, are links of the rootfs and resolved inside it; a directory over
  a symlink; a loop of links; a parent that is a file;
- CPython, extraction filters: chains of links that each stay inside and together do not, a sibling that has the
  root's name as its beginning, devices, fifos, modes with setuid and setgid, links to a directory above, long names;
- apko: a package that ships a link and a later one that writes through it (test_rootfs).
"""

import bz2
import gc
import gzip
import importlib.util
import io
import lzma
import os
import pathlib
import random
import stat
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
import zstandard

from magpkg.errors import MagpkgError
from magpkg.making import tar
from magpkg.making.archive import Entry, read_entries
from magpkg.making.bounds import Bounds, Meter, read_bounds
from magpkg.making.build import unpack
from magpkg.store.tree import Tree
from tests.support.archives import deb_bytes
from tests.support.files import tree_digest

Member = dict[str, Any]


def file(name: str, data: bytes = b"written", **fields: Any) -> Member:
    """A file."""
    return {"name": name, "data": data, **fields}


def symlink(name: str, target: str) -> Member:
    """A symlink."""
    return {"name": name, "type": tarfile.SYMTYPE, "linkname": target}


def hard_link(name: str, target: str) -> Member:
    """A hard link."""
    return {"name": name, "type": tarfile.LNKTYPE, "linkname": target}


def directory(name: str, mode: int = 0o755) -> Member:
    """A directory."""
    return {"name": name, "type": tarfile.DIRTYPE, "mode": mode}


def packed(members: Sequence[Member], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive of these members."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as archive:
        for member in members:
            fields = dict(member)
            data = fields.pop("data", b"")
            info = tarfile.TarInfo(fields.pop("name"))
            info.size = len(data)
            for name, value in fields.items():
                setattr(info, name, value)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def debian(data: bytes) -> bytes:
    """A Debian package with this tar archive in it."""
    return deb_bytes(lzma.compress(data, preset=0), ".xz")


PLAIN_XZ = "xz, decoded by Python's own module"
KINDS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    PLAIN_XZ: lambda data: lzma.compress(data, preset=0),
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
    "bz2": bz2.compress,
    "deb": debian,
}


class Place:
    """A root between things that must stay as they are: a secret beside it, and a sibling that begins with its name."""

    def __init__(self, base: pathlib.Path) -> None:
        self.base = base
        self.root = base / "root"
        for name in ("root", "root-sibling", "outside"):
            (base / name).mkdir()
        (base / "outside" / "secret").write_text("untouched")
        (base / "root-sibling" / "secret").write_text("untouched")
        self.outside = [base / "outside", base / "root-sibling"]
        self.before = [tree_digest(str(path)) for path in self.outside]

    def unpack(self, data: bytes, meter: Meter | None = None) -> str:
        """Unpack into the root; the error's message, or nothing. Nothing outside may have changed."""
        archive = self.base / "archive"
        archive.write_bytes(data)
        said = ""
        try:
            with Tree(str(self.root), "package a") as tree:
                unpack(tree, str(archive), "package a: a.tar", meter)
        except MagpkgError as error:
            said = error.message
        archive.unlink()
        assert [tree_digest(str(path)) for path in self.outside] == self.before
        assert sorted(os.listdir(self.base)) == ["outside", "root", "root-sibling"]
        outside = {status.st_ino for path in self.outside for status in map(os.stat, path.iterdir())}
        assert not outside & {path.lstat().st_ino for path in self.root.rglob("*")}, "shares a file with the outside"
        return said


@pytest.fixture(autouse=True)
def decoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both decoders of xz are tested: the extra `fast` is there, except where the kind says otherwise."""
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("kind") == PLAIN_XZ:
        monkeypatch.setitem(sys.modules, "lzma_mt", None)
    else:
        assert importlib.util.find_spec("lzma_mt")


@pytest.fixture
def place(tmp_path: pathlib.Path) -> Place:
    """A root to unpack into, with what must not change around it."""
    return Place(tmp_path)


def attacks(base: str) -> dict[str, list[Member]]:
    """Members that are after `outside/secret` or `root-sibling/secret`, by what they try."""
    prey = f"{base}/outside"
    up = "../" * 40
    return {
        "go-archive: a name with ..": [file("../outside/secret")],
        "go-archive: .. in the middle of a name": [file("a/../../outside/secret")],
        "go-archive: an absolute name": [file(f"{prey}/secret")],
        "cpython: an absolute name with more slashes": [file(f"//{prey}/secret")],
        "go-archive: written through an absolute symlink": [symlink("l", prey), file("l/secret")],
        "go-archive: written through a relative symlink": [symlink("l", "../outside"), file("l/secret")],
        "umoci: written through a symlink with many ..": [symlink("l", up + prey[1:]), file("l/secret")],
        "go-archive: a symlink to the file, then the file": [symlink("l", f"{prey}/secret"), file("l")],
        "go-archive: a hard link outside": [hard_link("l", f"{prey}/secret"), file("l")],
        "go-archive: a hard link outside with ..": [hard_link("l", "../outside/secret"), file("l")],
        "go-archive: a hard link through a symlink": [symlink("d", prey), hard_link("l", "d/secret"), file("l")],
        "go-archive: a hard link to a symlink": [symlink("s", f"{prey}/secret"), hard_link("l", "s"), file("l")],
        "go-archive: hard link to a link to a directory": [symlink("s", prey), hard_link("l", "s"), file("l/secret")],
        "umoci: a directory over a symlink": [symlink("l", prey), directory("l", 0o777), file("l/secret")],
        "umoci: a symlink over a directory": [directory("d"), symlink("d", prey), file("d/secret")],
        "cpython: a symlink over a file": [file("f"), symlink("f", prey), file("f/secret")],
        "cpython: links that leave only together": [
            directory("a/b/c"),
            symlink("x", "a/b/c/../../../.."),
            symlink("y", "x/outside"),
            file("y/secret"),
        ],
        "cpython: a link through a link to the current directory": [
            symlink("here", "."),
            symlink("up", "here/.."),
            file("up/outside/secret"),
        ],
        "cpython: a sibling that begins with the root's name": [symlink("l", "../root-sibling"), file("l/secret")],
        "cpython: the sibling by its absolute name": [symlink("l", f"{base}/root-sibling"), file("l/secret")],
        "cpython: the mode of what a link leads to": [symlink("l", f"{prey}/secret"), file("l", mode=0o777)],
        "cpython: through /proc": [symlink("l", f"/proc/self/cwd{up}{prey}"), file("l/secret")],
        "umoci: a loop of links": [symlink("a", "b"), symlink("b", "a"), file("a/secret")],
        "umoci: a parent that is a file": [file("f"), file("f/secret")],
        "cpython: a root that is a link": [symlink(".", prey), file("secret")],
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("attack", sorted(attacks("")))
def test_nothing_gets_out(place: Place, attack: str, kind: str) -> None:
    place.unpack(KINDS[kind](packed(attacks(str(place.base))[attack])))


@pytest.mark.parametrize("seed", range(60))
def test_nothing_gets_out_of_any_mixture(place: Place, seed: int) -> None:
    choose = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    members = [member for attack in attacks(str(place.base)).values() for member in attack]
    for _ in range(40):
        # Each archive ends at its first error, so each is small and lands on what those before have left.
        place.unpack(packed(choose.choices(members, k=3)))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"s", b"Z"])
def test_what_is_no_file_is_refused(place: Place, kind: bytes) -> None:
    said = place.unpack(packed([{"name": "name", "type": kind, "devmajor": 1, "devminor": 3}]))
    assert said == "package a: a.tar: member 'name' is a device, fifo or of an unknown kind"
    assert os.listdir(place.root) == []


def test_no_bit_beyond_the_permissions_is_kept(place: Place) -> None:
    assert not place.unpack(packed([file("f", mode=0o7777), directory("d", 0o7777)]))
    assert [stat.S_IMODE((place.root / name).stat().st_mode) for name in ("f", "d")] == [0o755, 0o755]


@pytest.mark.parametrize("name", ["a\nb", "a\udcff\udcfe", "n" * 255, "\u202e\x1b[31m", " ", "-rf", "\\..\\x", "C:\\x"])
def test_odd_names_are_names(place: Place, name: str) -> None:
    assert not place.unpack(packed([file(name)]))
    assert os.listdir(place.root) == [name]


def test_names_that_cannot_be(place: Place) -> None:
    assert "File name too long" in place.unpack(packed([file("n" * 256)]))
    assert "longer than the 3000 characters" in place.unpack(packed([file("d/" * 2000 + "f")]))
    assert "nested more than 250 deep" in place.unpack(packed([file("d/" * 260 + "f")]))
    down = [symlink(f"l{index}", "/" + "e/" * 200) for index in range(2)]
    assert "nested more than 250 deep" in place.unpack(
        packed([directory("e/" * 200), *down, file("l0/" + "f/" * 60 + "f")])
    )
    assert "has a NUL in its name" in place.unpack(packed([{"name": "x", "pax_headers": {"path": "a\0b"}}], 2))


def test_well_meant_oddities_unpack(place: Place) -> None:
    capability = {"SCHILY.xattr.security.capability": "\x01\x00\x00\x02", "comment": "x"}
    members = [
        directory("./usr/lib"),
        symlink("lib", "usr/lib"),
        symlink("etc/alternatives/vi", "/usr/bin/vim"),
        file("lib/libc.so"),
        {**file("ping"), "pax_headers": capability, "mode": 0o4755},
        hard_link("ping4", "./ping"),
        file("s", b"1", type=tarfile.CONTTYPE),
        symlink("dangling", "/none"),
        file("usr/" + "long/" * 30 + "name"),
    ]
    assert not place.unpack(packed(members, tarfile.PAX_FORMAT))
    root = place.root
    assert (root / "usr/lib/libc.so").read_text() == "written"
    assert os.readlink(root / "lib") == "usr/lib"
    assert os.readlink(root / "etc/alternatives/vi") == "/usr/bin/vim"
    assert os.path.samefile(root / "ping", root / "ping4")
    assert os.listxattr(root / "ping") == []
    assert os.readlink(root / "dangling") == "/none"


def test_an_absolute_link_begins_at_the_root_wherever_it_stands(place: Place) -> None:
    members = [directory("usr/lib"), symlink("opt/deep/l", "/usr"), file("opt/deep/l/lib/f")]
    assert not place.unpack(packed(members))
    assert (place.root / "usr/lib/f").read_text() == "written"
    assert os.listdir(place.root / "opt/deep") == ["l"]


def sparse(real_size: int, data: bytes = b"x" * 512) -> bytes:
    """An old GNU sparse file, tar(5): one piece of data at its start and a hole up to `real_size`."""
    info = tarfile.TarInfo("sparse")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, len(data)
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[386:410] = b"%011o\0%011o\0" % (0, len(data))
    size = real_size.to_bytes(12, "big", signed=True)
    header[483:495] = bytes([size[0] | 0x80]) + size[1:]
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    return bytes(header) + data + bytes(1024)


@pytest.mark.parametrize("real_size", [4096, 1 << 50, 1 << 60, -(1 << 50)])
def test_a_sparse_file_is_refused(place: Place, real_size: int) -> None:
    said = place.unpack(sparse(real_size))
    assert said == "package a: a.tar: member 'sparse' is a sparse file, which cannot be read"
    assert os.listdir(place.root) == []


def test_a_negative_size_is_refused(place: Place) -> None:
    header = tarfile.TarInfo("f")
    header.size = -512
    assert "member 'f' has a negative size" in place.unpack(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert os.listdir(place.root) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_bomb_ends_at_the_bounds(place: Place, kind: str) -> None:
    data = KINDS[kind](packed([file("small"), file("zeros", bytes(3_000_000))]))
    assert not place.unpack(data, Meter(Bounds(bytes=4_000_000)))
    said = place.unpack(data, Meter(Bounds(bytes=1_000_000)))
    assert said == "package a: a.tar: unpacks to more than 1,000,000 bytes"


def test_what_follows_the_archive_counts(place: Place) -> None:
    data = gzip.compress(packed([file("small")]) + bytes(3_000_000))
    assert "more than 1,000,000 bytes" in place.unpack(data, Meter(Bounds(bytes=1_000_000)))


def test_too_many_entries(place: Place) -> None:
    data = packed([directory(f"d{index}") for index in range(20)])
    assert not place.unpack(data, Meter(Bounds(entries=20)))
    said = place.unpack(data, Meter(Bounds(entries=19)))
    assert said == "package a: a.tar: unpacks to more than 19 entries"


def test_the_bounds_are_of_the_package_not_of_each_archive(place: Place) -> None:
    meter = Meter(Bounds(entries=3))
    data = packed([file("a"), file("b")])
    assert not place.unpack(data, meter)
    assert "more than 3 entries" in place.unpack(data, meter)


@pytest.mark.parametrize(
    "kind",
    [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE],
)
def test_an_extended_header_is_not_read_into_memory_whatever_its_size(place: Place, kind: bytes) -> None:
    data = packed([file("long", bytes(2 << 20), type=kind), file("f")])
    assert "an extended header of 2,097,152 bytes" in place.unpack(data)


def test_what_was_read_of_an_archive_does_not_stay_in_memory(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a").write_bytes(packed([directory(f"d{index}") for index in range(300)]))
    for _ in read_entries(str(tmp_path / "a"), "a"):
        pass
    held = []
    for number, _ in enumerate(read_entries(str(tmp_path / "a"), "a")):
        if number == 299:
            held = [item for item in gc.get_objects() if isinstance(item, tar.Member | Entry)]
    assert 0 < len(held) < 20


def test_the_bounds_are_set_by_the_environment() -> None:
    assert read_bounds({}) == Bounds()
    assert read_bounds({"MAGPKG_MAX_UNPACKED_BYTES": "7", "MAGPKG_MAX_UNPACKED_ENTRIES": "8"}) == Bounds(7, 8)
    for bad in ("-1", "1e9", "64G", "²", "9" * 19):
        with pytest.raises(MagpkgError, match="MAGPKG_MAX_UNPACKED_BYTES: must be a whole number"):
            read_bounds({"MAGPKG_MAX_UNPACKED_BYTES": bad})


WHOLE = packed([file(f"file{index}", random.Random(index).randbytes(700)) for index in range(6)])  # noqa: S311


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_cut_archive_is_an_error_wherever_it_is_cut(tmp_path: pathlib.Path, kind: str) -> None:
    data = KINDS[kind](WHOLE)
    path = tmp_path / "a"
    # Only the zeros after a bare archive's end may be missing: two blocks of them, and what fills the last record.
    end = WHOLE.rindex(b"file5") + 512 + 1024 if kind == "tar" else len(data) - 1
    for cut in range(0, end, max(1, end // 150)):
        path.write_bytes(data[:cut])
        with pytest.raises(MagpkgError):
            for entry in read_entries(str(path), "a"):
                list(entry.chunks())


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"tar"}))
def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path: pathlib.Path, kind: str) -> None:
    def content(data: bytes) -> list[tuple[str, bytes]]:
        (tmp_path / "a").write_bytes(data)
        return [(entry.path, b"".join(entry.chunks())) for entry in read_entries(str(tmp_path / "a"), "a")]

    data = bytearray(KINDS[kind](WHOLE))
    if kind == "zst":
        data = bytearray(zstandard.ZstdCompressor(write_checksum=True).compress(WHOLE))
    expected = content(bytes(data))
    for position in range(0, len(data), max(1, len(data) // 150)):
        data[position] ^= 1
        with suppress(MagpkgError):
            assert content(bytes(data)) == expected, position
        data[position] ^= 1


@pytest.mark.parametrize("kind", ["gz", "xz", PLAIN_XZ, "zst", "bz2"])
def test_a_concatenated_stream_is_one(tmp_path: pathlib.Path, kind: str) -> None:
    compress = KINDS[kind]
    (tmp_path / "a").write_bytes(compress(WHOLE[:1000]) + compress(WHOLE[1000:]))
    assert len(list(read_entries(str(tmp_path / "a"), "a"))) == 6
