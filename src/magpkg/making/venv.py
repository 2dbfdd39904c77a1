"""The main job, step by step: a manifest becomes a rootfs in the store, and that a running command."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from magpkg.errors import CommandNotStarted, MagpkgError
from magpkg.launch.environment import sandbox_environment
from magpkg.launch.hostfiles import MISSING, UNKNOWN
from magpkg.launch.lock import hold
from magpkg.manifest.fsentry import ENTRIES, keep_entries
from magpkg.manifest.manifest import Manifest, venv_hash
from magpkg.manifest.mount import VARIABLES, Mount, expand_mounts, home_directory
from magpkg.manifest.package import Package
from magpkg.sandbox import sandbox
from magpkg.sandbox.interpreter import check_interpreter
from magpkg.sandbox.placing import ARGUMENTS_MAX, Point, place_mounts
from magpkg.sandbox.privileges import proc_covers, root_options
from magpkg.sandbox.seccomp import filter_options
from magpkg.sandbox.view import NOT_EXECUTABLE, Files, View
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.fetch.transport import Transport

_SHOWN_TWICE = ("${PROJECT}", "${PWD}")


@dataclass(frozen=True, slots=True)
class Host:
    """What of this machine a venv is made with and entered from.

    `project` is the manifest's directory, `state` its place for what is to stay, `git` the git directory that it needs
    beside itself; each may be ''.
    """

    environment: Mapping[str, str]
    directory: str
    bwrap: str
    jobs: int
    project: str = ""
    state: str = ""
    git: str = ""

    def variables(self) -> dict[str, str]:
        """What the variables in the paths of mounts stand for; empty where that is not set."""
        known = {name: self.environment.get(name, "") for name in VARIABLES}
        own = {"PWD": self.directory, "PROJECT": self.project, "STATE": self.state, "GIT_DIRECTORY": self.git}
        return known | own | {"HOME": home_directory(known["HOME"])}


def ensure(
    manifest: Manifest,
    store: Store,
    host: Host,
    transport: "Transport",
    report: Callable[[str], None],
    status: Callable[[str], None] = lambda _: None,
) -> tuple[str, int]:
    """Make the manifest's venv if the store lacks it; returns its path and a descriptor that keeps it there."""
    closure = manifest.closure()
    path = store.venv(venv_hash(closure, manifest.fs_entries))
    while True:
        held = hold(path, lambda: report("waiting for another magpkg that makes this venv"))
        if held is not None:
            return path, held
        _check_host(manifest, store, host, report)
        store.prepare()
        with store.exclusive(path):
            if not os.path.isdir(path):
                _make(manifest, closure, store, host, transport, report, status, path)


def _check_host(manifest: Manifest, store: Store, host: Host, report: Callable[[str], None]) -> None:
    """Raise what `magpkg doctor` would find, before anything is downloaded in vain."""
    from magpkg.sandbox.namespaces import check
    from magpkg.store.finding import require
    from magpkg.store.storage import ownership

    require(ownership(store, host.environment))
    version = check(host.bwrap, filtered=manifest.filtered, builds=False)
    if not version.passed:
        report(f"warning: {version.message}")


def _make(
    manifest: Manifest,
    closure: tuple[Package, ...],
    store: Store,
    host: Host,
    transport: "Transport",
    report: Callable[[str], None],
    status: Callable[[str], None],
    path: str,
) -> None:
    from magpkg.making.rootfs import Member, assemble

    with store.reading():
        make_packages(closure, store, host, transport, report, status)
        with store.workspace("venv", store.venv_directory) as work:
            os.makedirs(f"{work}/venv/rootfs", 0o755)
            members = [Member(package, store.package(package.tree_name)) for package in closure]
            for warning in assemble(f"{work}/venv/rootfs", members, manifest.fs_entries):
                report(f"warning: {warning}")
            with open(f"{work}/venv/packages", "w", encoding="utf-8") as file:
                file.writelines(f"{package.tree_name}\n" for package in closure)  # read by Store.members
            if manifest.fs_entries:
                with open(f"{work}/venv/{ENTRIES}", "w", encoding="utf-8") as file:
                    file.write(keep_entries(manifest.fs_entries))
            store.publish(f"{work}/venv", path)


def make_packages(
    closure: Sequence[Package],
    store: Store,
    host: Host,
    transport: "Transport",
    report: Callable[[str], None],
    status: Callable[[str], None] = lambda _: None,
) -> None:
    """Have the store hold the trees of all these packages, which whoever calls it keeps by `store.reading`."""
    from magpkg.fetch.fetch import Fetcher
    from magpkg.making.bounds import read_bounds
    from magpkg.making.build import Builder
    from magpkg.making.realise import realise

    builder = Builder(store, host.bwrap, host.jobs, read_bounds(host.environment))
    realise(closure, builder, Fetcher(store, transport), report, status)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A manifest's sandbox on a host, what paths inside it stand for, and the mount points that the host lacks."""

    sandbox: sandbox.Sandbox
    view: View
    points: tuple[Point, ...]


