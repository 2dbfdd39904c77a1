"""Lock files: the text of a lock becomes a checked Lock, and a Lock the one text that stands for it."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from magpkg.debian.grammar import is_debian_name, read_architecture, read_package, read_suite, read_version
from magpkg.debian.textfile import draft
from magpkg.errors import MagpkgError
from magpkg.manifest.field import near, read_bool, read_list, read_object, read_sha256, read_text, required, shown
from magpkg.manifest.sources import Sources, as_text, read_file

LOCK_VERSION = 1
LOCK_NAME = "debian.lock.json"
"""The lock file that a manifest has beside it, unless it says otherwise."""

FORMER_BASE = (
    "base-files", "bash", "ca-certificates", "coreutils", "dash", "debianutils", "diffutils", "findutils", "gawk",
    "grep", "gzip", "hostname", "libc-bin", "netbase", "sed", "tar",
)  # fmt: skip
"""The base of locks that do not say what theirs is, as they were made before locks said so."""

_LOCK_FIELDS = ("version", "architecture", "suites", "recommends", "names", "base", "packages")
_SUITE_FIELDS = ("suite", "components", "date", "inrelease")
_PIN_FIELDS = ("version", "architecture", "path", "sha256", "size", "depends")
_POOL_PATH = re.compile(r"pool/[A-Za-z0-9+._~:/%-]+\.deb\Z")


@dataclass(frozen=True, slots=True)
class Pin:
    """One binary package of a lock: its place in the pool, its SHA-256 and the names of what it depends on."""

    name: str
    version: str
    architecture: str
    path: str
    sha256: str
    size: int
    depends: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LockedSuite:
    """A suite as a lock saw it: its components, its date and the SHA-256 of its InRelease."""

    suite: str
    components: tuple[str, ...]
    date: str
    inrelease: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A pinned part of a Debian distribution: what was asked for, and the pins that this came to."""

    architecture: str
    suites: tuple[LockedSuite, ...]
    names: tuple[str, ...]
    recommends: bool = False
    pins: Mapping[str, Pin] = field(default_factory=dict)
    base: tuple[str, ...] = ()
    """The packages that every venv with names from this lock has: see base."""


class BrokenLock(MagpkgError):
    """The error for a lock that cannot be read, and is of no later magpkg; `salvaged` is what a merge left of it."""

    salvaged: "Lock | None" = None


class _OtherVersion(MagpkgError):
    pass


