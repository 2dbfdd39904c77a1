"""Drawing the sandbox: a rootfs with placed mounts becomes bwrap's arguments. Pure but for the looks of `Files`.

The rootfs is bound whole, read-only. bwrap cannot make a mount point under that, and must not be led through a symlink
of the rootfs. So where a mount needs a place that the rootfs lacks, the directory that lacks it is opened up: a tmpfs
over it, onto which each of its entries is bound anew. What is opened up is made read-only when all mounts are made, and
so is what lies between a home in memory or in the store and a directory that is mounted in it, see `placing`.
"""

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from magpkg.errors import MagpkgError
from magpkg.launch.bwrap import MARK
from magpkg.launch.environment import bwrap_arguments
from magpkg.launch.hostfiles import DIRECTORY, SYMLINK, UNKNOWN
from magpkg.manifest.mount import Mount
from magpkg.sandbox.placing import ARGUMENTS_MAX, Placed, too_many
from magpkg.sandbox.privileges import DROPPED, cover
from magpkg.sandbox.view import Files, View

OWN_WORDS = 7
"""The words of bwrap's command line between its name and the command, see launch.bwrap: they count too."""

_SCRATCH = ("/tmp", "/var/tmp", "/run/lock")  # noqa: S108 - where anybody may make files: hier(7)
_TMPFS_MODE = 0o755  # what bwrap gives one where it is told nothing
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
        handed = {at for at, word in enumerate(self.options) if word.startswith(MARK)}
        options = [word for at, word in enumerate(self.options) if not handed & {at, at + 1}]
        words = [bwrap, *options, "--clearenv"]
        quoted = [shlex.quote(word) for word in words]
        for name, value in sorted(self.environment.items()):
            shown = shlex.quote(value) if name in _SHOWN_VALUES else f'"${{{name}-}}"'
            quoted += ["--setenv", shlex.quote(name), shown]
        rest = ["--chdir", self.directory, "--", *command]
        return " ".join(quoted + [shlex.quote(word) for word in rest])


def draw(
    placed: Placed,
    rootfs: str,
    files: Files,
    environment: Mapping[str, str],
    directory: str,
    isolation: Sequence[str] = (),
    covered: Sequence[str] = (),
) -> Sandbox:
    """The sandbox for placed mounts; `isolation` are further bwrap options, such as --unshare-net, that come first.

    What is `covered`, by its name in a proc file system, is read-only in each proc mount.
    """
    view = placed.view
    options = [*isolation, *DROPPED]
    if "/" not in placed.opened:
        options += ["--ro-bind", rootfs, "/"]
    for path in sorted(placed.opened):
        options += _open_up(path, rootfs, placed, files)
    for mount in view.mounts:
        options += _mounted(mount, view)
        if mount.type == "proc":
            options += cover(mount.target, covered)
    for path in _ours(placed):
        options += ["--remount-ro", path]
    sandbox = Sandbox(tuple(options), dict(environment), directory)
    if len(sandbox.arguments()) + OWN_WORDS > ARGUMENTS_MAX:
        raise too_many(len(view.mounts))
    return sandbox


def _mounted(mount: Mount, view: View) -> list[str]:
    """The options that make one mount."""
    if mount.is_bind:
        return [f"--{mount.type}", mount.source, mount.target]
    scratch = mount.type == "tmpfs" and mount.target in _SCRATCH
    # What comes with every venv and lies in a tmpfs that does so too needs no mount of its own, each of which takes
    # bwrap a twentieth of a millisecond.
    above = posixpath.dirname(mount.target)
    shared = not mount.where and any(
        other.type == "tmpfs" and other.target == above and not other.where for other in view.mounts
    )
    word = "--dir" if shared and mount.type == "tmpfs" else f"--{mount.type}"
    return [*(["--perms", "1777"] if scratch else []), word, mount.target]


def _open_up(path: str, rootfs: str, placed: Placed, files: Files) -> list[str]:
    """A directory of the rootfs anew, on a tmpfs, with the entries of that but those which mounts make."""
    made = {*placed.opened, *(mount.target for mount in placed.view.mounts)}
    mode = files.mode(rootfs + path)
    options = ["--perms", f"{mode:04o}"] if mode != _TMPFS_MODE else []
    options += ["--dir" if _is_within_opened(path, placed) else "--tmpfs", path]
    for name in files.names(rootfs + path):
        entry = posixpath.join(path, name)
        if files.kind(rootfs + entry) == SYMLINK:
            options += ["--symlink", files.link_target(rootfs + entry), entry]
        elif entry not in made:
            options += _bound_anew(rootfs, entry, files)
    return options


def _bound_anew(rootfs: str, entry: str, files: Files) -> list[str]:
    """An entry of an opened directory; an empty directory is made, which is cheaper than a mount."""
    if files.kind(rootfs + entry) == DIRECTORY and not files.names(rootfs + entry):
        mode = files.mode(rootfs + entry)
        return [*(["--perms", f"{mode:04o}"] if mode != _TMPFS_MODE else []), "--dir", entry]
    return ["--ro-bind", rootfs + entry, entry]


def _is_within_opened(path: str, placed: Placed) -> bool:
    """Whether the directory above is opened up, too, so that this needs no tmpfs of its own."""
    return path != "/" and posixpath.dirname(path) in placed.opened


def _ours(placed: Placed) -> Iterator[str]:
    """The tmpfs that no mount asked for; not those that one hides, since that would be what is made read-only."""
    view = placed.view
    roots = (path for path in placed.opened if not _is_within_opened(path, placed))
    yield from (path for path in roots if view.covering(path) is None)
    yield from (way.target for way in placed.ways if view.covering(way.target) is way)


def chosen_directory(view: View, path: str) -> str:
    """The directory that the user wants the command to start in; MagpkgError where the venv has no such one."""
    if not path.startswith("/"):
        raise MagpkgError(f"--chdir {path}: must be an absolute path inside the venv")
    if view.resolve(path, f"--chdir {path}").kind not in (DIRECTORY, UNKNOWN):
        raise MagpkgError(f"--chdir {path}: there is no such directory in the venv")
    return path


def starting_directory(view: View, host_directory: str, project: str, home: str | None) -> str:
    """Where the command starts: in the host's working directory, else the project, else HOME, else /.

    Each only where it is shown, wherever that is.
    """
    for directory in (host_directory, project):
        inside = view.inside_directory(directory) if directory else None
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
