"""`magpkg shim` and `magpkg hook`: commands of a venv as if they were installed."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.entry import enter
from magpkg.commands.granting import tell_grants
from magpkg.commands.terminal import say, tell_code
from magpkg.errors import MagpkgError
from magpkg.launch.hostfiles import UNKNOWN
from magpkg.manifest.manifest import not_a_command
from magpkg.project import launchers
from magpkg.sandbox.view import EXECUTABLE

if TYPE_CHECKING:
    from magpkg.commands.entry import Entry
    from magpkg.evaluation.inputs import Inputs
    from magpkg.manifest.overrides import Overrides


@click.command()
@options.manifest_options
@options.entry_options
@options.jobs_option
@options.offline_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors, now and whenever a shim is called.")
@options.debug_option
@click.option("--dir", "directory", metavar="DIR", help="Write them into DIR, not into .magpkg/bin of the project.")
@click.option("--all", "every", is_flag=True, help="Write one for each command of the packages that are named.")
@click.argument("words", metavar="[DIR] COMMAND...", nargs=-1)
def shim(
    given: "Inputs",
    overrides: "Overrides",
    jobs: int | None,
    offline: bool,
    quiet: bool,
    directory: str | None,
    every: bool,
    words: tuple[str, ...],
) -> None:
    """Write launchers for commands of a venv.

    By them editors, Makefiles and prompts call COMMANDs as if they were installed.

    A launcher runs its command in the venv as magpkg venv with the same options would, from any directory. They are
    written into .magpkg/bin beside the manifest, where a shell with magpkg hook has them in PATH, or into DIR. Without
    COMMANDs and --all they are those that the manifest lists as shims.
    """
    from magpkg.making.venv import check_command

    if given.external or given.top_level:
        raise MagpkgError("a shim takes no -V and no --tla-str: it would have to keep their texts")
    here = options.working_directory(os.environ)
    for word in words if directory is not None else words[1:]:
        launchers.check_name(word)
    entry = enter(given, overrides, jobs=jobs, offline=offline, quiet=quiet)
    if directory is None and words and _is_directory(entry, words):
        directory, words = words[0], words[1:]
    place = os.path.normpath(os.path.join(here, directory or os.path.join(entry.evaluated.directory, launchers.PLACE)))
    commands = tuple(dict.fromkeys((*words, *(_all_commands(entry) if every else ())))) or entry.manifest.shims
    if not commands:
        raise MagpkgError("which commands? the manifest has no shims", "name some, or say --all")
    for command in commands:
        launchers.check_name(command)
        check_command(entry.view, entry.sandbox, [command])
    launchers.check_place(place, commands, entry.store.root)
    arguments = _evaluation(given, entry.evaluated.origin, here)
    arguments += [*overrides.arguments(here), *(["--offline"] if offline else []), *(["-q"] if quiet else [])]
    _write(entry, place, commands, arguments, quiet=quiet)
    told = tell_grants(entry.store, entry.evaluated.origin, entry.granted, quiet=quiet)
    # A shell, such as the shim is, sets PWD right.
    entry.keep_plan(["venv", *arguments], {**os.environ, "PWD": here}, told=told)


def _is_directory(entry: "Entry", words: Sequence[str]) -> bool:
    """Whether the first of some words is a directory: a path, or no command of the venv while others follow."""
    if "/" in words[0] or words[0].startswith("."):
        return True
    return len(words) > 1 and _path(entry, words[0]) is None


def _path(entry: "Entry", command: str) -> str | None:
    """Where the venv has a command, as its PATH leads there."""
    found = entry.view.find_command(command, entry.sandbox.environment["PATH"], entry.sandbox.directory)
    return found.named if found.state in (EXECUTABLE, UNKNOWN) else None


def _all_commands(entry: "Entry") -> list[str]:
    """The commands of the packages that the manifest names, the base left out, as far as they can be shims."""
    from magpkg.debian.lockfile import LOCK_NAME, load_lock
    from magpkg.evaluation.program import CORE_LOCK
    from magpkg.inspection.commands import commands_of
    from magpkg.inspection.outline import outline

    locks = (CORE_LOCK, os.path.join(entry.evaluated.directory, LOCK_NAME))
    base = {name for path in locks if (lock := load_lock(path)) is not None for name in lock.base}
    found = commands_of(outline(entry.manifest.packages), base, entry.store.package, entry.sandbox.environment["PATH"])
    return [name for name in found if not not_a_command(name) and _path(entry, name) is not None]


def _write(entry: "Entry", place: str, commands: Sequence[str], arguments: Sequence[str], *, quiet: bool) -> None:
    program = launchers.program(sys.argv[0], sys.executable)
    named = entry.store.root if os.environ.get("MAGPKG_STORE") else ""
    machine = os.uname().machine
    texts = {}
    for command in commands:
        inside = launchers.Inside(entry.marker, _path(entry, command) or command)
        texts[command] = launchers.launcher(program, arguments, command, named, machine, inside)
    launchers.write(place, texts)
    offered, reason = launchers.offered_directory(entry.store.shims_directory, place)
    if offered is not None:
        launchers.write(offered, texts)
        launchers.withdraw(offered, place)
    if reason:
        say(f"warning: no shell will have these in PATH: {reason}")
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