def read_lock(text: str, where: str = "lock") -> Lock:
    """The lock that `text` holds; MagpkgError names the place in it, below `where`, for whatever is wrong."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MagpkgError(f"{where}: is not JSON: {error}", "make the lock anew with magpkg lock") from error
    fields = read_object(value, where, _LOCK_FIELDS)
    if fields.get("version") != LOCK_VERSION or fields.get("version") is True:
        version = shown(fields.get("version"))
        raise _OtherVersion(f"{where}.version: this magpkg reads version {LOCK_VERSION}, got {version}")
    packages = required(fields, "packages", where)
    if not isinstance(packages, dict):
        raise MagpkgError(f"{where}.packages: must be an object")
    pins = {name: _read_pin(name, item, where) for name, item in packages.items()}
    for pin in pins.values():
        for name in pin.depends:
            if name not in pins:
                hint = "make the lock anew with magpkg lock"
                raise MagpkgError(f"{where}.packages.{pin.name}.depends: {name} is not in the lock", hint)
    suites = read_list(fields.get("suites", []), f"{where}.suites")
    base = _read_names(fields.get("base", [name for name in FORMER_BASE if name in pins]), f"{where}.base")
    for index, name in enumerate(base):
        if name not in pins:
            hint = "make the lock anew with magpkg lock"
            raise MagpkgError(f"{where}.base[{index}]: {shown(name)} is not in the lock", hint)
    return Lock(
        architecture=read_architecture(fields.get("architecture", "amd64"), f"{where}.architecture"),
        suites=tuple(_read_suite(item, f"{where}.suites[{index}]") for index, item in enumerate(suites)),
        names=_read_names(fields.get("names", []), f"{where}.names"),
        recommends=read_bool(fields.get("recommends", False), f"{where}.recommends"),
        pins=pins,
        base=base,
    )


def load_lock(path: str) -> Lock | None:
    """The lock in the file at `path`; None where there is no such file."""
    try:
        content = read_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error
    text = as_text(path, content)
    try:
        return read_lock(text, path)
    except _OtherVersion:
        raise
    except MagpkgError as error:
        broken = BrokenLock(error.message, error.hint, error.detail)
        broken.salvaged = _of_merge(text)
        raise broken from error


def _of_merge(text: str) -> Lock | None:
    """The lock on this side of a merge that stopped at a conflict, else the one on the other side."""
    for kept in ("<", "="):
        with suppress(MagpkgError):
            return read_lock(_side(text, kept))
    return None


def _side(text: str, kept: str) -> str:
    """The text with one side of each conflict: the lines after a marker of seven `kept` characters, as git has it."""
    lines = []
    within = ""
    for line in text.splitlines():
        if line[:7] in ("<<<<<<<", "|||||||", "=======", ">>>>>>>"):
            within = "" if line[0] == ">" else line[0]
        elif within in ("", kept):
            lines.append(line)
    return "\n".join(lines)


def load_found_lock(path: str, manifest: str | None = None) -> Lock | None:
    """As `load_lock`, of a lock that nobody has named: it must be the user's, root's, or of who owns `manifest`.

    `manifest` is the file beside it, if that was named.
    """
    if os.path.lexists(path):
        sources = Sources()
        if manifest is not None:
            sources.owners = sources.owners.with_those_of(manifest)
        sources.vouch(path)
    return load_lock(path)


def lock_text(lock: Lock) -> str:
    """The text of a lock file: sorted, one value a line, so that a change of one pin is a change of few lines."""
    value = {
        "version": LOCK_VERSION,
        "architecture": lock.architecture,
        "suites": [
            {
                "suite": suite.suite,
                "components": list(suite.components),
                "date": suite.date,
                "inrelease": suite.inrelease,
            }
            for suite in lock.suites
        ],
        **({"recommends": True} if lock.recommends else {}),
        "names": sorted(lock.names),
        "base": sorted(lock.base),
        "packages": {
            name: {
                "version": pin.version,
                "architecture": pin.architecture,
                "path": pin.path,
                "sha256": pin.sha256,
                "size": pin.size,
                "depends": sorted(pin.depends),
            }
            for name, pin in sorted(lock.pins.items())
        },
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def save_lock(path: str, lock: Lock) -> None:
    """Write the lock file at `path` as one step: it is the old one or the new one, never a part."""
    with draft(path, lock_text(lock)) as made:
        made.replace()


def check_debian_name(name: str) -> None:
    """Raise MagpkgError where somebody asks for a name that Debian could not have."""
    if not is_debian_name(name):
        raise MagpkgError(f"{name}: is no name of a Debian package", "look for one with magpkg search WORD")


def not_locked(name: str, lock: Mapping[str, object], where: str) -> MagpkgError:
    """The error for a name that a lock lacks, with the names in it that are close."""
    close = near(name, lock)
    advice = "run magpkg lock, which adds it"
    hint = f"{advice}; or did you mean {close}?" if close else advice
    return MagpkgError(f"{where}: {name} is not in the lock", hint)


def changes(old: Mapping[str, Pin], new: Mapping[str, Pin]) -> Sequence[str]:
    """What differs between two sets of pins, a line for each package: added, removed, or its version old to new."""
    lines = []
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None and after is not None:
            lines.append(f"{name}: added, {after.version}")
        elif after is None and before is not None:
            lines.append(f"{name}: removed, {before.version}")
        elif before is not None and after is not None and before != after:
            if before.version != after.version:
                lines.append(f"{name}: {before.version} -> {after.version}")
            elif before.sha256 != after.sha256:
                lines.append(f"{name}: {before.version}, another file of the same version")
            elif set(before.depends) != set(after.depends):
                lines.append(f"{name}: {before.version}, other dependencies")
            # Else it is the same file, at another place of the archive.
    return lines


def _read_suite(value: object, where: str) -> LockedSuite:
    fields = read_object(value, where, _SUITE_FIELDS)
    return LockedSuite(
        suite=read_suite(required(fields, "suite", where), f"{where}.suite"),
        components=tuple(
            read_suite(item, f"{where}.components[{index}]")
            for index, item in enumerate(read_list(required(fields, "components", where), f"{where}.components"))
        ),
        date=read_text(required(fields, "date", where), f"{where}.date"),
        inrelease=read_text(required(fields, "inrelease", where), f"{where}.inrelease"),
    )


def _read_pin(name: str, value: object, lock: str) -> Pin:
    where = f"{lock}.packages.{name}"
    if not is_debian_name(name):
        raise MagpkgError(f"{lock}.packages: {shown(name)} is no name of a Debian package")
    fields = read_object(value, where, _PIN_FIELDS)
    path = read_text(required(fields, "path", where), f"{where}.path")
    if not _POOL_PATH.match(path) or ".." in path.split("/"):
        raise MagpkgError(f"{where}.path: must be the path of a .deb below pool/, got {shown(path)}")
    size = fields.get("size", 0)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise MagpkgError(f"{where}.size: must be a number of bytes, got {shown(size)}")
    return Pin(
        name=name,
        version=read_version(fields["version"], f"{where}.version") if "version" in fields else "",
        architecture=read_architecture(fields["architecture"], f"{where}.architecture")
        if "architecture" in fields
        else "",
        path=path,
        sha256=read_sha256(required(fields, "sha256", where), f"{where}.sha256"),
        size=size,
        depends=_read_names(fields.get("depends", []), f"{where}.depends"),
    )


def _read_names(value: object, where: str) -> tuple[str, ...]:
    return tuple(read_package(item, f"{where}[{index}]") for index, item in enumerate(read_list(value, where)))
