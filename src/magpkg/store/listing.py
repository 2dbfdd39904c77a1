"""Listings: what lies in a tree, path by path, as it was when it was published; and how two of them differ.

A listing has no times: they are no part of what a tree is, and a hard link has but one for all its trees.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedIOBase
from types import MappingProxyType
from typing import NamedTuple

from magpkg.errors import MagpkgError

DIRECTORY, FILE, SYMLINK, OTHER = "directory", "file", "symlink", "other"
UNREADABLE = "?"
"""Stands for a content that could not be read; no SHA-256 and no sensible target is the same."""

_TAG = "magpkg listing 1"
_HEAD_MAX = 100
_CHUNK = 1 << 18


class Item(NamedTuple):
    """What is at one path: its kind, permission bits, bytes, and a file's SHA-256 or a symlink's target."""

    kind: str
    mode: int
    size: int = 0
    content: str = ""

    @property
    def target(self) -> str:
        """Where a symlink leads."""
        return self.content


Listing = Mapping[str, Item]
"""Items by path, which is relative to the tree; the tree's own directory is not among them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that is not as it must be, and in what; an empty path is the whole."""

    path: str
    what: str


def read_content(path: str, _: object = None) -> str:
    """The SHA-256 of the file at `path`."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take(
    root: str,
    written: Mapping[int, tuple[int, int, str]] = MappingProxyType({}),
    content: Callable[[str, os.stat_result], str] = read_content,
) -> dict[str, Item]:
    """What lies below the directory `root`.

    Of the files in `written`, by inode, mode, size and SHA-256 are taken from there: neither read nor looked at, since
    this is part of making each package. Of others `content` gives the SHA-256, told the path and the status.
    """
    found: dict[str, Item] = {}
    pending = [""]
    while pending:
        prefix = pending.pop()
        try:
            entries = os.scandir(f"{root}/{prefix}")
        except PermissionError:
            if not prefix:
                raise
            found[prefix[:-1]] = found[prefix[:-1]]._replace(content=UNREADABLE)
            continue
        with entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_file(follow_symlinks=False) and (known := written.get(entry.inode())) is not None:
                    found[path] = Item(FILE, *known)
                    continue
                found[path] = _item(entry.path, entry.stat(follow_symlinks=False), content)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(f"{path}/")
    return found


def _item(path: str, status: os.stat_result, content: Callable[[str, os.stat_result], str]) -> Item:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode):
        return Item(FILE, mode, status.st_size, content(path, status))
    if stat.S_ISLNK(status.st_mode):
        return Item(SYMLINK, mode, 0, os.readlink(path))
    return Item(DIRECTORY if stat.S_ISDIR(status.st_mode) else OTHER, mode)


def write(path: str, listing: Listing) -> None:
    """Keep a listing in a new file at `path`."""
    with open(path, "w", encoding="ascii") as file:
        file.write(text(listing))


def text(listing: Listing) -> str:
    """The listing as it is kept: a line with its own SHA-256, then JSON."""
    body = json.dumps(listing, sort_keys=True, separators=(",", ":"))
    return f"{_TAG} {hashlib.sha256(body.encode('ascii')).hexdigest()}\n{body}"


def read(file: BufferedIOBase, label: str) -> dict[str, Item]:
    """The listing that a file holds; `label` names it in the error about one that is not as it was written.

    It is not loaded before its SHA-256 is known to be right: what is there instead may be of any size.
    """
    head, checksum = file.readline(_HEAD_MAX), hashlib.sha256()
    while chunk := file.read(_CHUNK):
        checksum.update(chunk)
    if head != f"{_TAG} {checksum.hexdigest()}\n".encode("ascii"):
        raise MagpkgError(f"{label}: is damaged")
    file.seek(len(head))
    try:
        return {path: Item(*fields) for path, fields in json.load(file).items()}
    except (ValueError, TypeError, AttributeError):
        raise MagpkgError(f"{label}: is no listing") from None


def compare(expected: Listing, found: Listing) -> list[Difference]:
    """In what `found` is not as `expected`, by path; what lies in a directory that is missing or new is left out."""
    whole: set[str] = set()  # the directories whose content needs no word of its own
    differences = []
    for path in sorted(expected.keys() | found.keys(), key=lambda path: path.split("/")):
        if path.rpartition("/")[0] in whole:
            whole.add(path)
            continue
        before, now = expected.get(path), found.get(path)
        if before == now:
            continue
        if before is None or now is None or before.kind != now.kind or UNREADABLE in (before.content, now.content):
            whole.add(path)
        differences.append(Difference(path, "; ".join(_words(before, now))))
    return differences


def _words(before: Item | None, now: Item | None) -> Iterator[str]:
    if now is None:
        yield "is missing"
        return
    if before is None:
        yield "does not belong here"
        return
    if before.kind != now.kind:
        yield f"is a {now.kind}, not a {before.kind}" if now.kind != OTHER else f"is no {before.kind}"
        return
    if before.mode != now.mode:
        yield f"has mode {now.mode:04o}, not {before.mode:04o}"
    if now.content == UNREADABLE and before.kind != SYMLINK:
        yield "cannot be read"
    elif before.kind == SYMLINK and before.content != now.content:
        yield f"leads to {now.content}, not to {before.content}"
    elif before.size != now.size:
        yield f"has {now.size} bytes, not {before.size}"
    elif before.content != now.content:
        yield "has another content"
