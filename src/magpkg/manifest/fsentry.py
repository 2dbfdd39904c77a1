"""Directories, files and symlinks that a manifest adds to its rootfs."""

import json
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.manifest.field import read_choice, read_list, read_object, read_text, required, shown

ENTRIES = "fsEntries"
"""The file of a venv, beside its rootfs, that the entries it was made with are kept in."""

_FIELDS = {
    "directory": ("type", "path", "mode"),
    "file": ("type", "path", "contents", "mode"),
    "symlink": ("type", "path", "target"),
}
_DEFAULT_MODE = {"directory": 0o755, "file": 0o644, "symlink": 0o777}
_MODE = re.compile(r"(0o)?0*([0-7]{1,4})\Z")


@dataclass(frozen=True, slots=True)
class FsEntry:
    """One entry: its type, its absolute path in the rootfs, its permission bits, contents or link target."""

    type: str
    path: str
    mode: int
    contents: str = ""
    target: str = ""

    def content(self) -> dict[str, str]:
        """What of the entry is hashed: everything, the mode in one spelling."""
        return {
            "type": self.type,
            "path": self.path,
            "mode": f"{self.mode:04o}",
            "contents": self.contents,
            "target": self.target,
        }


def read_fs_entries(value: object, where: str) -> tuple[FsEntry, ...]:
    """The entries of a manifest's `fsEntries`, sorted by path; two for one path are an error."""
    entries: dict[str, FsEntry] = {}
    for index, item in enumerate(read_list(value, where)):
        entry = _read_entry(item, f"{where}[{index}]")
        if entry.path in entries:
            raise MagpkgError(f"{where}[{index}].path: {shown(entry.path)} stands in fsEntries twice")
        entries[entry.path] = entry
    return sort_entries(entries.values())


def sort_entries(entries: Iterable[FsEntry]) -> tuple[FsEntry, ...]:
    """The entries in the order in which they are written: by path, parents before what lies in them."""
    return tuple(sorted(entries, key=lambda entry: entry.path.split("/")))


def keep_entries(entries: Iterable[FsEntry]) -> str:
    """The entries as a venv keeps them, to be checked against."""
    return json.dumps([entry.content() for entry in entries])


def kept_entries(text: str) -> tuple[FsEntry, ...]:
    """The entries that `keep_entries` gave the text of; raises ValueError for any other text."""
    try:
        return tuple(FsEntry(**{**item, "mode": int(item["mode"], 8)}) for item in json.loads(text))
    except (KeyError, TypeError) as error:
        raise ValueError(text) from error


def _read_entry(value: object, where: str) -> FsEntry:
    every = sorted({name for names in _FIELDS.values() for name in names})
    fields = read_object(value, where, every)
    kind = read_choice(required(fields, "type", where), f"{where}.type", _FIELDS)
    for name in fields:
        if name not in _FIELDS[kind]:
            raise MagpkgError(f"{where}.{name}: a {kind} has no {name}", f"its fields: {', '.join(_FIELDS[kind])}")
    path = _read_path(required(fields, "path", where), f"{where}.path")
    mode = _read_mode(fields["mode"], f"{where}.mode") if fields.get("mode") is not None else _DEFAULT_MODE[kind]
    contents = _read_contents(fields.get("contents", ""), f"{where}.contents") if kind == "file" else ""
    target = read_text(required(fields, "target", where), f"{where}.target") if kind == "symlink" else ""
    return FsEntry(kind, path, mode, contents, target)


def _read_path(value: object, where: str) -> str:
    path = read_text(value, where)
    if not path.startswith("/"):
        raise MagpkgError(f"{where}: must be an absolute path, got {shown(path)}")
    if ".." in path.split("/"):
        raise MagpkgError(f"{where}: must not contain .., got {shown(path)}")
    path = posixpath.normpath("/" + path.lstrip("/"))
    if path == "/":
        raise MagpkgError(f"{where}: must lie below /, got {shown(value)}")
    if max(len(part.encode("utf-8")) for part in path.split("/")) > 255 or len(path) > 3000:
        raise MagpkgError(f"{where}: is longer than a path can be, {shown(path)}")
    return path


def _read_contents(value: object, where: str) -> str:
    """The text of a file; it may be a secret, so that errors about it must not show it."""
    if not isinstance(value, str):
        raise MagpkgError(f"{where}: must be a string")
    if "\0" in value:
        raise MagpkgError(f"{where}: must not contain a NUL character")
    return read_text(value, where, empty=True)


def _read_mode(value: object, where: str) -> int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        hint = f'a number is decimal and means other bits than it shows; write it as a string: "{value}"'
        raise MagpkgError(f"{where}: must be an octal string, got the number {shown(value)}", hint)
    text = read_text(value, where)
    match = _MODE.match(text)
    if not match:
        raise MagpkgError(f'{where}: must be octal, like "755", "0755" or "0o755"; got {shown(text)}')
    mode = int(match.group(2), 8)
    if mode > 0o777:
        raise MagpkgError(f"{where}: setuid, setgid and sticky bits are not kept, got {shown(text)}")
    return mode
