"""What a path inside a sandbox stands for: the rootfs, overlaid by mounts, walked without touching the sandbox."""

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from magpkg.errors import MagpkgError
from magpkg.launch.hostfiles import DIRECTORY, FILE, MISSING, SYMLINK, UNKNOWN
from magpkg.manifest.mount import Mount

_SYMLINKS_MAX = 40  # what the kernel follows in one path, path_resolution(7)


class Files(Protocol):
    """The host's file system as the pure steps see it; a test gives them a dictionary instead."""

    def kind(self, path: str, *, follow: bool = False) -> str:
        """DIRECTORY, SYMLINK, MISSING, FILE for anything else, UNKNOWN where the user may not look."""

    def source_kind(self, path: str) -> str:
        """As `kind`, of the source of a mount: what is mounted on access is mounted."""

    def link_target(self, path: str) -> str:
        """The target of the symlink at `path`."""

    def names(self, path: str) -> Sequence[str]:
        """The names in the directory at `path`, sorted."""

    def mode(self, path: str) -> int:
        """The permission bits of what is at `path`."""

    def executable(self, path: str) -> bool:
        """Whether the user may execute the file at `path`."""

    def real_path(self, path: str) -> str:
        """`path` without symlinks."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Where a path inside the sandbox leads: without symlinks, what is there, and the deepest part that exists."""

    path: str
    kind: str
    existing: str


class View:
    """A rootfs on the host with mounts over it, in the order in which they are made.

    The sources of the mounts are real paths, their targets without symlinks inside.
    """

    def __init__(self, rootfs: str, files: Files, mounts: Sequence[Mount] = ()) -> None:
        self._rootfs = rootfs
        self._files = files
        self.mounts = list(mounts)

    def covering(self, path: str) -> Mount | None:
        """The mount that `path` lies in or at: the last made, whatever it hides; None where that is the rootfs."""
        return next((mount for mount in reversed(self.mounts) if is_within(path, mount.target)), None)

    def host_path(self, path: str) -> str | None:
        """The host's path of what is at `path` inside; None in mounts that show nothing of the host."""
        mount = self.covering(path)
        if mount is None:
            return self._rootfs + path if path != "/" else self._rootfs
        if not mount.is_bind:
            return None
        rest = path[len(mount.target) :]
        return mount.source + rest if rest else mount.source

    def kind(self, path: str) -> str:
        """What is at `path` inside, itself without symlinks above it; UNKNOWN where the host cannot tell."""
        host = self.host_path(path)
        kind = self._files.kind(host) if host is not None else UNKNOWN
        if kind in (MISSING, UNKNOWN) and any(is_within(mount.target, path) for mount in self.mounts):
            return DIRECTORY  # a mount without a source, or what bwrap makes above a mount point
        return kind

    def resolve(self, path: str, where: str) -> Resolved:
        """Follow `path` as the sandbox would, every symlink seen from its root; what is missing is kept as it is."""
        pending = [part for part in path.split("/") if part][::-1]
        current, links = "/", 0
        while pending:
            part = pending.pop()
            if part in (".", ".."):
                current = posixpath.dirname(current) if part == ".." else current
                continue
            candidate = posixpath.join(current, part)
            kind = self.kind(candidate)
            if kind == SYMLINK:
                links += 1
                if links > _SYMLINKS_MAX:
                    raise MagpkgError(f"{where}: {path} leads through too many symlinks")
                target = self._files.link_target(self.host_path(candidate) or "")
                current = "/" if target.startswith("/") else current
                pending.extend(part for part in target.split("/")[::-1] if part)
            elif kind in (MISSING, UNKNOWN):
                rest = posixpath.normpath(posixpath.join(candidate, *pending[::-1]))
                return Resolved(rest, kind, current)
            elif kind == FILE and pending:
                raise MagpkgError(f"{where}: {candidate} is a file in the venv, so {path} cannot be below it")
            else:
                current = candidate
        return Resolved(current, self.kind(current), current)

    def inside_directory(self, host_directory: str) -> str | None:
        """Where inside a directory of the host is shown, preferably at its own path; None where it is not."""
        real = self._files.real_path(host_directory)
        candidates = []
        for mount in self.mounts:
            if mount.is_bind and is_within(real, mount.source):
                inside = posixpath.normpath(mount.target + "/" + real[len(mount.source) :])
                if self.covering(inside) is mount and self.kind(inside) == DIRECTORY:
                    candidates.append(inside)
        return host_directory if host_directory in candidates else next(iter(candidates), None)

    def find_command(self, name: str, search_path: str, directory: str) -> "Found":
        """Look for a command as execvp(3) would inside, without running anything."""
        if "/" in name:
            return self._examine(posixpath.join(directory, name))
        best = Found(MISSING, "")
        for folder in search_path.split(":"):
            named = posixpath.join(directory, folder or ".", name)
            found = self._examine(named)
            if found.state in (EXECUTABLE, UNKNOWN):
                return replace(found, named=named)
            best = found if found.state == NOT_EXECUTABLE else best
        return best

    def _examine(self, path: str) -> "Found":
        try:
            resolved = self.resolve(path, path)
        except MagpkgError:
            return Found(MISSING, "")
        host = self.host_path(resolved.path)
        if resolved.kind in (MISSING, UNKNOWN) or host is None:
            return Found(resolved.kind, resolved.path)
        runnable = resolved.kind == FILE and self._files.executable(host)
        return Found(EXECUTABLE if runnable else NOT_EXECUTABLE, resolved.path)


EXECUTABLE, NOT_EXECUTABLE = "executable", "not executable"


@dataclass(frozen=True, slots=True)
class Found:
    """How a command was found: EXECUTABLE, NOT_EXECUTABLE, MISSING or UNKNOWN, and its path inside.

    `named` is the path before symlinks were followed, where it was found by its name.
    """

    state: str
    path: str
    named: str = ""


def is_within(path: str, directory: str) -> bool:
    """Whether `path` is `directory` or lies below it; both are plain absolute paths."""
    return directory == "/" or path == directory or path.startswith(directory + "/")
