"""Mount points on the host: what is missing below a writable mount is made before the sandbox is, never by bwrap."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from magpkg.errors import MagpkgError
from magpkg.manifest.mount import SCRATCH_MOUNT, Mount
from magpkg.sandbox.links import follows_links
from magpkg.sandbox.placing import Point
from magpkg.sandbox.view import is_within
from magpkg.store.tree import make_point


def make_points(points: Sequence[Point], bwrap: str) -> list[Mount]:
    """Make the mount points, and return those of their mounts, all optional, that cannot have theirs.

    A bwrap that follows links could be led from a point onto the host while a running sandbox can write there; then
    that is an error, as is any point of a mount that is not optional and cannot be made. What is there by now is
    nobody's error: another launch has made it.
    """
    missing = [point for point in points if not os.path.lexists(f"{point.root}/{point.path}")]
    for root in dict.fromkeys(point.root for point in missing):
        if _is_shared(root) and follows_links(bwrap):
            raise _exposed(next(point for point in missing if point.root == root))
    lost = []
    for point in missing:
        try:
            make_point(point.root, point.path, directory=point.is_directory)
        except OSError as error:
            if not point.mount.optional:
                place = f"{point.root}/{point.path}"
                message = f"{point.mount.part('target')}: {place} is missing and cannot be made: {error.strerror}"
                raise MagpkgError(message, f"create {place}, on which this can be mounted") from error
            lost.append(point.mount)
    return lost


def _exposed(point: Point) -> MagpkgError:
    place = f"{point.root}/{point.path}"
    message = (
        f"{point.mount.part('target')}: {place} is missing, a running sandbox can write to {point.root}, and bwrap "
        "follows the links that this could put there (CVE-2026-87766)"
    )
    what = f"a directory {place}" if point.is_directory else f"a file {place}"
    return MagpkgError(message, f"create {what}, or upgrade bubblewrap, see magpkg doctor")


def _is_shared(directory: str) -> bool:
    """Whether a sandbox runs, a venv's or another, in which a process of this user can write to the directory.

    That is a mount namespace with another root: what has this one needs no sandbox of ours to be led anywhere. That
    /tmp is shown as a whole does not count: it always is, and whatever lies there is any command's of the user's.
    """
    own = list(_mounts("self"))
    device, inside = _place(directory, own)
    seen = {_namespace("self"), ""}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (namespace := _namespace(name)) not in seen:
            seen.add(namespace)
            mounts = list(_mounts(name))
            if _root(mounts) != _root(own) and any(_can_write(mount, device, inside) for mount in mounts):
                return True
    return False


def _root(mounts: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
    return [(device, inside) for device, inside, point, _ in mounts if point == "/"]


def _can_write(mount: tuple[str, str, str, str], device: str, inside: str) -> bool:
    found, root, point, options = mount
    near = is_within(inside, root) or is_within(root, inside)
    return found == device and near and "rw" in options.split(",") and point != SCRATCH_MOUNT.target


def _namespace(pid: str) -> str:
    """What tells a process's mount namespace from others; '' where the process is another's, or gone."""
    with suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/mnt")
    return ""


def _place(directory: str, mounts: Sequence[tuple[str, str, str, str]]) -> tuple[str, str]:
    """The device of a directory of this mount namespace, and where on that it is."""
    device, root, point, _ = max(
        (mount for mount in mounts if is_within(directory, mount[2])), key=lambda mount: len(mount[2])
    )
    return device, os.path.normpath(f"{root}/{directory[len(point.rstrip('/')) :]}")


def _mounts(pid: str) -> Iterator[tuple[str, str, str, str]]:
    """Device, directory on that, mount point and options of all that is mounted, proc_pid_mountinfo(5)."""
    with suppress(OSError), open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(" ")
            yield fields[2], _plain(fields[3]), _plain(fields[4]), fields[5]


def _plain(path: str) -> str:
    """A path of mountinfo without its escapes, which are octal."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(escape, character)
    return path
