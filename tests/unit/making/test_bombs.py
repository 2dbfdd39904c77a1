"""Small archives that would take time, memory or inodes: none of 64 KiB takes more than a bar allows."""

import bz2
import gzip
import importlib.util
import json
import lzma
import pathlib
import re
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence

import pytest
import zstandard

from magpkg.errors import MagpkgError
from magpkg.making.archive import read_entries
from magpkg.making.bounds import Bounds, Meter, read_bounds
from tests.support.archives import END, block, long_link, long_name, records

INPUT_MAX = 64 << 10
SECONDS_MAX = 5.0
MEMORY_MAX = 200_000_000
INODES_MAX = 10_000

# A process of its own, so that its memory is its own; of time only what it takes itself counts, for others are at work.
_UNPACK = """
import json, os, re, resource, sys
from magpkg.errors import MagpkgError
from magpkg.making.build import unpack
from magpkg.store.tree import Tree
said = ""
try:
    with Tree(sys.argv[2], "package a") as tree:
        unpack(tree, sys.argv[1], "a.tar")
except MagpkgError as error:
    said = error.message
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as status:
    peak = int(re.search("VmHWM:[^0-9]*([0-9]+)", status.read())[1]) * 1024  # maxrss is also that of whoever forked
inodes = sum(len(names) + len(files) for _, names, files in os.walk(sys.argv[2]))
print(json.dumps([used.ru_utime + used.ru_stime, peak, inodes, said]))
"""


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=1)


