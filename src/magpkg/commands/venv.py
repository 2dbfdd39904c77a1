"""`magpkg venv`."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.entry import enter
from magpkg.commands.granting import tell_grants
from magpkg.commands.terminal import say
from magpkg.errors import CommandNotStarted
from magpkg.launch import supervise
from magpkg.launch.lock import stamp
from magpkg.launch.plan import TRIED, split_command, sum_of

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs
    from magpkg.manifest.overrides import Overrides


@click.command(context_settings={"allow_interspersed_args": False})
@options.manifest_options
@options.entry_options
@options.jobs_option
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
    """Run a command, or a shell, in the environment.

    Without -e or -f the manifest is the nearest magpkg.jsonnet, magpkg.json or magpkg.yaml in the working directory
    or above it. The exit status is the command's; 125 says that magpkg itself failed.
    """
    return launch(given, overrides, command, jobs=jobs, offline=offline, quiet=quiet, debug=debug)


def launch(
    given: "Inputs",
    overrides: "Overrides",
    command: Sequence[str],
    *,
    jobs: int | None,
    offline: bool,
    quiet: bool,
    debug: bool,
) -> int:
    """Run a command, or a shell where it is empty, in the venv of a manifest, and keep the plan of it."""
    from magpkg.making.venv import check_command, explain

    tried = os.environ.pop(TRIED, "")
    entry = enter(given, overrides, jobs=jobs, offline=offline, quiet=quiet)
    told = tell_grants(entry.store, entry.evaluated.origin, entry.granted, quiet=quiet)
    words = list(command) or [entry.shell]
    arguments, after = split_command(sys.argv[1:])
    if debug:
        say(entry.sandbox.shown_command(entry.bwrap, words))
    # Without `--` nothing tells where the options end but reading them; and outside arguments may be secrets.
    elif tuple(after) == tuple(command) and not given.external and not given.top_level:
        entry.keep_plan(arguments, os.environ, told=told)
    check_command(entry.view, entry.sandbox, words)
    try:
        if tried == sum_of((*entry.sandbox.options, *words)):
            raise supervise.not_started(words[0])  # by the short way, and bwrap has told
        status = supervise.run(
            entry.bwrap, entry.sandbox.arguments(), words, entry.held, tied=overrides.die_with_parent
        )
    except CommandNotStarted:
        from magpkg.sandbox.namespaces import check

        explain(entry.view, entry.sandbox, words[0])
        check(entry.bwrap, filtered=entry.manifest.filtered, builds=bool(entry.manifest.unshare))
        raise
    stamp(entry.held)
    return status
