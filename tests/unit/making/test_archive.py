"""Archives by what is in them, never by their names; hostile ones are errors."""

import bz2
import gzip
import io
import lzma
import pathlib
import tarfile
from collections.abc import Callable

import pytest
import zstandard

from magpkg.errors import MagpkgError
from magpkg.making.archive import read_entries
from tests.support.archives import ar_bytes, deb_bytes, tar_bytes

MEMBERS = {"./": "", "./usr/bin/": "", "./usr/bin/a": "content", "b": "-> usr/bin/a", "empty": ""}
LIST = [
    ("directory", "usr/bin", 0o755, b"", ""),
    ("file", "usr/bin/a", 0o644, b"content", ""),
    ("symlink", "b", 0o644, b"", "usr/bin/a"),
    ("file", "empty", 0o644, b"", ""),
]


def entries(path: pathlib.Path, data: bytes) -> list[tuple[str, str, int, bytes, str]]:
    """What is read from an archive of these bytes."""
    path.write_bytes(data)
    found = read_entries(str(path), "package a: a.tar")
    return [(entry.kind, entry.path, entry.mode, b"".join(entry.chunks()), entry.target) for entry in found]


def _zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


KINDS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".tar.xz": lzma.compress,
    ".tar.bz2": bz2.compress,
    ".tar.zst": _zstd,
    ".tar.zst of two frames": lambda data: _zstd(data[:700]) + _zstd(data[700:]),
    ".deb with .xz": lambda data: deb_bytes(lzma.compress(data), ".xz"),
    ".deb with .zst": lambda data: deb_bytes(_zstd(data), ".zst/"),
    ".deb with .gz": lambda data: deb_bytes(gzip.compress(data), ".gz"),
    ".deb with .bz2": lambda data: deb_bytes(bz2.compress(data), ".bz2"),
    ".deb with .tar": deb_bytes,
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_archive(tmp_path: pathlib.Path, kind: str) -> None:
    assert entries(tmp_path / "a", KINDS[kind](tar_bytes(MEMBERS))) == LIST


def _member(**fields: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("name")
        for name, value in fields.items():
            setattr(info, name, value)
        archive.addfile(info)
    return buffer.getvalue()


def test_setuid_and_other_bits_are_dropped_and_hard_links_are_kept(tmp_path: pathlib.Path) -> None:
    assert entries(tmp_path / "a", _member(mode=0o6755))[0][2] == 0o755
    link = _member(type=tarfile.LNKTYPE, linkname="./usr//a")
    assert entries(tmp_path / "a", link) == [("link", "name", 0o644, b"", "usr/a")]


@pytest.mark.parametrize(
    ("mtime", "read"), [("inf", 0), ("-inf", 0), ("nan", 0), ("-1", 0), ("1.9", 1), ("1e30", 2**32 - 1)]
)
def test_a_time_that_no_file_can_have(tmp_path: pathlib.Path, mtime: str, read: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("name")
        info.pax_headers = {"mtime": mtime}
        archive.addfile(info)
    (tmp_path / "a").write_bytes(buffer.getvalue())
    assert [entry.mtime for entry in read_entries(str(tmp_path / "a"), "a")] == [read]


HOSTILE = [
    (_member(name="../a"), "member '../a' climbs with .."),
    (_member(name="a/../../b"), "member 'a/../../b' climbs with .."),
    (_member(name="/etc/passwd"), "member '/etc/passwd' has an absolute name"),
    (_member(type=tarfile.LNKTYPE, linkname="../a"), "member '../a' climbs with .."),
    (_member(type=tarfile.LNKTYPE, linkname="/etc/shadow"), "member '/etc/shadow' has an absolute name"),
    (_member(type=tarfile.CHRTYPE), "member 'name' is a device, fifo or of an unknown kind"),
    (_member(type=tarfile.BLKTYPE), "member 'name' is a device, fifo or of an unknown kind"),
    (_member(type=tarfile.FIFOTYPE), "member 'name' is a device, fifo or of an unknown kind"),
    (_member(name="./."), "member './.' is no directory but stands for the root"),
]


@pytest.mark.parametrize(("data", "message"), HOSTILE)
def test_a_hostile_member_is_an_error(tmp_path: pathlib.Path, data: bytes, message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        entries(tmp_path / "a", data)
    assert caught.value.message == f"package a: a.tar: {message}"


WHOLE = tar_bytes({f"file{index}": bytes(range(256)) * 40 for index in range(9)})
DAMAGED = {
    "empty": b"",
    "text": b"<html>404</html>" * 100,
    "cut .tar": WHOLE[:5000],
    "cut .gz": gzip.compress(WHOLE)[:-2000],
    "cut .xz": lzma.compress(WHOLE)[:-60],
    "cut .bz2": bz2.compress(WHOLE)[:-200],
    "cut .zst": _zstd(WHOLE)[:-60],
    "wrong .gz": b"\x1f\x8b" + b"nonsense" * 100,
    "wrong .xz": b"\xfd7zXZ\0" + b"nonsense" * 100,
    "wrong .bz2": b"BZh9" + b"nonsense" * 100,
    "wrong .zst": b"\x28\xb5\x2f\xfd" + b"nonsense" * 100,
    "ar without data": ar_bytes({"debian-binary": b"2.0\n"}),
    "cut ar": b"!<arch>\n" + b"nonsense",
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_a_damaged_archive_is_an_error_that_names_it(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        entries(tmp_path / "a", DAMAGED[name])
    assert caught.value.message.startswith("package a: a.tar: ")


@pytest.mark.parametrize(
    ("where", "text"), [(48, b"9999999999"), (48, b"-1        "), (48, b"          "), (58, b"\0\0")]
)
def test_an_ar_header_is_not_taken_on_trust(tmp_path: pathlib.Path, where: int, text: bytes) -> None:
    data = bytearray(ar_bytes({"debian-binary": b"2.0\n", "data.tar": WHOLE}))
    start = len(data) - len(WHOLE) - 60 + where
    data[start : start + len(text)] = text
    with pytest.raises(MagpkgError, match=r"^package a: a\.tar: is damaged: no ar header where one must be$"):
        entries(tmp_path / "a", bytes(data))


@pytest.mark.parametrize(
    ("compress", "ending"), [(gzip.compress, ".gz"), (lzma.compress, ".xz"), (_zstd, ".zst"), (bz2.compress, ".bz2")]
)
def test_what_follows_the_data_of_a_deb_is_no_part_of_it(
    tmp_path: pathlib.Path, compress: Callable[[bytes], bytes], ending: str
) -> None:
    signed = deb_bytes(compress(tar_bytes(MEMBERS)), ending, after={"_gpgorigin": b"x" * 999, "more": b""})
    assert entries(tmp_path / "a", signed) == LIST


def test_a_missing_archive_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MagpkgError, match=r"a\.tar: cannot be read: No such file or directory"):
        list(read_entries(str(tmp_path / "none"), "package a: a.tar"))
