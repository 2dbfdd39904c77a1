"""`magpkg venv`."""

import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from magpkg import completion, launch, options
from magpkg.environment import own_variables
from magpkg.errors import CommandNotStarted
from magpkg.hostfiles import Answer
from magpkg.lock import stamp
from magpkg.plan import Plan, make_key, plan_path, save, split_command
from magpkg.store import Store
from magpkg.terminal import download_line, say, speaker, status_line

if TYPE_CHECKING:
    from magpkg.evaluate import Inputs
    from magpkg.overrides import Overrides
    from magpkg.sources import Sources


@click.command(context_settings={"allow_interspersed_args": False})
@options.manifest_options
@options.entry_options
@click.option("--jobs", type=click.IntRange(min=1), help="Make at most this many packages at once; default: cores.")
@options.offline_option
@options.quiet_option
@click.option("--debug", is_flag=True, help="Show bwrap's command line, and tracebacks of errors.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, shell_complete=completion.files)
def venv(
    given: "Inputs",
    overrides: "Overrides",
    jobs: int | None,
    offline: bool,
    quiet: bool,
    debug: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND, or an interactive shell, in the environment that a manifest describes.

    Without -e or -f the manifest is the nearest magpkg.jsonnet, magpkg.json or magpkg.yaml in the working directory
    or above it. The exit status is the command's; 125 says that magpkg itself failed.
    """
    from magpkg.hostfiles import RecordingFiles
    from magpkg.transport import Transport
    from magpkg.user import current_user, user_mounts
    from magpkg.venv import Host, check_command, draw, ensure, find_shell

    environment = dict(os.environ)
    store = options.store(environment)
    directory = options.working_directory(environment)
    manifest, evaluated = options.manifest(given)
    manifest = replace(manifest, env_set=(*own_variables(evaluated.name), *manifest.env_set))
    manifest = overrides.applied(manifest, directory)
    bwrap = launch.find_bwrap(environment.get("PATH", os.defpath))
    host = Host(environment, directory, bwrap, jobs or len(os.sched_getaffinity(0)))
    transport = Transport(environment, evaluated.directory, offline=offline, progress=download_line(quiet=quiet))
    path, held = ensure(manifest, store, host, transport, speaker(quiet=quiet), status_line(quiet=quiet))
    store.note_origin(os.path.basename(path), evaluated.origin)
    files = RecordingFiles(path)
    shown = user_mounts(current_user(environment), store, f"{path}/rootfs") if manifest.mount_defaults else []
    sandbox, view = draw(manifest, f"{path}/rootfs", host, files, shown, overrides.chdir)
    answers = files.answers()
    shell = overrides.shell or find_shell(view, sandbox)
    words = list(command) or [shell]
    if debug:
        say(sandbox.shown_command(bwrap, words))
    elif not given.external and not given.top_level:
        kept = Plan(bwrap, path, sandbox.directory, shell, sandbox.options, manifest.env_keep, manifest.env_set)
        _keep_plan(store, kept, command, evaluated.sources, answers)
    check_command(view, sandbox, words)
    try:
        status = launch.run(bwrap, sandbox.arguments(), words, held)
    except CommandNotStarted:
        from magpkg.namespaces import check

        check(bwrap, builds=bool(manifest.unshare))
        raise
    stamp(held)
    return status


def _keep_plan(store: Store, kept: Plan, command: tuple[str, ...], sources: "Sources", answers: list[Answer]) -> None:
    """Let the next launch of this kind go the short way, see `magpkg.start`."""
    arguments, after = split_command(sys.argv[1:])
    if tuple(after) != command:
        return  # the command was given without `--`: nothing tells where the options end but reading them
    key = make_key(arguments, os.environ)
    try:
        save(plan_path(store.root, key), key, kept, sources.read_files, sources.absent, answers, time.time_ns())
    except OSError as error:
        say(f"warning: the next launch will be as slow as this one: {error.filename}: {error.strerror}")
