"""Drawing the sandbox: a rootfs and mounts become bwrap's arguments. Pure but for the looks that `Files` takes.

bwrap cannot make a mount point under a read-only root and must not be led through a symlink of the rootfs. So the root
is a tmpfs; each top-level entry of the rootfs is bound onto it, read-only; a directory is opened up, entry by entry,
only where a mount needs a place that the rootfs lacks; and the tmpfs is made read-only last.
"""

import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.launch.bwrap import HANDED
from magpkg.launch.environment import bwrap_arguments
from magpkg.launch.hostfiles import DIRECTORY, FILE, MISSING, SYMLINK, UNKNOWN
from magpkg.manifest.mount import DEFAULT_MOUNTS, Mount, merge_mounts
from magpkg.sandbox.privileges import DROPPED
from magpkg.sandbox.view import Files, View

ARGUMENTS_MAX = 9000
"""bwrap refuses more (MAX_ARGS in its source, 0.8 to 0.11), in all `--args` descriptors and on its command line."""

OWN_WORDS = 7
"""The words of bwrap's command line between its name and the command, see launch.bwrap: they count too."""

_SCRATCH = ("/tmp", "/var/tmp", "/run/lock")  # noqa: S108 - where anybody may make files: hier(7)
_DEV_LINKS = ("core", "fd", "stderr", "stdin", "stdout")
_SHOWN_VALUES = ("PATH", "LD_LIBRARY_PATH", "HOME", "TERM", "PWD")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A drawn sandbox: bwrap's options for the file system, the environment, the working directory."""

    options: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str

    def arguments(self) -> list[str]:
        """All of bwrap's arguments before the command, for `--args`; they hold the environment's values."""
        return bwrap_arguments(self.options, self.environment, self.directory)

    def shown_command(self, bwrap: str, command: Sequence[str]) -> str:
        """The whole command line, ready to paste into a shell.

        A value that could be a secret is left out: a reference to the shell's variable of that name stands for it. So
        is what goes by a descriptor, the filter of system calls: no shell that everybody has could hand it over.
        """
        handed = {at for at, word in enumerate(self.options) if word.startswith(HANDED)}
        options = [word for at, word in enumerate(self.options) if not handed & {at, at + 1}]
        words = [bwrap, *options, "--clearenv"]
        quoted = [shlex.quote(word) for word in words]
        for name, value in sorted(self.environment.items()):
            shown = shlex.quote(value) if name in _SHOWN_VALUES else f'"${{{name}-}}"'
            quoted += ["--setenv", shlex.quote(name), shown]
        rest = ["--chdir", self.directory, "--", *command]
        return " ".join(quoted + [shlex.quote(word) for word in rest])


def place_mounts(rootfs: str, mounts: Sequence[Mount], files: Files, *, defaults: bool) -> View:
    """The view of `rootfs` with the wanted mounts, each target resolved to where it really lies.

    Optional mounts whose source is missing, or where the user may not look, are left out as if they had not been
    listed; any other missing source is an error that names the mount.
    """
    view = View(rootfs, files)
    listed = (*(DEFAULT_MOUNTS if defaults else ()), *mounts)
    wanted = merge_mounts(mount for mount in listed if not _left_out(mount, files))
    # Placing looks at all earlier mounts for each: what cannot be drawn is not placed first.
    if sum(3 if mount.is_bind else 2 for mount in wanted) > ARGUMENTS_MAX:
        raise _too_many(len(wanted))
    for mount in wanted:
        if mount.is_bind and files.kind(mount.source, follow=True) == MISSING:
            hint = "create it, or mark the mount optional: true"
            raise MagpkgError(f"{_where(mount)}.source: {mount.source} does not exist on this host", hint)
        view.mounts.append(_placed(mount, view, files, _where(mount)))
    return view


def _left_out(mount: Mount, files: Files) -> bool:
    return mount.optional and mount.is_bind and files.kind(mount.source, follow=True) in (MISSING, UNKNOWN)


def _where(mount: Mount) -> str:
    return mount.where or f"mount {mount.target}"


def _too_many(count: int) -> MagpkgError:
    hint = (
        "mount a directory instead of what is in it, or give each target a directory in fsEntries so that its "
        "surroundings stay whole"
    )
    message = f"venv.mounts: these {count} mounts come to more than the {ARGUMENTS_MAX} arguments that bwrap takes"
    return MagpkgError(message, hint)


