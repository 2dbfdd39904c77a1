"""Placing: which of the wanted mounts are made, from which real path of the host, and where each really lies inside."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.launch.hostfiles import DIRECTORY, FILE, MISSING, SYMLINK, UNKNOWN
from magpkg.manifest.mount import DEFAULT_MOUNTS, SCRATCH_MOUNT, Mount, merge_mounts
from magpkg.sandbox.view import Files, View, is_within

ARGUMENTS_MAX = 9000
"""bwrap refuses more (MAX_ARGS in its source, 0.8 to 0.11), in all `--args` descriptors and on its command line."""

_DEV_LINKS = ("core", "fd", "stderr", "stdin", "stdout")
# Where the system is, with or without default mounts; what people have of their own there is below it.
_SYSTEM = tuple(mount.target for mount in DEFAULT_MOUNTS if mount.target != SCRATCH_MOUNT.target)
# What base-files has in root's home is for copying.
_HOMES = ("/root",)
_WAY = "what lies above a mount"


@dataclass(frozen=True, slots=True)
class Point:
    """A mount point that is missing on the host: `path` below `root`, which is shown inside and can be written to."""

    mount: Mount
    root: str
    path: str
    is_directory: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """The view with all mounts that can be made; what of the rootfs lacks a place for some; what of the host does.

    `ways` are those of the mounts that are of no manifest, see `_ways`; they are to be made read-only in the end.
    """

    view: View
    opened: tuple[str, ...]
    points: tuple[Point, ...]
    ways: tuple[Mount, ...] = ()


def place_mounts(
    rootfs: str, mounts: Sequence[Mount], files: Files, *, defaults: bool, without: Sequence[Mount] = ()
) -> Placed:
    """The view of `rootfs` with the wanted mounts but those in `without`, each target where it really lies.

    An optional mount that cannot be is left out as if it had not been listed. Any other is an error that names it; and
    any is whose source leaves the place that it begins with.
    """
    left = [mount for mount in (*(DEFAULT_MOUNTS if defaults else ()), *mounts) if mount not in without]
    left = [mount for mount in left if not _left_out(mount, files)]
    while True:
        wanted = merge_mounts(left)
        # Placing looks at all earlier mounts for each: what cannot be drawn is not placed first.
        if sum(3 if mount.is_bind else 2 for mount in wanted) > ARGUMENTS_MAX:
            raise too_many(len(wanted))
        placed, failed = _all_placed(wanted, rootfs, files)
        if failed is None:
            return _with_ways(placed, wanted, rootfs, files)
        left.remove(wanted[failed])  # what it would have replaced counts again


def _with_ways(placed: Placed, mounts: Sequence[Mount], rootfs: str, files: Files) -> Placed:
    """The mounts placed anew among the ways that they need, each just after the mount that it lies in."""
    ways = _ways(placed.view.mounts, files)
    if not ways:
        return placed
    among = [mount for index, given in enumerate(mounts) for mount in (given, *ways.get(index, ()))]
    placed, _ = _all_placed(among, rootfs, files)
    targets = {way.target for below in ways.values() for way in below}
    closed = (mount for mount in placed.view.mounts if mount.where == _WAY and mount.target in targets)
    return replace(placed, ways=tuple(closed))


def _ways(mounts: Sequence[Mount], files: Files) -> dict[int, list[Mount]]:
    """What is to lie between a home in memory, or in the store, and the directories that are mounted in it.

    It would be writable if it were left to bwrap, and what is written there, a step beside the project, would be gone
    with the command, or in the store. So it is a tmpfs that is read-only. That would be wrong around single files,
    sockets and settings, which do not make their surroundings look like a place for files; in what is hidden, where
    programs keep theirs; above mounts that come with every venv; and over what a command has left in the store. The
    mounts that these lie in are told by their place in the list.
    """
    ways: dict[int, list[Mount]] = {}
    for index, mount in enumerate(mounts):
        above = next((i for i in range(index - 1, -1, -1) if is_within(mount.target, mounts[i].target)), None)
        if above is None or mounts[above].target == mount.target or not mount.where:
            continue
        home = mounts[above]
        name = mount.target[len(home.target) :].split("/")[1]
        way = Mount("tmpfs", "", f"{home.target}/{name}", where=_WAY)
        if way.target == mount.target or name.startswith(".") or way in ways.get(above, ()):
            continue
        if mount.is_bind and files.source_kind(mount.source) != DIRECTORY:
            continue
        if home.type == "tmpfs" or (home.kept and home.type == "bind" and _is_free(f"{home.source}/{name}", files)):
            ways.setdefault(above, []).append(way)
    return ways


def _is_free(path: str, files: Files) -> bool:
    """Whether a directory may be covered: it is missing or empty."""
    kind = files.kind(path)
    return kind == MISSING or (kind == DIRECTORY and not files.names(path))


def _all_placed(mounts: Sequence[Mount], rootfs: str, files: Files) -> tuple[Placed, int | None]:
    """The mounts in their places; and the number of the first optional one, if any, that cannot have one."""
    view = View(rootfs, files)
    opened: list[str] = []
    points: list[Point] = []
    for index, mount in enumerate(mounts):
        found = _found(mount, files)
        try:
            placed, existing = _placed(found, view, rootfs, files)
        except MagpkgError:
            if not mount.optional:
                raise
            return Placed(view, (), ()), index
        above = view.covering(existing) if existing is not None else None
        if existing is not None and above is None:
            # What bwrap makes above an earlier mount point lies in a directory that is opened up already.
            opened += [existing] if existing == "/" or files.kind(rootfs + existing) == DIRECTORY else []
        elif above is not None and above.is_bind:
            rest = placed.target[len(above.target) :].lstrip("/")
            points.append(Point(mount, above.source, rest, _source_kind(found, files) == DIRECTORY))
        view.mounts.append(placed)
    return Placed(view, tuple(dict.fromkeys(opened)), tuple(points)), None


def too_many(count: int) -> MagpkgError:
    """The error for a drawing that bwrap would not take."""
    hint = (
        "mount a directory instead of what is in it, or give each target a directory in fsEntries so that its "
        "surroundings stay whole"
    )
    message = f"venv.mounts: these {count} mounts come to more than the {ARGUMENTS_MAX} arguments that bwrap takes"
    return MagpkgError(message, hint)


def real_sources(mounts: Sequence[Mount], files: Files) -> Iterator[tuple[Mount, str | None]]:
    """Each mount that has a source, with the real path of that; None where there is nothing that could be mounted."""
    for mount in mounts:
        if mount.is_bind:
            real = files.real_path(mount.source)
            yield mount, real if files.source_kind(real) in (DIRECTORY, FILE) else None


def _left_out(mount: Mount, files: Files) -> bool:
    """Whether the mount is optional, and the host has nothing that it could show."""
    return mount.optional and mount.is_bind and _source_kind(mount, files) not in (DIRECTORY, FILE)


def _source_kind(mount: Mount, files: Files) -> str:
    return files.source_kind(files.real_path(mount.source)) if mount.is_bind else DIRECTORY


def _found(mount: Mount, files: Files) -> Mount:
    """The mount with the real path of its source, which bwrap is given: what is mounted is what was looked at."""
    if not mount.is_bind:
        return mount
    where = mount.part("source")
    real = files.real_path(mount.source)
    kind = files.source_kind(real)
    if kind == MISSING:
        hint = (
            "create it, or leave the option out" if mount.by_option else "create it, or mark the mount optional: true"
        )
        raise MagpkgError(f"{where}: {mount.source} does not exist on this host", hint)
    if kind == SYMLINK:
        raise MagpkgError(f"{where}: {mount.source} leads through too many symlinks")
    if kind == UNKNOWN:
        raise MagpkgError(f"{where}: {mount.source} is not to be seen by this user")
    if mount.place and not is_within(real, files.real_path(mount.place)):
        message = f"{where}: {mount.source} leads to {real}, out of {mount.place}, through a symlink"
        raise MagpkgError(message, "if that is meant, write follow: true in the mount")
    return replace(mount, source=real)


def _placed(mount: Mount, view: View, rootfs: str, files: Files) -> tuple[Mount, str | None]:
    """The mount with its target resolved, and the deepest directory above that which exists, where it does not."""
    where = mount.part("target")
    resolved = view.resolve(mount.target, where)
    if resolved.path == "/":
        raise _over_root(mount, where)
    above = view.covering(resolved.path)
    if above is not None and _leads_into_proc(above, resolved.path):
        raise MagpkgError(f"{where}: {mount.target} leads into the {above.type} mount at {above.target}")
    source_kind = _source_kind(mount, files)
    if resolved.kind in (DIRECTORY, FILE) and source_kind in (DIRECTORY, FILE) and resolved.kind != source_kind:
        raise MagpkgError(f"{where}: {mount.target} is a {resolved.kind} in the venv, not a {source_kind}")
    if mount.variable and resolved.kind == DIRECTORY and above is None:
        _check_covered(mount, resolved.path, where, files.names(rootfs + resolved.path))
    above = view.covering(resolved.existing)
    if resolved.kind == MISSING and above is not None and above.type == "ro-bind":
        message = f"{where}: {mount.target} is missing in {above.source}, which is mounted read-only"
        raise MagpkgError(message, f"create {resolved.path} there")
    is_missing = resolved.kind == MISSING or (resolved.kind == UNKNOWN and above is None)
    return replace(mount, target=resolved.path), resolved.existing if is_missing else None


def _over_root(mount: Mount, where: str) -> MagpkgError:
    if mount.variable:
        reason = f"${{{mount.variable}}} is / here, and nothing can be mounted over that"
        return MagpkgError(f"{where}: {reason}", _elsewhere(mount.variable))
    return MagpkgError(f"{where}: nothing can be mounted over /", "mount what you need below it")


def _check_covered(mount: Mount, path: str, where: str, names: Sequence[str]) -> None:
    """Raise MagpkgError where the caller's place would take the place of what the rootfs, or the system, has there."""
    if any(is_within(system, path) for system in _SYSTEM) or (names and path not in _HOMES):
        message = f"{where}: ${{{mount.variable}}} makes this {mount.target}, which would hide the venv's own {path}"
        raise MagpkgError(message, _elsewhere(mount.variable))


def _elsewhere(variable: str) -> str:
    if variable == "PWD":
        return "start from another directory, or mount ${PROJECT}, the directory of the manifest"
    if variable == "PROJECT":
        return "move the manifest into a directory of its own; for -e, start from another directory"
    return "mark the mount optional: true, which leaves it out here"


def _leads_into_proc(above: Mount, path: str) -> bool:
    """Whether `path` lies in a proc mount, or behind one of the links that bwrap puts into a dev mount.

    There /proc/self/root is the root in which bwrap draws the sandbox, and the host's is one step from it.
    """
    name = path[len(above.target) :].strip("/").split("/")[0]
    return bool(name) and (above.type == "proc" or (above.type == "dev" and name in _DEV_LINKS))
