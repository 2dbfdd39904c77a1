"""Archives: a .tar, compressed or not, or a .deb becomes a stream of entries."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from os import fstat
from typing import BinaryIO

from magpkg.errors import MagpkgError
from magpkg.making import deb, tar
from magpkg.making.bounds import Meter
from magpkg.making.compression import decompressed, ending_of
from magpkg.making.stream import Stream

DIRECTORY, FILE, SYMLINK, LINK = "directory", "file", "symlink", "link"

_PERMISSIONS = 0o755  # nobody but its user writes to a tree; setuid, setgid and sticky bits have no place in it


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
    content: Iterable[bytes] = ()

    def chunks(self) -> Iterator[bytes]:
        """The content in pieces of bounded size."""
        return iter(self.content)


def read_entries(path: str, label: str, meter: Meter | None = None) -> Iterator[Entry]:
    """The members of the archive at `path`, in order; what it is shows in its first bytes, not in its name.

    `label` names the archive in errors. Raises MagpkgError for what is no archive, is damaged, or has members that
    no tree can hold: absolute names, names with `..`, devices, fifos. What it holds is counted by `meter`.
    """
    yield from _read(path, label, meter or Meter(), _payload)


def read_control(path: str, label: str, meter: Meter | None = None) -> Iterator[Entry]:
    """The members of the control.tar of the .deb at `path`, in order: what is known of the package, and its scripts."""
    yield from _read(path, label, meter or Meter(), _control)


def _read(
    path: str, label: str, meter: Meter, payload_of: Callable[[BinaryIO, str], tuple[BinaryIO, str]]
) -> Iterator[Entry]:
    try:
        with open(path, "rb") as file:
            meter.count_input(fstat(file.fileno()).st_size)
            payload, ending = payload_of(file, label)
            stream = Stream(decompressed(payload, ending), meter, label)
            reader = tar.TarReader(stream)
            for member in reader.members():
                meter.count_entry(label)
                entry = _entry(member, reader, label)
                if entry is not None:
                    yield entry
            stream.drain()
    except OSError as error:
        raise MagpkgError(f"{label}: cannot be read: {error.strerror or error}") from error


def _payload(file: BinaryIO, label: str) -> tuple[BinaryIO, str]:
    """The tar archive in `file`, and how it is compressed: the file itself, or the data member of a .deb."""
    magic = file.read(len(deb.MAGIC))
    if not magic:
        raise MagpkgError(f"{label}: is empty")
    if magic == deb.MAGIC:
        return deb.data_member(file, label)
    file.seek(0)
    return file, ending_of(file)


def _control(file: BinaryIO, label: str) -> tuple[BinaryIO, str]:
    if file.read(len(deb.MAGIC)) != deb.MAGIC:
        raise MagpkgError(f"{label}: is no ar archive, so no Debian package")
    return deb.control_member(file, label)


def _entry(member: tar.Member, reader: tar.TarReader, label: str) -> Entry | None:
    path = _inner_path(member.name, label)
    mode, kind = member.mode & _PERMISSIONS, member.kind
    if kind == tar.DIRECTORY:
        return Entry(DIRECTORY, path, mode, member.mtime) if path else None
    if not path:
        raise MagpkgError(f"{label}: member {member.name!r} is no directory but stands for the root")
    if kind == tar.FILE:
        return Entry(FILE, path, mode, member.mtime, content=reader.content())
    if kind == tar.SYMLINK:
        if "\0" in member.target:
            raise MagpkgError(f"{label}: member {member.name!r} has a NUL in its target")
        return Entry(SYMLINK, path, mode, member.mtime, target=member.target)
    if kind == tar.LINK:
        return Entry(LINK, path, mode, member.mtime, target=_inner_path(member.target, label))
    raise MagpkgError(f"{label}: member {member.name!r} is a device, fifo or of an unknown kind")


def _inner_path(name: str, label: str) -> str:
    if "\0" in name:
        raise MagpkgError(f"{label}: member {name!r} has a NUL in its name")
    if name.startswith("/"):
        raise MagpkgError(f"{label}: member {name!r} has an absolute name")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MagpkgError(f"{label}: member {name!r} climbs with ..")
    return "/".join(parts)
