"""What is shown: the mounts of a manifest with the real paths of their sources, and what the host will gain of them."""

import os
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.launch.hostfiles import DIRECTORY, FILE, MISSING, HostFiles
from magpkg.making.venv import Host, wanted_mounts
from magpkg.manifest.manifest import Manifest
from magpkg.manifest.mount import DEFAULT_MOUNTS, STATE, Mount, expand_mounts
from magpkg.sandbox.placing import place_mounts
from magpkg.sandbox.view import Files


@dataclass(frozen=True, slots=True)
class Shown:
    """A mount as it was given, and the real path of its source; '' where it has none here."""

    mount: Mount
    real: str

    def __str__(self) -> str:
        if not self.mount.is_bind or self.real == self.mount.source:
            return str(self.mount)
        return f"{self.mount} -> {self.real or 'nothing on this host'}"


@dataclass(frozen=True, slots=True)
class Showing:
    """The mounts of a launch from here, default ones first; what it makes on the host to mount on; why it cannot be."""

    mounts: tuple[Shown, ...]
    points: tuple[str, ...]
    problem: str = ""


class _Expected(HostFiles):
    """The host's files, and directories of a project's state that a launch would make."""

    def __init__(self, expected: Iterable[str]) -> None:
        self._expected = frozenset(expected)

    def kind(self, path: str, *, follow: bool = False) -> str:
        """See HostFiles."""
        found = super().kind(path, follow=follow)
        return DIRECTORY if found == MISSING and path in self._expected else found

    def source_kind(self, path: str) -> str:
        """See HostFiles."""
        found = super().source_kind(path)
        return DIRECTORY if found == MISSING and path in self._expected else found


def showing(manifest: Manifest, rootfs: str, host: Host) -> Showing:
    """What a launch from here would mount; `rootfs` need not be there, but then what it has is not known."""
    states = (mount.source.removeprefix(STATE) for mount in manifest.mounts if mount.source.startswith(STATE))
    files = _Expected(posixpath.join(os.path.realpath(host.state), name) for name in states)
    given = (*(DEFAULT_MOUNTS if manifest.mount_defaults else ()), *manifest.mounts)
    shown = tuple(Shown(mount, _real(mount, host, files)) for mount in given)
    try:
        mounts = wanted_mounts(manifest, host, files)
        placed = place_mounts(rootfs, mounts, files, defaults=manifest.mount_defaults)
    except MagpkgError as error:
        return Showing(shown, (), error.message)
    return Showing(shown, tuple(posixpath.join(point.root, point.path) for point in placed.points))


def _real(mount: Mount, host: Host, files: Files) -> str:
    expanded = _expanded(mount, host)
    if not expanded or not mount.is_bind:
        return ""
    real = files.real_path(expanded[0].source)
    return real if files.source_kind(real) in (DIRECTORY, FILE) else ""


def _expanded(mount: Mount, host: Host) -> Sequence[Mount]:
    try:
        return expand_mounts([mount], host.variables())
    except MagpkgError:
        return ()
