"""`magpkg run`."""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.init import write_project
from magpkg.commands.terminal import say, speaker
from magpkg.commands.venv import launch
from magpkg.debian.lockfile import LOCK_NAME, Lock, load_lock, lock_text, save_lock
from magpkg.debian.locking import Scope, make_lock, visit
from magpkg.debian.suite import Trust
from magpkg.evaluation.inputs import Inputs
from magpkg.project.adhoc import MANIFEST_NAME, AdHoc, read_names
from magpkg.project.needs import Need
from magpkg.project.skeleton import yaml_text

if TYPE_CHECKING:
    from magpkg.manifest.overrides import Overrides
    from magpkg.store.store import Store


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "-p",
    "--packages",
    multiple=True,
    metavar="NAME,...",
    shell_complete=completion.suite_names,
    help="Have these packages of Debian.",
)
@click.option("--save", is_flag=True, help="Write magpkg.yaml and its lock for them here, too.")
@click.option("--refresh", is_flag=True, help="Take what the suites have now, not what was taken the first time.")
@options.entry_options
@options.scope_options
@options.trust_options
@options.jobs_option
@options.offline_option
@options.quiet_option
@click.option("--debug", is_flag=True, help="Show bwrap's command line, and tracebacks of errors.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, shell_complete=completion.files)
def run(
    packages: tuple[str, ...],
    save: bool,
    refresh: bool,
    overrides: "Overrides",
    scoped: Callable[[Lock | None], Scope],
    trust: Callable[[], Trust],
    jobs: int | None,
    offline: bool,
    quiet: bool,
    debug: bool,
    command: tuple[str, ...],
) -> int:
    """Run a command with packages, without a manifest.

    \b
    magpkg run -p jq -- jq .name package.json
    magpkg run -p python3,make            a shell with both

    The packages are pinned the first time, and the pins are kept in the store: the second run asks no network. The
    working directory is shown inside, writable. For an environment that a manifest describes there is `magpkg venv`.
    """
    trusted = trust()
    asked = AdHoc(read_names(packages), scoped(None), verified=trusted.keyring is not None)
    store = options.own_store(os.environ)
    directory = asked.directory(store.sets_directory)
    if refresh or not os.path.exists(f"{directory}/{LOCK_NAME}"):
        _pin(asked, store, directory, trusted, offline=offline, quiet=quiet)
    if save:
        _save(asked, f"{directory}/{LOCK_NAME}", quiet=quiet)
        if not command:
            return 0
    given = Inputs(file=f"{directory}/{MANIFEST_NAME}")
    return launch(given, overrides, command, jobs=jobs, offline=offline, quiet=quiet, debug=debug)


def _pin(asked: AdHoc, store: "Store", directory: str, trust: Trust, *, offline: bool, quiet: bool) -> None:
    """Resolve the names, and keep the manifest and the lock; whoever does the same at the same time makes the same."""
    report = speaker(quiet=quiet)
    suites = options.suites(store, report, offline=offline)
    old = load_lock(f"{directory}/{LOCK_NAME}")
    made = make_lock(visit(suites, asked.where, trust, old), asked.names, {}, recommends=False)
    store.prepare()
    with store.exclusive(directory):
        if os.path.isdir(directory):
            save_lock(f"{directory}/{LOCK_NAME}", made)
            return
        with store.workspace("set", store.sets_directory) as work:
            for name, text in ((MANIFEST_NAME, asked.manifest()), (LOCK_NAME, lock_text(made))):
                with open(f"{work}/{name}", "w", encoding="utf-8") as file:
                    file.write(text)
            store.publish(work, directory)


def _save(asked: AdHoc, lock_path: str, *, quiet: bool) -> None:
    directory = options.working_directory(os.environ)
    lock = load_lock(lock_path)
    path = os.path.join(directory, "magpkg.yaml")
    write_project(
        path, yaml_text([Need("asked for", asked.names)], asked.where.suites), os.path.join(directory, LOCK_NAME), lock
    )
    if not quiet:
        say(f"{path}: written, and {LOCK_NAME} beside it")
