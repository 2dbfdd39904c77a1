"""Manifests: an evaluated plain value becomes a checked Manifest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from magpkg.errors import MagpkgError
from magpkg.manifest.configuration import ALWAYS, DEFAULT, NEVER, WHERE_NEEDED, Configuration, configured
from magpkg.manifest.digest import VENV_TAG, Canonical, digest
from magpkg.manifest.field import is_unicode, read_bool, read_choice, read_list, read_object, read_text, required, shown
from magpkg.manifest.fsentry import FsEntry, read_fs_entries
from magpkg.manifest.mount import Mount, read_mount
from magpkg.manifest.package import Package, PackageGraph, runtime_closure

LAYOUT_VERSION = "3"
"""The version of how a closure is laid out as a rootfs; raised whenever the same closure comes out differently."""

_FIELDS = (
    "packages",
    "suites",
    "presets",
    "envKeep",
    "envSet",
    "mountDefaults",
    "hostDefaults",
    "mounts",
    "fsEntries",
    "network",
    "unshare",
    "shims",
    "seccomp",
    "configure",
    "configureSkip",
)
_FILTERED, _UNFILTERED = "default", "none"
_SKIP = "venv.configureSkip"
_NAMESPACES = ("pid", "ipc", "uts", "cgroup", "net")
SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_-]*(/[A-Za-z0-9][A-Za-z0-9.+~_-]*)*\Z")
"""What a suite of an APT repository may be called, such as trixie or trixie-security."""

_VARIABLE_NAME = re.compile(r"[^=\0]+\Z")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a venv is made of and how it is entered; every field is checked."""

    packages: tuple[Package, ...]
    env_keep: tuple[str, ...] = ()
    env_set: tuple[tuple[str, str], ...] = ()
    mount_defaults: bool = True
    mounts: tuple[Mount, ...] = ()
    fs_entries: tuple[FsEntry, ...] = ()
    suites: tuple[str, ...] = ()
    """Where `magpkg lock` looks for Debian's packages; no part of the hash, since what it finds is in the lock."""
    presets: tuple[str, ...] = ()
    """The presets that the value names, whose fields it has by now; see evaluation."""
    unshare: tuple[str, ...] = ()
    """Namespaces of its own, in order, each once; `network: false` is one of them."""
    filtered: bool = True
    """Whether the filter of system calls is on the command; `seccomp: 'none'` takes it away."""
    host_defaults: bool | None = None
    """Whether the command has the user's name, time zone and terminal; None where the manifest does not say."""
    shims: tuple[str, ...] = ()
    """The commands that `magpkg shim` writes where it is told no others."""
    configuration: Configuration = DEFAULT

    @property
    def takes_host_defaults(self) -> bool:
        """Whether there are host defaults: left out, they come and go with the default mounts."""
        return self.mount_defaults if self.host_defaults is None else self.host_defaults

    def closure(self) -> tuple[Package, ...]:
        """The runtime closure of the packages, with what configures those of Debian, in merge order."""
        return configured(runtime_closure(self.packages), self.configuration)


def venv_hash(closure: tuple[Package, ...], fs_entries: tuple[FsEntry, ...]) -> str:
    """The hash of a rootfs: the set of package hashes, the set of fsEntries and the version of the layout."""
    return hash_of([package.hash for package in closure], fs_entries)


def hash_of(packages: Sequence[str], fs_entries: Sequence[FsEntry]) -> str:
    """The hash of the rootfs that the packages with these hashes, and the fsEntries, make."""
    content: Canonical = {
        "packages": sorted(packages),
        "fsEntries": [entry.content() for entry in sorted(fs_entries, key=lambda entry: entry.path)],
        "layout": LAYOUT_VERSION,
    }
    return digest(VENV_TAG, content)


class Names(Protocol):
    """Where packages that are named by strings come from; see debian.LockBeside."""

    def package(self, name: str, where: str) -> Package:
        """The package of this name; errors name `where`."""

    def base(self) -> tuple[Package, ...]:
        """The packages to add to a manifest that names any by string."""


def read_manifest(value: object, graph: PackageGraph, names: Names | None = None) -> Manifest:
    """The manifest that a plain value describes.

    Package references are looked up in `graph`, strings in `names`; a manifest with such strings gets the base, too.

    Raises MagpkgError naming the field, such as `venv.mounts[2].target`, for whatever is wrong in it.
    """
    fields = read_object(value, "venv", _FIELDS)
    return Manifest(
        packages=_read_packages(required(fields, "packages", "venv"), graph, names),
        env_keep=read_env_keep(_given(fields, "envKeep", []), "venv.envKeep"),
        env_set=read_env_set(_given(fields, "envSet", {}), "venv.envSet"),
        mount_defaults=read_bool(_given(fields, "mountDefaults", True), "venv.mountDefaults"),
        mounts=_read_mounts(_given(fields, "mounts", [])),
        fs_entries=read_fs_entries(_given(fields, "fsEntries", []), "venv.fsEntries"),
        suites=read_suites(fields.get("suites")),
        presets=read_presets(fields.get("presets")),
        unshare=_read_unshare(fields),
        host_defaults=_read_host_defaults(fields.get("hostDefaults")),
        shims=_read_shims(_given(fields, "shims", [])),
        filtered=read_choice(_given(fields, "seccomp", _FILTERED), "venv.seccomp", (_FILTERED, _UNFILTERED))
        == _FILTERED,
        configuration=_read_configuration(fields),
    )


