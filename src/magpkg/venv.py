"""The main job, step by step: a manifest becomes a rootfs in the store, and that a running command."""

import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magpkg import sandbox
from magpkg.environment import sandbox_environment
from magpkg.errors import CommandNotStarted, MagpkgError
from magpkg.manifest import Manifest, venv_hash
from magpkg.mount import VARIABLES, Mount, expand_mount
from magpkg.package import Package
from magpkg.store import Store
from magpkg.view import MISSING, NOT_EXECUTABLE, HostFiles, View

if TYPE_CHECKING:
    from magpkg.transport import Transport

_LOCK_DESCRIPTOR = 200  # out of the way of the descriptors that scripts choose


@dataclass(frozen=True, slots=True)
class Host:
    """What of this machine a venv is made with and entered from."""

    environment: Mapping[str, str]
    directory: str
    bwrap: str
    jobs: int


def ensure(
    manifest: Manifest, store: Store, host: Host, transport: "Transport", report: Callable[[str], None]
) -> tuple[str, int]:
    """Make the manifest's venv if the store lacks it; returns its rootfs and a descriptor that keeps it there."""
    closure = manifest.closure()
    path = store.venv(venv_hash(closure, manifest.fs_entries))
    while True:
        held = store.hold(path)
        if held is not None:
            return f"{path}/rootfs", _moved_away(held)
        store.prepare()
        with store.exclusive(path, lambda: report("waiting for another magpkg that makes this venv")):
            if not os.path.isdir(path):
                _make(manifest, closure, store, host, transport, report, path)


def _make(
    manifest: Manifest,
    closure: tuple[Package, ...],
    store: Store,
    host: Host,
    transport: "Transport",
    report: Callable[[str], None],
    path: str,
) -> None:
    from magpkg.build import Builder
    from magpkg.fetch import Fetcher
    from magpkg.realise import realise
    from magpkg.rootfs import Member, assemble

    with store.reading():
        realise(closure, Builder(store, host.bwrap, host.jobs), Fetcher(store, transport), report)
        with store.workspace("venv") as work:
            os.makedirs(f"{work}/venv/rootfs", 0o755)
            members = [Member(package, store.package(package.tree_name)) for package in closure]
            for warning in assemble(f"{work}/venv/rootfs", members, manifest.fs_entries):
                report(f"warning: {warning}")
            with open(f"{work}/venv/packages", "w", encoding="utf-8") as file:
                file.writelines(f"{package.tree_name}\n" for package in closure)  # read by Store.members
            store.publish(f"{work}/venv", path)


def _moved_away(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _LOCK_DESCRIPTOR)
    os.close(descriptor)
    return moved


def draw(manifest: Manifest, rootfs: str, host: Host, command: Sequence[str]) -> tuple[sandbox.Sandbox, list[str]]:
    """The sandbox that the manifest asks for on this host, and the command in it: a shell where none is given.

    Raises CommandNotStarted, with a shell's status, for a command that is not there or cannot be executed.
    """
    files = HostFiles()
    mounts = expand_mounts(manifest.mounts, host)
    view = sandbox.place_mounts(rootfs, mounts, files, defaults=manifest.mount_defaults)
    environment = sandbox_environment(manifest, host.environment)
    directory = sandbox.starting_directory(view, host.directory, environment.get("HOME"))
    words = _command(view, command, environment["PATH"], directory)
    return sandbox.draw(view, rootfs, files, environment, directory), words


def expand_mounts(mounts: Sequence[Mount], host: Host) -> list[Mount]:
    """The mounts with their variables replaced; an optional one whose variable is not set is left out."""
    variables = {name: host.environment.get(name, "") for name in VARIABLES} | {"PWD": host.directory}
    expanded = []
    for mount in mounts:
        try:
            expanded.append(expand_mount(mount, variables))
        except MagpkgError:
            if not mount.optional:
                raise
    return expanded


def _command(view: View, command: Sequence[str], search_path: str, directory: str) -> list[str]:
    if not command:
        for shell in ("bash", "sh"):
            if view.find_command(shell, search_path, directory).state not in (MISSING, NOT_EXECUTABLE):
                return [shell]
        raise CommandNotStarted("no shell: the venv has neither bash nor sh", "name a command after --", 127)
    found = view.find_command(command[0], search_path, directory)
    if found.state == MISSING:
        raise CommandNotStarted(f"{command[0]}: command not found in the venv", "is its package in packages?", 127)
    if found.state == NOT_EXECUTABLE:
        raise CommandNotStarted(f"{command[0]}: cannot be executed: {found.path}", None, 126)
    return list(command)
