"""`magpkg shim` and `magpkg hook`: commands of a venv as if they were installed."""

import os
import sys
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.entry import enter
from magpkg.commands.terminal import say, tell_code
from magpkg.errors import MagpkgError
from magpkg.project import launchers

if TYPE_CHECKING:
    from magpkg.evaluation.evaluate import Inputs
    from magpkg.manifest.overrides import Overrides


@click.command()
@options.manifest_options
@options.entry_options
@options.jobs_option
@options.offline_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors, now and whenever a shim is called.")
@options.debug_option
@click.argument("directory", metavar="DIR")
@click.argument("commands", metavar="COMMAND...", nargs=-1, required=True)
def shim(
    given: "Inputs",
    overrides: "Overrides",
    jobs: int | None,
    offline: bool,
    quiet: bool,
    directory: str,
    commands: tuple[str, ...],
) -> None:
    """Write launchers for commands of a venv.

    By them editors, Makefiles and prompts call COMMANDs as if they were installed.

    A launcher runs its command in the venv as magpkg venv with the same options would, from any directory. If DIR is
    .magpkg/bin in a project, a shell with magpkg hook has it in PATH there.
    """
    from magpkg.making.venv import check_command

    if given.external or given.top_level:
        raise MagpkgError("a shim takes no -V and no --tla-str: it would have to keep their texts")
    here = options.working_directory(os.environ)
    place = os.path.join(here, directory)
    for command in commands:
        launchers.check_name(command)
    launchers.check_place(place, commands)
    entry = enter(given, overrides, jobs=jobs, offline=offline, quiet=quiet)
    for command in commands:
        check_command(entry.view, entry.sandbox, [command])
    words = _evaluation(given, entry.evaluated.origin, here)
    words += [*overrides.arguments(here), *(["--offline"] if offline else []), *(["-q"] if quiet else [])]
    program = launchers.program(sys.argv[0], sys.executable)
    named = entry.store.root if os.environ.get("MAGPKG_STORE") else ""
    machine = os.uname().machine
    texts = {command: launchers.launcher(program, words, command, named, machine) for command in commands}
    launchers.write(place, texts)
    offered = launchers.offered_directory(entry.store.shims_directory, place)
    if offered is not None:
        launchers.write(offered, texts)
        launchers.withdraw(offered, place)
    entry.keep_plan(["venv", *words], {**os.environ, "PWD": here})  # a shell, such as the shim is, sets PWD right
    if not quiet:
        say(f"wrote {', '.join(sorted(texts))} into {place}")


def _evaluation(given: "Inputs", origin: str, here: str) -> list[str]:
    """The options by which the manifest is found from anywhere."""
    searched = [os.path.join(here, path) for path in given.import_path[::-1]]
    if given.expression is None:
        manifest = ["-f", origin, *(["--found"] if given.found or given.file is None else [])]
    else:
        manifest, searched = ["-e", given.expression], [here, *searched]  # the last one is looked in first
    return manifest + [word for path in searched for word in ("-J", path)]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "direnv"]))
def hook(shell: str) -> None:
    """Print code for a shell that has shims in PATH.

    They are those of the project that the shell is in.

    For bash and zsh: eval "$(magpkg hook bash)" in .bashrc or .zshrc. For fish: magpkg hook fish | source in
    config.fish. For direnv: magpkg hook direnv into a file of ~/.config/direnv/lib, and use magpkg in .envrc.
    """
    tell_code(launchers.hook(shell, options.store(os.environ).shims_directory))
