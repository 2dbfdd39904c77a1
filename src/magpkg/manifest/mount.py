"""Mounts: what a sandbox shows beside its root, and the variables in their paths."""

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.manifest.field import read_bool, read_choice, read_object, read_text, required, shown

BIND_TYPES = ("bind", "ro-bind", "dev-bind")
"""Mounts that show a path of the host; the names are bwrap's options."""

OWN_TYPES = ("tmpfs", "proc", "dev")
"""Mounts that need no source."""

HOST_VARIABLES = (
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
    "GIT_CONFIG_GLOBAL",
    "SSL_CERT_FILE",
)
"""Variables in which the host says where something of the user's session is."""

PLACES = ("PROJECT", "PWD", "STATE", "GIT_DIRECTORY")
"""Variables that stand for what commands of a venv may write to: no symlink that lies there leads a mount out of it."""

VARIABLES = (*PLACES, "HOME", "USER", *HOST_VARIABLES)
"""All variables that paths may name.

Three are none of the environment: PROJECT is the manifest's directory, STATE its place in the store, GIT_DIRECTORY what
its `.git` names where that is a file.
"""

# A service account's home is often one of these, a container's user often has `/`.
_NO_HOMES = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr")

STATE = "${STATE}/"
"""What a source in a project's state begins with; a name follows."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_LEADING = re.compile(rf"\$\{{({'|'.join(name for name in VARIABLES if name != 'USER')})\}}")
_UNSET = {
    "HOME": "is not set in the environment, or not to a directory of a user",
    "GIT_DIRECTORY": "has no value: .git in the project is no file of a worktree or submodule",
}
# A single name: what a command writes into one such directory must not lead the next launch's mount elsewhere.
_STATE_PATH = re.compile(r"\$\{STATE\}/(?!\.\Z)[^/$]+\Z")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount: a type, which is bwrap's option without dashes, a source for binds, and a target in the sandbox.

    `where` is the field of the manifest, or the option, that it came from, for errors; empty for built-in mounts.
    """

    type: str
    source: str
    target: str
    optional: bool = False
    where: str = ""
    follow: bool = False
    """Whether symlinks may lead the source out of the place that it begins with, see PLACES."""
    place: str = ""
    """Once expanded: the directory that symlinks must not lead the source out of; empty where they may."""
    variable: str = ""
    """Once expanded: the variable that the target begins with, by which it depends on the caller."""
    kept: bool = False
    """Once expanded: whether the source is in the project's state, where nothing but its launches has any business."""

    @property
    def is_bind(self) -> bool:
        """True where the mount shows a path of the host."""
        return self.type in BIND_TYPES

    @property
    def by_option(self) -> bool:
        """True where the command line asked for it, whose shell has expanded what there is to expand in the source."""
        return self.where.startswith("-")

    def part(self, name: str) -> str:
        """Where errors place the mount's `source` or `target`; an option has no such parts."""
        if self.by_option:
            return self.where
        return f"{self.where or f'mount {self.target}'}.{name}"

    def __str__(self) -> str:
        source = f" {self.source}" if self.is_bind and self.source != self.target else ""
        return f"{self.type}{source} {self.target}{' (optional)' if self.optional else ''}"


DEFAULT_MOUNTS = (
    Mount("dev-bind", "/dev", "/dev", optional=True),
    Mount("proc", "", "/proc"),
    Mount("ro-bind", "/sys", "/sys", optional=True),
    Mount("ro-bind", "/etc/resolv.conf", "/etc/resolv.conf", optional=True),
    Mount("ro-bind", "/etc/hosts", "/etc/hosts", optional=True),
    Mount("bind", "/tmp", "/tmp", optional=True),  # noqa: S108 - the mount that the manual promises
)
SCRATCH_MOUNT = Mount("tmpfs", "", "/tmp")  # noqa: S108 - likewise


def read_mount(value: object, where: str) -> Mount:
    """The mount that a manifest's value describes: a path, or an object with the fields that docs/manifest.md lists."""
    if isinstance(value, str):
        path = read_path(value, where)
        return Mount("bind", path, path, where=where)
    fields = read_object(value, where, ("type", "source", "target", "optional", "follow"))
    kind = _read_type(fields.get("type", "bind"), f"{where}.type")
    optional = read_bool(fields.get("optional", False), f"{where}.optional")
    if kind in OWN_TYPES:
        for name in ("source", "follow"):
            if fields.get(name) is not None:
                raise MagpkgError(f"{where}.{name}: a {kind} mount has no source")
        return Mount(kind, "", read_path(required(fields, "target", where), f"{where}.target"), optional, where)
    source = read_path(required(fields, "source", where), f"{where}.source")
    target = read_path(fields["target"], f"{where}.target") if fields.get("target") is not None else source
    follow = read_bool(fields.get("follow", False), f"{where}.follow")
    return Mount(kind, source, target, optional, where, follow)