def draw(
    manifest: Manifest,
    rootfs: str,
    host: Host,
    files: Files,
    own_mounts: Sequence[Mount] = (),
    start: str | None = None,
    without: Sequence[Mount] = (),
) -> Drawn:
    """Draw the sandbox that the manifest asks for.

    `own_mounts` come before the manifest's, which may replace them; `start` is the directory to start in; `without` are
    mounts to leave out, as an earlier result's points have them.
    """
    mounts = [*own_mounts, *wanted_mounts(manifest, host, files)]
    placed = place_mounts(rootfs, mounts, files, defaults=manifest.mount_defaults, without=without)
    environment = sandbox_environment(manifest.env_keep, manifest.env_set, host.environment)
    if start is None:
        home = environment.get("HOME")
        directory = sandbox.starting_directory(placed.view, host.directory, host.project, home)
    else:
        directory = sandbox.chosen_directory(placed.view, start)
    isolation = [*root_options(host.bwrap), *(f"--unshare-{name}" for name in manifest.unshare)]
    if manifest.filtered:
        isolation += filter_options()
    drawn = sandbox.draw(placed, rootfs, files, environment, directory, isolation, proc_covers())
    return Drawn(drawn, placed.view, placed.points)


def wanted_mounts(manifest: Manifest, host: Host, files: Files) -> list[Mount]:
    """The manifest's mounts as they are on this host.

    A project that is known by a name with symlinks in it is shown by that name, and by its real path too: programs know
    either from the environment or from getcwd(3).
    """
    mounts = []
    for mount in manifest.mounts:
        expanded = expand_mounts([mount], host.variables())
        mounts += expanded
        if expanded and mount.source == mount.target and mount.target in _SHOWN_TWICE:
            real = files.real_path(expanded[0].source)
            if real != expanded[0].target:
                mounts.append(replace(expanded[0], target=real, optional=True))
    return mounts


def bare_environment(manifest: Manifest) -> dict[str, str]:
    """The variables that a command has of the manifest alone, on no host."""
    return sandbox_environment((), manifest.env_set, {})


def check_command(view: View, drawn: sandbox.Sandbox, command: Sequence[str]) -> None:
    """Raise CommandNotStarted, with a shell's status, for a command that is not there or cannot be executed."""
    words = len(drawn.arguments()) + sandbox.OWN_WORDS + len(command)
    if words > ARGUMENTS_MAX:
        message = f"{command[0]}: argument list too long: bwrap takes {ARGUMENTS_MAX} words in all, this is {words}"
        raise CommandNotStarted(message, "let a shell or xargs in the venv make the list", 126)
    if not command[0]:
        raise CommandNotStarted("no shell: the venv has neither bash nor sh", "name a command after --", 127)
    found = view.find_command(command[0], drawn.environment["PATH"], drawn.directory)
    if found.state == MISSING:
        if "/" in command[0] and os.path.exists(command[0]):
            message = f"{command[0]}: is on this host, and the venv does not show it"
            raise CommandNotStarted(message, f"--ro-bind {os.path.dirname(os.path.abspath(command[0]))} shows it", 127)
        raise CommandNotStarted(f"{command[0]}: command not found in the venv", "is its package in packages?", 127)
    if found.state == NOT_EXECUTABLE:
        raise CommandNotStarted(f"{command[0]}: cannot be executed: {found.path}", None, 126)
    check_interpreter(view, command[0], found.path)


def explain(view: View, drawn: sandbox.Sandbox, name: str) -> None:
    """After bwrap failed to start `name`: raise CommandNotStarted where it can be seen why.

    That is a source that cannot be reached, a working directory that cannot be entered, or a path to the command in a
    mount that shows nothing of the host.
    """
    for mount in view.mounts:
        if mount.is_bind:
            try:
                os.stat(mount.source)
            except OSError as error:
                message = f"mount {mount.target}: {mount.source} cannot be reached: {error.strerror}"
                raise CommandNotStarted(message, "mark the mount optional: true, or leave it out") from None
    try:
        host = view.host_path(view.resolve(drawn.directory, "the working directory").path)
    except MagpkgError:
        return
    if host is not None and not os.access(host, os.X_OK):
        message = f"the working directory, {drawn.directory}, cannot be entered: Permission denied"
        raise CommandNotStarted(message, "start elsewhere, or give --chdir DIR")
    if "/" in name and view.find_command(name, "", drawn.directory).state == UNKNOWN:
        message = f"{name}: command not found: the venv shows nothing of this host there"
        raise CommandNotStarted(message, f"--ro-bind {os.path.dirname(os.path.abspath(name))} shows it", 127)
