"""The way into a venv, which `magpkg venv` goes to the end and `magpkg shim` paves: part of the command line."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from magpkg.commands import options
from magpkg.commands.terminal import download_line, say, speaker, status_line
from magpkg.errors import MagpkgError
from magpkg.launch.environment import own_variables
from magpkg.launch.hostfiles import Answer, RecordingFiles
from magpkg.launch.plan import Plan, make_key, plan_path, save, untold
from magpkg.manifest.mount import Mount, host_variables
from magpkg.sandbox.sandbox import Sandbox
from magpkg.sandbox.view import View
from magpkg.store import record
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.evaluation.evaluate import Evaluated
    from magpkg.evaluation.inputs import Inputs
    from magpkg.inspection.grants import Grant
    from magpkg.making.venv import Drawn, Host
    from magpkg.manifest.manifest import Manifest
    from magpkg.manifest.overrides import Overrides
    from magpkg.sandbox.surroundings import Surroundings

_ATTEMPTS = 3  # to make mount points on the host, which somebody else may remove


@dataclass(frozen=True, slots=True)
class Entry:
    """A venv that is there, locked by the descriptor `held`, with its sandbox drawn for this place and time."""

    store: Store
    path: str
    held: int
    bwrap: str
    manifest: "Manifest"
    evaluated: "Evaluated"
    sandbox: Sandbox
    view: View
    shell: str
    surroundings: "Surroundings"
    marker: str
    answers: Sequence[Answer] | None
    """What the host answered, for the plan; None where a later launch may find more there."""
    granted: "tuple[Grant, ...]"
    tied: bool

    def keep_plan(self, arguments: Sequence[str], environment: Mapping[str, str], *, told: bool = True) -> None:
        """Let the next launch with these arguments go the short way, see `magpkg.start`.

        Where nobody was `told` what the manifest grants, the next one on a terminal goes the long way again.
        """
        if self.answers is None or not self.store.takes:
            return  # where the store takes nothing, each launch is as slow as this one
        sandbox, manifest, sources, around = self.sandbox, self.manifest, self.evaluated.sources, self.surroundings
        assigned = manifest.env_set
        plan = Plan(
            self.bwrap,
            self.path,
            sandbox.directory,
            self.shell,
            sandbox.options,
            manifest.env_keep,
            assigned,
            tied=self.tied,
        )
        key = make_key(arguments, environment)
        path = plan_path(self.store.root, key)
        named = (*host_variables(manifest.mounts), *around.variables)
        variables = {name: environment.get(name, "") for name in named}
        inputs, absent = sources.read_files | dict(around.files), (*sources.absent, *around.absent)
        try:
            if not told:
                os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
                record.write(untold(path), "", private=True)
            save(path, key, plan, inputs, absent, variables, self.answers, time.time_ns())
            if told:
                with suppress(FileNotFoundError):
                    os.unlink(untold(path))
        except OSError as error:
            say(f"warning: the next launch will be as slow as this one: {error.filename or path}: {error.strerror}")


def enter(given: "Inputs", overrides: "Overrides", *, jobs: int | None, offline: bool, quiet: bool) -> Entry:
    """Do all that comes before the launch: the venv is made if the store lacks it."""
    from magpkg.fetch.transport import Transport
    from magpkg.making.venv import ensure
    from magpkg.project.launchers import marker
    from magpkg.sandbox.shell import find_shell, shell_path
    from magpkg.sandbox.surroundings import surroundings
    from magpkg.sandbox.texts import Texts
    from magpkg.store.state import make_state, state_directory

    environment = dict(os.environ)
    store = options.entered_store(environment)
    directory = options.working_directory(environment)
    manifest, evaluated = options.manifest(given)
    written = manifest
    manifest = overrides.applied(manifest, directory)
    host = options.host(environment, directory, jobs)
    transport = Transport(environment, evaluated.directory, offline=offline, progress=download_line(quiet=quiet))
    path, held = ensure(manifest, store, host, transport, speaker(quiet=quiet), status_line(quiet=quiet))
    store.note_origin(os.path.basename(path), evaluated.origin)
    make_state(state_directory(store, evaluated.directory), manifest.mounts)
    files = RecordingFiles(path)
    texts = Texts(store, f"{path}/rootfs")
    mark = marker(evaluated.origin, given.expression)
    around = surroundings(manifest, f"{path}/rootfs", environment, texts, files, mark)
    assigned = (*own_variables(evaluated.name), *around.assigned, *manifest.env_set)
    manifest = replace(manifest, env_keep=around.keep, env_set=assigned)
    host = options.located(host, evaluated, store, manifest.mounts, files)
    drawn, lost = _drawn(manifest, f"{path}/rootfs", host, files, around.mounts, overrides.chdir)
    sandbox, view = drawn.sandbox, drawn.view
    answers = None if lost else files.answers()  # before anything is asked about a command: a plan is for all commands
    sandbox = replace(sandbox, options=texts.handed_over(sandbox.options))
    place = (sandbox.environment["PATH"], sandbox.directory)
    found = shell_path(view, overrides.shell, *place) if overrides.shell else find_shell(view, *place)
    shell = overrides.shell or os.path.basename(found)
    if found and "SHELL" not in sandbox.environment:
        manifest = replace(manifest, env_set=(*manifest.env_set, ("SHELL", found)))
        sandbox = replace(sandbox, environment={**sandbox.environment, "SHELL": found})
    granted = () if given.expression is not None else _granted(written, host)
    return Entry(
        store,
        path,
        held,
        host.bwrap,
        manifest,
        evaluated,
        sandbox,
        view,
        shell,
        around,
        mark,
        answers,
        granted,
        overrides.die_with_parent,
    )


def _granted(manifest: "Manifest", host: "Host") -> "tuple[Grant, ...]":
    """What the manifest itself grants; an expression, and options of the command line, are the user's own words."""
    if not manifest.mounts and not manifest.env_keep and manifest.filtered:
        return ()
    from magpkg.inspection.grants import grants

    return grants(manifest, host.variables())


def _drawn(
    manifest: "Manifest", rootfs: str, host: "Host", files: RecordingFiles, shown: Sequence[Mount], start: str | None
) -> "tuple[Drawn, list[Mount]]":
    """The sandbox, and the optional mounts that are left out for want of a mount point on the host.

    What is missing there is made, and the sandbox drawn anew: `files` then has the new answers in the place of the old.
    """
    from magpkg.making.venv import draw

    lost: list[Mount] = []
    for _ in range(_ATTEMPTS):
        drawn = draw(manifest, rootfs, host, files, shown, start, lost)
        if not drawn.points:
            return drawn, lost
        from magpkg.making.points import make_points

        lost += make_points(drawn.points, host.bwrap)
    raise MagpkgError(f"{drawn.points[0].mount.part('target')}: what was made for it is removed again and again")
