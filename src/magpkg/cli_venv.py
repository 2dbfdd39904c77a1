"""`magpkg venv`."""

import os
import sys
from typing import TYPE_CHECKING

import click

from magpkg import completion, launch, options
from magpkg.entry import enter
from magpkg.errors import CommandNotStarted
from magpkg.lock import stamp
from magpkg.plan import split_command
from magpkg.terminal import say

if TYPE_CHECKING:
    from magpkg.evaluate import Inputs
    from magpkg.overrides import Overrides


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
    """Run COMMAND, or an interactive shell, in the environment that a manifest describes.

    Without -e or -f the manifest is the nearest magpkg.jsonnet, magpkg.json or magpkg.yaml in the working directory
    or above it. The exit status is the command's; 125 says that magpkg itself failed.
    """
    from magpkg.venv import check_command

    entry = enter(given, overrides, jobs=jobs, offline=offline, quiet=quiet)
    words = list(command) or [entry.shell]
    arguments, after = split_command(sys.argv[1:])
    if debug:
        say(entry.sandbox.shown_command(entry.bwrap, words))
    # Without `--` nothing tells where the options end but reading them; and outside arguments may be secrets.
    elif tuple(after) == command and not given.external and not given.top_level:
        entry.keep_plan(arguments, os.environ)
    check_command(entry.view, entry.sandbox, words)
    try:
        status = launch.run(entry.bwrap, entry.sandbox.arguments(), words, entry.held)
    except CommandNotStarted:
        from magpkg.namespaces import check

        check(entry.bwrap, builds=bool(entry.manifest.unshare))
        raise
    stamp(entry.held)
    return status
