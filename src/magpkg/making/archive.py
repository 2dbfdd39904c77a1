"""Archives: a .tar, compressed or not, or a .deb becomes a stream of entries."""

import bz2
import gzip
import importlib
import io
import lzma
import math
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

import zstandard

from magpkg.errors import MagpkgError
from magpkg.making.bounds import Meter, MeteredStream

DIRECTORY, FILE, SYMLINK, LINK = "directory", "file", "symlink", "link"

_CHUNK = 1 << 18
_AR_MAGIC = b"!<arch>\n"  # deb(5): a .deb is an ar archive whose member data.tar.* holds the files
_AR_HEADER = 60
_LATEST = 2**32 - 1
_HEADER_MAX = 1 << 20  # tarfile reads an extended header into memory whole
_HEADER_TYPES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_PERMISSIONS = 0o777  # setuid, setgid and sticky bits have no place in a tree that its user owns


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: kind, path relative to the tree, permission bits, mtime in seconds, link target, content.

    `content` must be read before the next entry is asked for; `label` names the archive in errors.
    """

    label: str
    kind: str
    path: str
    mode: int
    mtime: int
    target: str = ""
    content: BinaryIO | None = None

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces of bounded size."""
        with _damage_reported(self.label):
            while self.content is not None and (chunk := self.content.read(_CHUNK)):
                yield chunk


@contextmanager
def _damage_reported(label: str) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError, ValueError) as error:
        raise MagpkgError(f"{label}: is damaged: {error}") from error
    except OSError as error:
        raise MagpkgError(f"{label}: cannot be read: {error.strerror or error}") from error


class _StrictTarInfo(tarfile.TarInfo):
    """A header after which an archive may end only as tar(5) has it: with a block of zeros."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictTarInfo":
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADER_TYPES and header.size > _HEADER_MAX:
            raise tarfile.ReadError(f"an extended header of {header.size:,} bytes")
        return header

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(archive)
        except (
            tarfile.EmptyHeaderError,  # type: ignore[attr-defined]
            tarfile.TruncatedHeaderError,  # type: ignore[attr-defined]
            tarfile.InvalidHeaderError,  # type: ignore[attr-defined]
        ) as error:
            raise tarfile.ReadError(f"no member and no end where one must be: {error}") from error


def read_entries(path: str, label: str, meter: Meter | None = None) -> Iterator[Entry]:
    """The members of the archive at `path`, in order; what it is shows in its first bytes, not in its name.

    `label` names the archive in errors. Raises MagpkgError for what is no archive, is damaged, or has members that
    no tree can hold: absolute names, names with `..`, devices, fifos. What it holds is counted by `meter`.
    """
    meter = meter or Meter()
    with _damage_reported(label), open(path, "rb") as file:
        stream = cast("BinaryIO", MeteredStream(_decompressed(_payload(file, label), label), meter, label))
        yield from _members(stream, label, meter)
        while stream.read(_CHUNK):
            pass  # to the end, where the compressed formats have their checksums


def _payload(file: BinaryIO, label: str) -> BinaryIO:
    """The tar stream in `file`: the file itself, or the data member of a .deb."""
    magic = file.read(len(_AR_MAGIC))
    file.seek(0)
    if magic != _AR_MAGIC:
        return file
    return _ar_member(file, "data.tar", label)


def _ar_member(file: BinaryIO, prefix: str, label: str) -> BinaryIO:
    """The first member of an ar archive whose name starts with `prefix`.

    Read here and not by a library, since the one for Debian's archives takes sizes on trust.
    """
    total, position = os.fstat(file.fileno()).st_size, len(_AR_MAGIC)
    while position < total:
        file.seek(position)
        header = file.read(_AR_HEADER)
        digits = header[48:58].strip()
        position += _AR_HEADER
        if len(header) < _AR_HEADER or header[58:] != b"`\n" or not digits.isdigit() or int(digits) > total - position:
            raise MagpkgError(f"{label}: is damaged: no ar header where one must be")
        if header[:16].startswith(prefix.encode()):
            return cast("BinaryIO", io.BufferedReader(_Section(file, position, int(digits)), _CHUNK))
        position += int(digits) + int(digits) % 2
    raise MagpkgError(f"{label}: is an ar archive without {prefix}, so no Debian package")


class _Section(io.RawIOBase):
    """A part of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._position = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        self._file.seek(self._start + self._position)
        content = self._file.read(max(0, min(len(buffer), self._size - self._position)))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)


def _decompressed(stream: BinaryIO, label: str) -> BinaryIO:
    start = stream.tell()
    magic = stream.read(6)
    stream.seek(start)
    if magic == b"\xfd7zXZ\0":
        return _xz_decompressed(stream)
    if magic[:2] == b"\x1f\x8b":
        return cast("BinaryIO", gzip.open(stream))
    if magic[:3] == b"BZh":
        return cast("BinaryIO", bz2.open(stream))
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        return cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))
    if not magic:
        raise MagpkgError(f"{label}: is empty")
    return stream


def _xz_decompressed(stream: BinaryIO) -> BinaryIO:
    # liblzma decodes xz in 0.6 of the time from its version 5.6 on. The extra `fast` brings one of those; what Python
    # itself was linked with is often older, and says no version.
    try:
        decoder = importlib.import_module("lzma_mt")
    except ImportError:
        decoder = lzma
    return cast("BinaryIO", decoder.open(stream))


def _members(stream: BinaryIO, label: str, meter: Meter) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, errorlevel=2, tarinfo=_StrictTarInfo) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # the list would hold every member of a large archive
            meter.count_entry(label)
            if member.issparse():
                meter.count_bytes(member.size, label)  # its holes are no part of the stream
            entry = _entry(archive, member, label)
            if entry is not None:
                yield entry


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, label: str) -> Entry | None:
    path = _inner_path(member.name, label)
    mode, mtime = member.mode & _PERMISSIONS, _seconds(member.mtime)
    if member.size < 0:
        raise MagpkgError(f"{label}: member {member.name!r} has a negative size")
    if member.isdir():
        return Entry(label, DIRECTORY, path, mode, mtime) if path else None
    if not path:
        raise MagpkgError(f"{label}: member {member.name!r} is no directory but stands for the root")
    if member.isreg():
        return Entry(label, FILE, path, mode, mtime, content=cast("BinaryIO", archive.extractfile(member)))
    if member.issym():
        return Entry(label, SYMLINK, path, mode, mtime, target=member.linkname)
    if member.islnk():
        return Entry(label, LINK, path, mode, mtime, target=_inner_path(member.linkname, label))
    raise MagpkgError(f"{label}: member {member.name!r} is a device, fifo or of an unknown kind")


def _seconds(mtime: float) -> int:
    """A time that every file system can hold; what is none, such as infinity, is the epoch."""
    return int(min(max(mtime, 0), _LATEST)) if math.isfinite(mtime) else 0


def _inner_path(name: str, label: str) -> str:
    if "\0" in name:
        raise MagpkgError(f"{label}: member {name!r} has a NUL in its name")
    if name.startswith("/"):
        raise MagpkgError(f"{label}: member {name!r} has an absolute name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MagpkgError(f"{label}: member {name!r} climbs with ..")
    return "/".join(parts)
