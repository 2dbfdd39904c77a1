"""The surroundings of a command: what programs expect of any system, and what its user expects of this one.

Places to write to, names for users and groups, an id of the machine come with every venv. From the host come the user's
name, time zone, terminal and what git tells a hook, unless the manifest wants none of that.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from magpkg.launch.environment import ALWAYS_KEPT, DEFAULT_LOCALE, is_kept
from magpkg.launch.plan import identity
from magpkg.manifest.manifest import Manifest
from magpkg.manifest.mount import Mount
from magpkg.sandbox import locales, terminfo, timezone
from magpkg.sandbox.shell import bare_shell
from magpkg.sandbox.texts import Texts
from magpkg.sandbox.user import NAME_FILES, current_user, user_mounts
from magpkg.sandbox.view import Files, is_within

SCRATCH_DIRECTORIES = ("/run", "/run/lock", "/var/tmp")  # noqa: S108 - empty ones in memory, of the sandbox alone
"""Where programs expect to be able to write, beside /tmp: hier(7)."""

KEPT = (
    "TZ", "CI", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE",
    # What git tells a hook or an alias, githooks(5): without it, git would take another index or repository.
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH", "GIT_REFLOG_ACTION",
    "GIT_LITERAL_PATHSPECS", "GIT_PUSH_OPTION_COUNT", "GIT_PUSH_OPTION_*",
)  # fmt: skip
"""Variables of the host, and patterns of such, that are taken over by default."""

_MACHINE = "/etc/machine-id"
_NAMES = ("USER", "LOGNAME")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Mounts and variables that come before the manifest's own, and what of the host they were made from.

    Before the next launch, `files`, with their identities, `absent` and `variables` are to be looked at again.
    """

    mounts: tuple[Mount, ...]
    keep: tuple[str, ...]
    assigned: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]
    absent: tuple[str, ...]
    variables: tuple[str, ...]


def surroundings(
    manifest: Manifest, rootfs: str, host: Mapping[str, str], texts: Texts, files: Files, marker: str
) -> Surroundings:
    """What a venv with this manifest and rootfs has around its command on this host, in this environment.

    `marker` is a directory below /run by which shims know the venv that they belong to.
    """
    read = {path: identity(path) for path in (*NAME_FILES, _MACHINE) if os.path.exists(path)}
    absent = tuple(path for path in (*NAME_FILES, _MACHINE) if path not in read)
    keep = (*manifest.env_keep, *(KEPT if manifest.takes_host_defaults else ()))
    given = {name: host[name] for name in host if is_kept(name, (*ALWAYS_KEPT, *keep))} | dict(manifest.env_set)
    user = current_user(host, given.get("HOME", "/"), bare_shell(rootfs) or "/bin/sh")
    if manifest.host_defaults is False:
        user = user.unnamed()
    own = {entry.path for entry in manifest.fs_entries}
    mounts = [*_scratch(rootfs, marker), *user_mounts(user, texts, rootfs, own), *_machine_id(manifest, rootfs, texts)]
    assigned = dict(_locales(rootfs, keep, host))
    variables = [name for name in locales.VARIABLES if is_kept(name, keep)]
    if manifest.takes_host_defaults:
        zone = timezone.TimeZone()
        if timezone.LOCAL not in own:
            zone = timezone.host_time_zone(rootfs, files, name=given.get("TZ"))
        mounts += zone.mounts
        if zone.name:
            assigned["TZ"] = zone.name
        for name in _NAMES:
            if not (is_kept(name, keep) and name in host):
                assigned[name] = user.name
        described = terminfo.terminfo_mount(rootfs, given.get("TERM", ""), host, files)
        if described is not None:
            mounts.append(described)
            assigned["TERMINFO_DIRS"] = terminfo.SHOWN_AT
        variables += [*_NAMES, *terminfo.VARIABLES]
    return Surroundings(tuple(mounts), keep, tuple(assigned.items()), tuple(read.items()), absent, tuple(variables))


def _scratch(rootfs: str, marker: str) -> Iterator[Mount]:
    """An empty directory in memory wherever the packages have none with files; those would be hidden."""
    for path in SCRATCH_DIRECTORIES:
        above, place = os.path.dirname(rootfs + path), rootfs + path
        if os.path.islink(above) or os.path.islink(place):
            continue
        if not any(names for _, _, names in os.walk(place)):
            yield Mount("tmpfs", "", path)
            if is_within(marker, path):
                yield Mount("tmpfs", "", marker)


def _machine_id(manifest: Manifest, rootfs: str, texts: Texts) -> Iterable[Mount]:
    """An id for the machine, machine-id(5), which programs want to find and none should be able to trace back.

    It is made from the host's, or from its name. Without the host's files it is the same everywhere.
    """
    place = f"{rootfs}{_MACHINE}"
    if os.path.islink(place) or not os.path.isfile(place) or os.path.getsize(place):
        return
    source = ""
    if manifest.takes_host_defaults:
        source = _first_line(_MACHINE) or os.uname().nodename
    text = hashlib.sha256(f"magpkg machine-id\0{source}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    yield Mount("ro-bind", texts.source("machine-id", f"{text}\n"), _MACHINE)


def _first_line(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.readline().strip()
    except OSError:
        return ""


def _locales(rootfs: str, keep: Iterable[str], host: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """A locale that is there, for each variable that would be taken over with one that the rootfs lacks."""
    names = tuple(keep)
    for name in locales.VARIABLES:
        if name in host and is_kept(name, names) and not locales.has_locale(rootfs, host[name]):
            yield name, DEFAULT_LOCALE
