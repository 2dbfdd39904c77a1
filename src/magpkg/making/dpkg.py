"""dpkg's database: what each package's tree keeps for it, and the file that tells which packages a closure has.

A tree has what dpkg puts into its info directory, deb(5) and dpkg(1): the list of files, checksums, scripts; and, as
NAME.control, the package's control fields, which dpkg has in `status` only.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.making import archive
from magpkg.making.bounds import Meter
from magpkg.store.tree import Tree

DATABASE = "var/lib/dpkg"
INFO = f"{DATABASE}/info"

INSTALLED, UNPACKED = "installed", "unpacked"
"""States that a package can be in: dpkg(1), "Package states"."""

_CONTROL = ".control"
_CONTROL_BYTES_MAX = 32 << 20  # of all members together; the largest in a suite have 3 MB, of checksums
_MEMBER = re.compile(r"[a-z][a-z0-9-]{0,40}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")  # Debian policy, 5.6.1
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")
_MERGED = re.compile(r"/(?:bin|sbin|lib|lib32|lib64|libx32)/")


@dataclass(frozen=True, slots=True)
class Record:
    """What a tree keeps of one package: its name, what dpkg calls it among others, the control fields, the tree."""

    name: str
    label: str
    control: str
    tree: str

    def text(self, member: str) -> str:
        """What a member of the package's control.tar holds; empty where it has no such member."""
        return _read(f"{self.tree}/{INFO}/{self.label}.{member}") or ""

    def paragraph(self, state: str) -> str:
        """The package's paragraph of `status`."""
        lines = [line for line in self.control.split("\n") if not line.startswith("Package:")]
        settings = list(self._settings())
        lines = [f"Package: {self.name}", f"Status: install ok {state}", *lines]
        return "\n".join([*lines, *(["Conffiles:", *settings] if settings else [])]) + "\n"

    def _settings(self) -> Iterator[str]:
        """The lines of the field Conffiles: each path, and the MD5 that it was shipped with."""
        tree = os.path.realpath(self.tree)
        for line in self.text("conffiles").splitlines():
            # What leads through a symlink is left out: on this side it would lead out of the tree.
            path = f"{tree}{line}"
            if line.startswith("/") and os.path.realpath(path) == path and os.path.isfile(path):
                with open(path, "rb") as file:
                    yield f" {line} {hashlib.file_digest(file, 'md5').hexdigest()}"


def keep_record(tree: Tree, path: str, label: str, meter: Meter, listed: Iterable[str]) -> None:
    """Write what dpkg keeps of the .deb at `path`, whose members have the paths `listed`, into its tree."""
    members = _control_members(path, label, meter)
    # One paragraph: what came after it would be a package of its own in `status`.
    control = members.pop("control", (b"", 0))[0].decode("utf-8", "surrogateescape").strip("\n").split("\n\n")[0]
    called = _called(control, label)
    tree.write_file(f"{INFO}/{called}{_CONTROL}", 0o644, [control.encode("utf-8", "surrogateescape")], 0)
    for name, (content, mode) in members.items():
        tree.write_file(f"{INFO}/{called}.{name}", mode, [content], 0)
    tree.write_file(f"{INFO}/{called}.list", 0o644, [os.fsencode("".join(_list_lines(listed)))], 0)


def records(trees: Iterable[str]) -> list[Record]:
    """What trees, in merge order, keep: of several packages of one name the last, which is the one that is there."""
    found: dict[str, Record] = {}
    for tree in trees:
        directory = f"{os.path.realpath(tree)}/{INFO}"
        if os.path.realpath(directory) != directory or not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            label = name.removesuffix(_CONTROL)
            control = _read(f"{directory}/{name}") if label != name else None
            if control is not None:
                found[label] = Record(label.partition(":")[0], label, control, tree)
    return [found[label] for label in sorted(found)]


def write_database(tree: Tree, packages: Iterable[Record], state: str) -> None:
    """Write the `status` of these packages and what else dpkg looks for; the lists and scripts are in their trees."""
    paragraphs = "\n".join(record.paragraph(state) for record in packages)
    tree.write_file(f"{DATABASE}/status", 0o644, [paragraphs.encode("utf-8", "surrogateescape")], 0)
    tree.write_file(f"{INFO}/format", 0o644, [b"1\n"], 0)  # names have an architecture where two can be installed
    tree.make_directory(f"{DATABASE}/updates")
    tree.make_directory(f"{DATABASE}/triggers")


def _control_members(path: str, label: str, meter: Meter) -> dict[str, tuple[bytes, int]]:
    members: dict[str, tuple[bytes, int]] = {}
    left = _CONTROL_BYTES_MAX
    for entry in archive.read_control(path, label, meter):
        if entry.kind != archive.FILE or not _MEMBER.match(entry.path):
            continue
        content = bytearray()
        for chunk in entry.chunks():
            content += chunk
            left -= len(chunk)
            if left < 0:
                raise MagpkgError(f"{label}: its control.tar has more than {_CONTROL_BYTES_MAX:,} bytes")
        members[entry.path] = bytes(content), entry.mode
    return members


def _called(control: str, label: str) -> str:
    """The name that the package's files in the info directory have: with the architecture if two can be installed."""
    fields = dict(line.partition(":")[::2] for line in control.split("\n") if line[:1] not in (" ", "\t", ""))
    name, architecture = fields.get("Package", "").strip(), fields.get("Architecture", "").strip()
    if not _NAME.match(name):
        raise MagpkgError(f"{label}: its control file names no package, so it is no Debian package")
    if fields.get("Multi-Arch", "").strip() == "same" and _ARCHITECTURE.match(architecture):
        return f"{name}:{architecture}"
    return name


def _list_lines(paths: Iterable[str]) -> Iterator[str]:
    """The lines of a list of files: each path as it was shipped, and as it is where /bin and its like lead to /usr."""
    yield "/.\n"
    for path in paths:
        if path and "\n" not in path:
            yield f"/{path}\n"
            if _MERGED.match(f"/{path}"):
                yield f"/usr/{path}\n"


def _read(path: str) -> str | None:
    """The text of a file that is one itself; None where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
