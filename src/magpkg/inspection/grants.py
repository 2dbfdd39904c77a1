"""Grants: what a manifest opens to its commands beyond the project and what every venv has by default.

Nothing is asked of the host but where a path leads and what is there.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from magpkg.launch.environment import ALWAYS_KEPT
from magpkg.manifest.manifest import Manifest
from magpkg.manifest.mount import DEFAULT_MOUNTS, Mount, expand_mounts

MOUNT, VARIABLE, FILTER = "mount", "variable", "filter"

_HARMLESS = (
    *ALWAYS_KEPT, "LANG", "LANGUAGE", "LC_*", "TZ", "USER", "LOGNAME", "SHELL", "EDITOR", "VISUAL", "PAGER", "CI",
    "COLUMNS", "LINES", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "EMAIL", "DISPLAY",
    "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_*", "SSH_AUTH_SOCK", "GNUPGHOME", "GPG_TTY", "GIT_CONFIG_GLOBAL",
    "GIT_AUTHOR_*", "GIT_COMMITTER_*", "PULSE_SERVER", "PIPEWIRE_REMOTE", "no_proxy", "NO_PROXY", "MAKEFLAGS", "DEBUG",
    "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "DRI_PRIME", "SOURCE_DATE_EPOCH", "SSL_CERT_FILE",
)  # fmt: skip
"""Variables, and patterns of such, that say where something is, or how a program should look; they hold no secret."""


_CERTIFICATES = (
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust",
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing that is opened: of which kind, what it is on the host, and how it is shown; `there` if it is now."""

    kind: str
    what: str
    how: str
    there: bool = True

    def __str__(self) -> str:
        return f"{self.what}, {self.how}"


def grants(manifest: Manifest, variables: Mapping[str, str]) -> tuple[Grant, ...]:
    """What `manifest` grants, in its order; `variables` are those of mounts' paths."""
    project = os.path.realpath(variables.get("PROJECT") or "/nonexistent")
    found = [*_mounts(manifest, variables, project)]
    found += [
        Grant(VARIABLE, f"the variable {name}", "which may hold a secret")
        for name in manifest.env_keep
        if not any(fnmatchcase(name, harmless) for harmless in _HARMLESS)
    ]
    if not manifest.filtered:
        found.append(Grant(FILTER, "all system calls", "without the default filter"))
    return tuple(dict.fromkeys(found))


def _mounts(manifest: Manifest, variables: Mapping[str, str], project: str) -> Iterator[Grant]:
    for mount in expand_mounts(manifest.mounts, variables):
        # What begins with a place, such as ${PROJECT}, and no symlink may lead out of, is the project's own.
        if not mount.is_bind or mount.place:
            continue
        real = os.path.realpath(mount.source)
        socket = _is_socket(real)
        if _is_within(real, project) or _is_default(mount) or _is_public(mount, real):
            continue
        yield Grant(MOUNT, real, _how(mount, real, socket=socket), os.path.lexists(real))


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _how(mount: Mount, real: str, *, socket: bool) -> str:
    """How a mount shows its source. A socket can be spoken to through any."""
    if socket:
        how = "a socket"
    elif mount.type == "dev-bind":
        how = "with its devices"
    else:
        how = "read-only" if mount.type == "ro-bind" else "writable"
    return how if mount.target in (real, mount.source) else f"{how}, as {mount.target}"


def _is_default(mount: Mount) -> bool:
    """Whether this is one of the default mounts; what lies below one, such as a socket in /tmp, is named on purpose."""
    sources = {default.source: default.type for default in DEFAULT_MOUNTS if default.is_bind}
    return mount.type in ("ro-bind", sources.get(mount.source)) and mount.source in sources


def _is_public(mount: Mount, real: str) -> bool:
    """Whether this shows certificates of authorities, which are the same for everybody and change nothing outside."""
    return mount.type == "ro-bind" and any(_is_within(real, place) for place in _CERTIFICATES)


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")