def home_directory(home: str) -> str:
    """What ${HOME} stands for where the environment has this HOME: '' where that is the system's, or no path."""
    plain = posixpath.normpath("/" + home.lstrip("/")) if home.startswith("/") else "/"
    if plain == "/" or any(plain == system or plain.startswith(f"{system}/") for system in _NO_HOMES):
        return ""
    return home


def merge_mounts(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """The mounts that are to be made; before all, a tmpfs on /tmp where none of them is there.

    Where two mounts have one target the later replaces the earlier and stands in the later's place. Targets must
    have been expanded.
    """
    merged: dict[str, Mount] = {}
    for mount in mounts:
        merged.pop(mount.target, None)
        merged[mount.target] = mount
    scratch = () if SCRATCH_MOUNT.target in merged else (SCRATCH_MOUNT,)
    return (*scratch, *merged.values())  # first, so that it hides no mount that lies below it


def host_variables(mounts: Iterable[Mount]) -> tuple[str, ...]:
    """Those of HOST_VARIABLES that the mounts name."""
    paths = "".join(mount.source + mount.target for mount in mounts)
    return tuple(name for name in HOST_VARIABLES if f"${{{name}}}" in paths)


def names_git(mounts: Iterable[Mount]) -> bool:
    """Whether the mounts name GIT_DIRECTORY, which takes a look at git's files."""
    return any("${GIT_DIRECTORY}" in mount.source + mount.target for mount in mounts)


def expand_mounts(mounts: Iterable[Mount], variables: Mapping[str, str]) -> list[Mount]:
    """The mounts with their variables replaced; an optional one whose variable is not set, or no path, is left out."""
    expanded = []
    for mount in mounts:
        try:
            expanded.append(expand_mount(mount, variables))
        except MagpkgError:
            if not mount.optional:
                raise
    return expanded


def expand_mount(mount: Mount, variables: Mapping[str, str]) -> Mount:
    """The mount with the variables in its source and target replaced, both made plain paths."""
    source = mount.source
    if source and not mount.by_option:
        source = _expand(source, variables, mount.part("source"))
    target = _expand(mount.target, variables, mount.part("target"))
    leading = _leading(mount.source) if source != mount.source else ""
    place = variables[leading] if leading in PLACES and not mount.follow else ""
    kept = mount.source.startswith(STATE)
    return replace(mount, source=source, target=target, place=place, variable=_leading(mount.target), kept=kept)


def _leading(path: str) -> str:
    match = _LEADING.match(path)
    return match.group(1) if match else ""


def _expand(path: str, variables: Mapping[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if not variables.get(name):
            raise MagpkgError(f"{where}: ${{{name}}} {_UNSET.get(name, 'is not set in the environment')}")
        return variables[name]

    expanded = _VARIABLE.sub(value, path) if "${" in path else path
    if not expanded.startswith("/"):
        raise MagpkgError(f"{where}: must be an absolute path, got {shown(expanded)}")
    return posixpath.normpath("/" + expanded.lstrip("/"))


def _read_type(value: object, where: str) -> str:
    if isinstance(value, str) and value.endswith("-try") and value.removesuffix("-try") in BIND_TYPES:
        hint = f'write type: "{value.removesuffix("-try")}", optional: true'
        raise MagpkgError(f"{where}: {shown(value)} is not a mount type", hint)
    return read_choice(value, where, BIND_TYPES + OWN_TYPES)


def read_path(value: object, where: str) -> str:
    """The path that a manifest's value is, with its variables still in it; MagpkgError, naming `where`, for others."""
    path = read_text(value, where)
    for match in _VARIABLE.finditer(path):
        if match.group(1) not in VARIABLES or not match.group(0).endswith("}"):
            known = ", ".join(f"${{{name}}}" for name in VARIABLES)
            raise MagpkgError(f"{where}: unknown variable {shown(match.group(0))}", f"known: {known}")
    if not path.startswith("/") and not _LEADING.match(path):
        raise MagpkgError(f"{where}: must be an absolute path, got {shown(path)}")
    if "${STATE}" in path and not _STATE_PATH.match(path):
        raise MagpkgError(f"{where}: must be ${{STATE}}/NAME, got {shown(path)}")
    if ".." in path.split("/"):
        raise MagpkgError(f"{where}: must not contain .., got {shown(path)}")
    return path
