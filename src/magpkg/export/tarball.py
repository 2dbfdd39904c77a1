"""Tarballs: entries to the bytes of a tar archive, the same for the same entries, in pieces of bounded size.

The format is GNU's, tar(5), which has names as bytes. Owner and group are 0, without names.
"""

import os
import sys
import tarfile
from collections.abc import Iterable, Iterator

from magpkg.errors import MagpkgError
from magpkg.export.layer import TIME, Entry
from magpkg.store.listing import DIRECTORY, FILE, SYMLINK

END = bytes(2 * tarfile.BLOCKSIZE)
"""What ends an archive."""

_CHUNK = 1 << 20
_TYPES = {DIRECTORY: tarfile.DIRTYPE, FILE: tarfile.REGTYPE, SYMLINK: tarfile.SYMTYPE}


def tarball(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The archive of the entries, in their order; a file that has its twin before it is a hard link to that."""
    first: dict[tuple[int, int], str] = {}
    for entry in entries:
        twin = first.setdefault(entry.twin, entry.path) if entry.twin is not None else entry.path
        if twin != entry.path:
            yield _header(tarfile.LNKTYPE, entry.path, entry.mode, entry.mtime, 0, twin)
            continue
        yield _header(_TYPES[entry.kind], entry.path, entry.mode, entry.mtime, entry.size, entry.target)
        if entry.kind == FILE:
            yield from _content(entry)
            yield padding(entry.size)
    yield END


def file_header(path: str, size: int) -> bytes:
    """What comes before the content of a plain file in an archive."""
    return _header(tarfile.REGTYPE, path, 0o644, TIME, size)


def directory_header(path: str) -> bytes:
    """What stands for a directory in an archive."""
    return _header(tarfile.DIRTYPE, path, 0o755, TIME)


def padding(size: int) -> bytes:
    """What comes after `size` bytes of content."""
    return bytes(-size % tarfile.BLOCKSIZE)


def _header(kind: bytes, path: str, mode: int, mtime: int, size: int = 0, target: str = "") -> bytes:
    info = tarfile.TarInfo(f"{path}/" if kind == tarfile.DIRTYPE else path)
    info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, mtime, size, target
    # As os.fsencode has it, so that names are the bytes that they are on disk.
    return info.tobuf(tarfile.GNU_FORMAT, sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


def _content(entry: Entry) -> Iterator[bytes]:
    if not entry.source:
        yield entry.content
        return
    left = entry.size
    with open(entry.source, "rb", buffering=0) as file:
        while left and (chunk := file.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
        if left or os.fstat(file.fileno()).st_size != entry.size:
            raise MagpkgError(f"{entry.source}: has changed, which nothing in the store may", "remove the package tree")