def _given(fields: dict[str, object], name: str, default: object) -> object:
    value = fields.get(name)
    return default if value is None else value


def _read_packages(value: object, graph: PackageGraph, names: Names | None) -> tuple[Package, ...]:
    packages: list[Package] = []
    named = False
    for index, item in enumerate(read_list(value, "venv.packages")):
        where = f"venv.packages[{index}]"
        if isinstance(item, str) and names is not None:
            named = True
            packages.append(names.package(read_text(item, where), where))
        else:
            packages.append(graph.read(item, where))
    return (*packages, *names.base()) if named and names is not None else tuple(packages)


def read_suites(value: object) -> tuple[str, ...]:
    """The suites that a manifest names in its field of that name, `value`; none where it leaves that to the lock."""
    items = read_list([] if value is None else value, "venv.suites")
    names = tuple(read_text(item, f"venv.suites[{index}]") for index, item in enumerate(items))
    for index, name in enumerate(names):
        if not SUITE_NAME.match(name):
            raise MagpkgError(f"venv.suites[{index}]: is no name of a suite, such as trixie: {shown(name)}")
    return tuple(dict.fromkeys(names))


def read_presets(value: object) -> tuple[str, ...]:
    """The names in a manifest's field `presets`, each once."""
    items = read_list([] if value is None else value, "venv.presets")
    return tuple(dict.fromkeys(read_text(item, f"venv.presets[{index}]") for index, item in enumerate(items)))


def _read_mounts(value: object) -> tuple[Mount, ...]:
    items = read_list(value, "venv.mounts")
    return tuple(read_mount(item, f"venv.mounts[{index}]") for index, item in enumerate(items))


def _read_host_defaults(value: object) -> bool | None:
    return None if value is None else read_bool(value, "venv.hostDefaults")


def _read_shims(value: object) -> tuple[str, ...]:
    items = read_list(value, "venv.shims")
    names = [read_text(item, f"venv.shims[{index}]") for index, item in enumerate(items)]
    for index, name in enumerate(names):
        reason = not_a_command(name)
        if reason:
            raise MagpkgError(f"venv.shims[{index}]: {reason}, got {shown(name)}")
    return tuple(dict.fromkeys(names))


def not_a_command(name: str) -> str:
    """Why a text cannot be the name of a shim; empty where it can."""
    if not name or "/" in name or name.startswith((".", "-")) or not name.isprintable():
        return "a shim has the name of a command, not a path or an option"
    if name == "bwrap":
        return "bwrap can be no shim, since magpkg itself would find it in PATH and run for ever"
    return ""


def _read_configuration(fields: dict[str, object]) -> Configuration:
    mode, skip = _given(fields, "configure", WHERE_NEEDED), read_list(_given(fields, "configureSkip", []), _SKIP)
    if mode is not True and mode is not False and mode != WHERE_NEEDED:
        raise MagpkgError(f'venv.configure: must be true, false or "{WHERE_NEEDED}", got {shown(mode)}')
    modes = {True: ALWAYS, False: NEVER}
    return Configuration(
        modes[mode] if isinstance(mode, bool) else WHERE_NEEDED,
        tuple(sorted({read_text(item, f"{_SKIP}[{index}]") for index, item in enumerate(skip)})),
    )


def _read_unshare(fields: dict[str, object]) -> tuple[str, ...]:
    items = read_list(_given(fields, "unshare", []), "venv.unshare")
    named = {read_choice(item, f"venv.unshare[{index}]", _NAMESPACES) for index, item in enumerate(items)}
    if not read_bool(_given(fields, "network", True), "venv.network"):
        named.add("net")
    return tuple(name for name in _NAMESPACES if name in named)


def read_env_keep(value: object, where: str) -> tuple[str, ...]:
    """The names of variables in a list."""
    items = read_list(value, where)
    return tuple(_read_variable(item, f"{where}[{index}]") for index, item in enumerate(items))


def read_env_set(value: object, place: str) -> tuple[tuple[str, str], ...]:
    """The names and values of an object, by name; errors never show a value."""
    if not isinstance(value, dict):
        raise MagpkgError(f"{place}: must be an object, got {shown(value)}")
    pairs = []
    for name, text in value.items():
        where = f"{place}.{_read_variable(name, place)}"
        if isinstance(text, bool | int | float):
            raise MagpkgError(f"{where}: must be a string, got {shown(text)}", f'write "{shown(text)}"')
        # The value may be a secret, so that errors about it must not show it.
        if not isinstance(text, str):
            raise MagpkgError(f"{where}: must be a string")
        if "\0" in text:
            raise MagpkgError(f"{where}: must not contain a NUL character")
        if not is_unicode(text):
            raise MagpkgError(f"{where}: must be Unicode text")
        pairs.append((name, text))
    return tuple(sorted(pairs))


def _read_variable(value: object, where: str) -> str:
    name = read_text(value, where)
    if not _VARIABLE_NAME.match(name):
        raise MagpkgError(f"{where}: is no name of an environment variable: {shown(name)}")
    return name
