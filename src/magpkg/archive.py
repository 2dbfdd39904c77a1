"""Archives: a .tar, compressed or not, or a .deb becomes a stream of entries."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from magpkg.errors import MagpkgError

DIRECTORY, FILE, SYMLINK, LINK = "directory", "file", "symlink", "link"

_CHUNK = 1 << 18
_AR_MAGIC = b"!<arch>\n"  # deb(5): a .deb is an ar archive whose member data.tar.* holds the files
_PERMISSIONS = 0o777  # setuid, setgid and sticky bits have no place in a tree that its user owns


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: kind, path relative to the tree, permission bits, mtime in seconds, link target, content.

    `content` must be read before the next entry is asked for.
    """

    kind: str
    path: str
    mode: int
    mtime: int
    target: str = ""
    content: BinaryIO | None = None

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces of bounded size."""
        while self.content is not None and (chunk := self.content.read(_CHUNK)):
            yield chunk


def read_entries(path: str, label: str) -> Iterator[Entry]:
    """The members of the archive at `path`, in order; what it is shows in its first bytes, not in its name.

    `label` names the archive in errors. Raises MagpkgError for what is no archive, is damaged, or has members that
    no tree can hold: absolute names, names with `..`, devices, fifos.
    """
    import lzma
    import zlib

    try:
        with open(path, "rb") as file:
            yield from _members(_decompressed(_payload(file, label), label), label)
    except (tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise MagpkgError(f"{label}: is damaged: {error}") from error
    except OSError as error:
        raise MagpkgError(f"{label}: cannot be read: {error.strerror or error}") from error


def _payload(file: BinaryIO, label: str) -> BinaryIO:
    """The tar stream in `file`: the file itself, or the data member of a .deb."""
    magic = file.read(len(_AR_MAGIC))
    file.seek(0)
    if magic != _AR_MAGIC:
        return file
    from debian.arfile import ArError, ArFile

    try:
        archive = ArFile(fileobj=file)
    except ArError as error:
        raise MagpkgError(f"{label}: is damaged: {error}") from error
    for member in archive.getmembers():
        if member.name.startswith("data.tar"):
            return cast("BinaryIO", member)
    raise MagpkgError(f"{label}: is an ar archive without data.tar, so no Debian package")


def _decompressed(stream: BinaryIO, label: str) -> BinaryIO:
    start = stream.tell()
    magic = stream.read(6)
    stream.seek(start)
    if magic == b"\xfd7zXZ\0":
        import lzma

        return cast("BinaryIO", lzma.open(stream))
    if magic[:2] == b"\x1f\x8b":
        import gzip

        return cast("BinaryIO", gzip.open(stream))
    if magic[:3] == b"BZh":
        import bz2

        return cast("BinaryIO", bz2.open(stream))
    if magic[:4] == b"\x28\xb5\x2f\xfd":
        import zstandard

        return cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))
    if not magic:
        raise MagpkgError(f"{label}: is empty")
    return stream


def _members(stream: BinaryIO, label: str) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, errorlevel=2) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # the list would hold every member of a large archive
            entry = _entry(archive, member, label)
            if entry is not None:
                yield entry


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, label: str) -> Entry | None:
    path = _inner_path(member.name, label)
    mode, mtime = member.mode & _PERMISSIONS, int(member.mtime)
    if member.isdir():
        return Entry(DIRECTORY, path, mode, mtime) if path else None
    if not path:
        raise MagpkgError(f"{label}: member {member.name!r} is no directory but stands for the root")
    if member.isreg():
        return Entry(FILE, path, mode, mtime, content=cast("BinaryIO", archive.extractfile(member)))
    if member.issym():
        return Entry(SYMLINK, path, mode, mtime, target=member.linkname)
    if member.islnk():
        return Entry(LINK, path, mode, mtime, target=_inner_path(member.linkname, label))
    raise MagpkgError(f"{label}: member {member.name!r} is a device, fifo or of an unknown kind")


def _inner_path(name: str, label: str) -> str:
    if name.startswith("/"):
        raise MagpkgError(f"{label}: member {name!r} has an absolute name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MagpkgError(f"{label}: member {name!r} climbs with ..")
    return "/".join(parts)