def _packed_small(pieces: Sequence[bytes]) -> bytes:
    """As many of the pieces as fit into the input that the bars are for, compressed."""
    count = len(pieces)
    while len(packed := _xz(b"".join(pieces[:count]))) > INPUT_MAX:
        count = min(int(count * INPUT_MAX / len(packed)), count * 9 // 10)
    return packed


def _zeros(compress: Callable[[bytes], bytes]) -> bytes:
    """Compressed zeros, stream after stream, as many as the input may be long."""
    stream = compress(bytes(8 << 20))
    head = compress(block(b"0", b"zeros", 7 << 30))
    return head + stream * ((INPUT_MAX - len(head)) // len(stream))


def _rle_frame() -> bytes:
    """A frame of zstd whose every four bytes stand for 128 KiB; RFC 8878, 3.1.1.2."""
    window = bytes([(17 - 10) << 3])  # 128 KiB
    blocks = b"".join(((128 << 10) << 3 | 1 << 1).to_bytes(3, "little") + b"\0" for _ in range(16_000))
    head = zstandard.ZstdCompressor().compress(block(b"0", b"zeros", 7 << 30))
    return head + b"\x28\xb5\x2f\xfd\x00" + window + blocks + (1).to_bytes(3, "little")


def _deep_links() -> Iterator[bytes]:
    """Symlinks that lead through each other, each by hundreds of directories, and files behind them."""
    for number in range(38):
        yield long_link(b"e/../" * 800 + b"l%d" % (number + 1)) + block(b"2", b"l%d" % number)
    for number in range(8_000):
        yield block(b"2", b"s%d" % number, link=b"l0") + block(b"0", b"s%d/f" % number)


def _deep_files() -> Iterator[bytes]:
    """Files in many directories far down, in turn, so that none is at hand."""
    deep = b"d/" * 240
    for number in range(12_000):
        yield long_name(deep + b"%d/f%d" % (number % 300, number)) + block(b"0")


BOMBS: dict[str, Callable[[], bytes]] = {
    "gz of zeros": lambda: _zeros(gzip.compress),
    "xz of zeros": lambda: _zeros(_xz),
    "bz2 of zeros": lambda: _zeros(bz2.compress),
    "zst of zeros": _rle_frame,
    "bz2 of a text": lambda: bz2.compress(block(b"0", b"x", 7 << 30)) + bz2.compress(bytes(range(256)) * 3500) * 50,
    "directories": lambda: _packed_small([block(b"5", b"%d" % number) for number in range(40_000)]),
    "directories above": lambda: _packed_small(
        [long_name(b"%d/" % number + b"d/" * 248 + b"f") + block(b"0") for number in range(1000)]
    ),
    "symlinks through directories": lambda: _packed_small([*_deep_links()]),
    "files far down": lambda: _packed_small([*_deep_files()]),
    "long names": lambda: _packed_small([long_name(b"a/" * 500_000) + block(b"0")] * 40),
    "names as long as they may be": lambda: _packed_small([long_name((b"a" * 250 + b"/") * 11) + block(b"5")] * 12_000),
    "records": lambda: _packed_small([records([("a", "")] * 20_000) + block(b"0")] * 60),
    "some records each": lambda: _packed_small([records([("a", "")] * 200) + block(b"5")] * 12_000),
    "headers for all": lambda: _packed_small([block(b"g")] * 60_000),
    "empty streams of gz": lambda: gzip.compress(b"") * (INPUT_MAX // 20),
    "empty streams of xz": lambda: lzma.compress(b"") * (INPUT_MAX // 32),
    "empty streams of bz2": lambda: bz2.compress(b"") * (INPUT_MAX // 14),
    "skippable frames of zst": lambda: b"\x28\xb5\x2f\xfd\x00\x00\x01\x00\x00" + b"\x50\x2a\x4d\x18\0\0\0\0" * 8000,
}


def taken(tmp_path: pathlib.Path, data: bytes) -> str:
    """What unpacking these bytes says in the end, once it was seen to take no more than the bars allow."""
    assert len(data) <= INPUT_MAX
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "root").mkdir()
    words = [sys.executable, "-c", _UNPACK, str(tmp_path / "a"), str(tmp_path / "root")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    seconds, memory, inodes, said = json.loads(done.stdout)
    assert seconds < SECONDS_MAX and memory < MEMORY_MAX and inodes < INODES_MAX, (seconds, memory, inodes, said)
    return str(said)


@pytest.mark.parametrize("bomb", sorted(BOMBS))
def test_no_small_archive_takes_much(tmp_path: pathlib.Path, bomb: str) -> None:
    said = taken(tmp_path, BOMBS[bomb]())
    assert said.startswith(("a.tar: is damaged: ", "a.tar: unpacks to more than ", "a.tar: member 'a/a")), said


def _wide(window_log: int) -> bytes:
    """Zeros in zstd, that may refer as far back as a window of this size."""
    parameters = zstandard.ZstdCompressionParameters(window_log=window_log, enable_ldm=False)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return b"".join([compressor.compress(block(b"0", b"f", 60 << 20) + bytes(60 << 20) + END), compressor.flush()])


def _xz_with(dictionary: int) -> bytes:
    """An archive in xz whose decoder needs a dictionary of so many bytes, as its header says."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    data = bytearray(lzma.compress(block(b"5", b"d") + END, filters=filters))
    # xz-file-format, 3.1 and 5.3.1: in the block's header the size stands as two bits of mantissa and an exponent.
    bits = next(bits for bits in range(41) if (2 | bits & 1) << (bits // 2 + 11) >= dictionary)
    size = (data[12] + 1) * 4
    at = data.index(b"\x21\x01", 12) + 2
    data[at] = bits
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize("library", ["lzma_mt", "lzma"])
def test_xz_has_a_limit_of_memory(tmp_path: pathlib.Path, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert importlib.util.find_spec(library)
    if library == "lzma":
        monkeypatch.setitem(sys.modules, "lzma_mt", None)
    path = tmp_path / "a"
    path.write_bytes(_xz_with(64 << 20))  # xz -9
    assert [entry.path for entry in read_entries(str(path), "a")] == ["d"]
    for dictionary in (96 << 20, 128 << 20, 1536 << 20):
        path.write_bytes(_xz_with(dictionary))
        with pytest.raises(MagpkgError, match="a: is damaged: Memory usage limit exceeded"):
            list(read_entries(str(path), "a"))


def test_zstd_has_a_limit_of_memory(tmp_path: pathlib.Path) -> None:
    assert taken(tmp_path, _wide(27)) == ""
    path = tmp_path / "b"
    path.write_bytes(_wide(28))
    with pytest.raises(MagpkgError, match=r"a: is damaged: .*memory"):
        list(read_entries(str(path), "a"))


# What took minutes, gigabytes or a traceback where tarfile read the archives, with what is said of it.
def _sparse(real: int) -> bytes:
    header = bytearray(block(b"S", b"f", 0, magic=b"ustar  \0"))
    header[483:495] = b"\x80" + real.to_bytes(11, "big")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


SPARSE = "is a sparse file|a sparse file, which"
ONCE: dict[str, tuple[bytes, str]] = {
    "a hole of 2^60 bytes": (_sparse(1 << 60), SPARSE),
    "a sparse header, then the end": (_sparse(1), SPARSE),
    "GNU.sparse.realsize": (records([("GNU.sparse.realsize", "10")]) + block(b"0", size=1 << 30), SPARSE),
    "GNU.sparse.size": (records([("GNU.sparse.size", str(1 << 60))]) + block(b"0"), SPARSE),
    "a map of sparse 1.0": (records([("GNU.sparse.major", "1"), ("GNU.sparse.name", "f")]) + block(b"0"), SPARSE),
    "a size of 400 digits": (records([("size", "9" * 400)]) + block(b"0"), "a size that is no number"),
    "an owner of 400 digits": (records([("uid", "9" * 400)]) + block(b"0") + END, ""),
    "a time of 400 digits": (records([("mtime", "9" * 400)]) + block(b"0") + END, ""),
}


@pytest.mark.parametrize("name", sorted(ONCE))
def test_what_ended_in_a_traceback_or_did_not_end(tmp_path: pathlib.Path, name: str) -> None:
    data, said = ONCE[name]
    assert re.search(said, taken(tmp_path, data)) if said else taken(tmp_path, data) == ""


def test_a_small_archive_may_hold_less_unless_told_otherwise(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(_xz(b"".join(block(b"5", b"%d" % number) for number in range(3000)) + END))
    with pytest.raises(MagpkgError, match=r"unpacks to more than [12],[0-9]{3} entries") as caught:
        list(read_entries(str(path), "a"))
    assert "MAGPKG_MAX_UNPACKED_ENTRIES" in (caught.value.hint or "")
    assert len(list(read_entries(str(path), "a", Meter(Bounds(entries=3000))))) == 3000
    stated = read_bounds({"MAGPKG_MAX_UNPACKED_ENTRIES": "1000000"})  # though it is the usual number
    assert len(list(read_entries(str(path), "a", Meter(stated)))) == 3000
    path.write_bytes(gzip.compress(block(b"0", b"f", 80 << 20) + bytes(80 << 20) + END, 1))
    for entry in read_entries(str(path), "a"):
        assert sum(map(len, entry.chunks())) == 80 << 20