def _placed(mount: Mount, view: View, files: Files, where: str) -> Mount:
    resolved = view.resolve(mount.target, f"{where}.target")
    if resolved.path == "/":
        raise MagpkgError(f"{where}.target: nothing can be mounted over /", "mount what you need below it")
    above = view.covering(resolved.path)
    if above is not None and _leads_into_proc(above, resolved.path):
        raise MagpkgError(f"{where}.target: {mount.target} leads into the {above.type} mount at {above.target}")
    source_kind = _source_kind(mount, files)
    if resolved.kind in (DIRECTORY, FILE) and source_kind in (DIRECTORY, FILE) and resolved.kind != source_kind:
        raise MagpkgError(f"{where}.target: {mount.target} is a {resolved.kind} in the venv, not a {source_kind}")
    above = view.covering(resolved.existing)
    if resolved.kind == MISSING and above is not None and above.type == "ro-bind":
        message = f"{where}.target: {mount.target} is missing in {above.source}, which is mounted read-only"
        raise MagpkgError(message, f"create {resolved.path} there")
    return replace(mount, target=resolved.path)


def _leads_into_proc(above: Mount, path: str) -> bool:
    """Whether `path` lies in a proc mount, or behind one of the links that bwrap puts into a dev mount.

    There /proc/self/root is the root in which bwrap draws the sandbox, and the host's is one step from it.
    """
    name = path[len(above.target) :].strip("/").split("/")[0]
    return bool(name) and (above.type == "proc" or (above.type == "dev" and name in _DEV_LINKS))


def _source_kind(mount: Mount, files: Files) -> str:
    return files.kind(mount.source, follow=True) if mount.is_bind else DIRECTORY


def draw(
    view: View,
    rootfs: str,
    files: Files,
    environment: Mapping[str, str],
    directory: str,
    isolation: Sequence[str] = (),
    covered: Sequence[str] = (),
) -> Sandbox:
    """The sandbox for a view; `isolation` are further bwrap options, such as --unshare-net, that come first.

    What is `covered`, by its name in a proc file system, is read-only in each proc mount.
    """
    options = [*isolation, *DROPPED, "--tmpfs", "/"]
    options += _root_options(view, rootfs, files)
    for mount in view.mounts:
        if mount.type == "tmpfs" and mount.target in _SCRATCH:
            options += ["--perms", "1777"]
        options += [f"--{mount.type}", *([mount.source] if mount.is_bind else []), mount.target]
        if mount.type == "proc":
            options += [
                word for name in covered for word in ("--ro-bind-try", f"/proc/{name}", f"{mount.target}/{name}")
            ]
    options += ["--remount-ro", "/"]
    sandbox = Sandbox(tuple(options), dict(environment), directory)
    if len(sandbox.arguments()) + OWN_WORDS > ARGUMENTS_MAX:
        raise _too_many(len(view.mounts))
    return sandbox


def _root_options(view: View, rootfs: str, files: Files) -> list[str]:
    """The entries of the rootfs, each as it is but for the directories that a missing mount point opens up."""
    opened = _opened_directories(view, rootfs, files)
    covered = {mount.target for mount in view.mounts}
    options: list[str] = []
    pending = ["/"]
    while pending:
        directory = pending.pop()
        for name in files.names(rootfs + directory):
            path = posixpath.join(directory, name)
            kind = files.kind(rootfs + path)
            if kind == SYMLINK:
                options += ["--symlink", files.link_target(rootfs + path), path]
            elif path in opened:
                options += ["--perms", f"{files.mode(rootfs + path):04o}", "--dir", path]
                pending.append(path)
            elif path not in covered:
                options += ["--ro-bind", rootfs + path, path]
    return options


def _opened_directories(view: View, rootfs: str, files: Files) -> set[str]:
    """The directories of the rootfs in which some mount point is missing, and all those above them."""
    opened: set[str] = set()
    for index, mount in enumerate(view.mounts):
        earlier = View(rootfs, files, view.mounts[:index])
        resolved = earlier.resolve(mount.target, mount.where)
        if resolved.kind not in (MISSING, UNKNOWN) or earlier.covering(resolved.existing) is not None:
            continue
        path = resolved.existing
        while path != "/":
            opened.add(path)
            path = posixpath.dirname(path)
    return opened


def chosen_directory(view: View, path: str) -> str:
    """The directory that the user wants the command to start in; MagpkgError where the venv has no such one."""
    if not path.startswith("/"):
        raise MagpkgError(f"--chdir {path}: must be an absolute path inside the venv")
    if view.resolve(path, f"--chdir {path}").kind not in (DIRECTORY, UNKNOWN):
        raise MagpkgError(f"--chdir {path}: there is no such directory in the venv")
    return path


def starting_directory(view: View, host_directory: str, home: str | None) -> str:
    """Where the command starts: the host's working directory if it is shown inside, else HOME if there, else /."""
    inside = view.inside_directory(host_directory)
    if inside is not None:
        return inside
    if home and home.startswith("/"):
        try:
            resolved = view.resolve(home, "HOME")
        except MagpkgError:
            return "/"
        if resolved.kind == DIRECTORY:
            return home
    return "/"
