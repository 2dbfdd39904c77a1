"""The time zone of the host, for a rootfs that has none of its own: tzset(3), localtime(5)."""

import os
from dataclasses import dataclass

from magpkg.launch.hostfiles import FILE, SYMLINK
from magpkg.manifest.mount import Mount
from magpkg.sandbox.view import Files

LOCAL = "/etc/localtime"
DATABASE = "/usr/share/zoneinfo"

_LOCAL_BESIDE = "/run/localtime"  # where LOCAL is a symlink, which nothing can be mounted on
_UTC_NAMES = ("UTC", "UCT", "Universal", "Zulu")
_UTC_END = b"\nUTC0\n"  # how a file of that zone ends, tzfile(5)


@dataclass(frozen=True, slots=True)
class TimeZone:
    """What a sandbox needs to have a time zone: mounts, and the value of TZ; empty where that is not to be set."""

    mounts: tuple[Mount, ...] = ()
    name: str = ""


def host_time_zone(rootfs: str, files: Files, *, name: str | None) -> TimeZone:
    """The host's time zone for this rootfs; `name` is what TZ is inside anyhow, None where it is not set.

    A rootfs that has another zone than UTC, which is Debian's for whom nobody asked, keeps it. The zone is told by
    name too: not all programs read the file, and those that find no database of zones cannot tell one from it.
    """
    local = _local(rootfs)
    if local is None:
        return TimeZone()
    own = _linked_name(files)
    if name is None and not own:
        return _of_file(local)
    mounts = [] if _is_utc(own) or local != FILE else [Mount("ro-bind", LOCAL, LOCAL, optional=True)]
    wanted = own if name is None else name.removeprefix(":")
    if not _is_utc(wanted) and not _is_path(wanted) and not os.path.exists(f"{rootfs}{DATABASE}/{wanted}"):
        if files.kind(f"{DATABASE}/{wanted}", follow=True) != FILE or not _is_empty(f"{rootfs}{DATABASE}"):
            return TimeZone(tuple(mounts))
        mounts.append(Mount("ro-bind", DATABASE, DATABASE, optional=True))
    return TimeZone(tuple(mounts), own if name is None and not _is_utc(own) else "")


def _of_file(local: str) -> TimeZone:
    """The time zone of a host that has a file for it and no name."""
    if local == FILE:
        return TimeZone((Mount("ro-bind", LOCAL, LOCAL, optional=True),))
    return TimeZone((Mount("ro-bind", LOCAL, _LOCAL_BESIDE, optional=True),), f":{_LOCAL_BESIDE}")


def _local(rootfs: str) -> str | None:
    """FILE or SYMLINK where the rootfs has UTC, None where somebody chose its time zone."""
    path = f"{rootfs}{LOCAL}"
    try:
        if os.path.islink(path):
            return SYMLINK if _is_utc(_zone(os.readlink(path))) else None
        with open(path, "rb") as file:
            return FILE if file.read().endswith(_UTC_END) else None
    except OSError:
        return None


def _linked_name(files: Files) -> str:
    """The name of the host's time zone; empty where it is in a plain file, or nowhere, which is UTC."""
    kind = files.kind(LOCAL)
    if kind == SYMLINK:
        return _zone(files.link_target(LOCAL))
    return "" if kind == FILE else _UTC_NAMES[0]


def _zone(target: str) -> str:
    return target.rpartition("/zoneinfo/")[2] if "/zoneinfo/" in target else ""


def _is_utc(name: str) -> bool:
    return name.rpartition("/")[2] in _UTC_NAMES


def _is_path(name: str) -> bool:
    return not name or name.startswith("/") or ".." in name.split("/") or "\0" in name


def _is_empty(directory: str) -> bool:
    return os.path.isdir(directory) and not os.path.islink(directory) and not os.listdir(directory)
