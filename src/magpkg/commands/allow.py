"""`magpkg allow`: the directories whose files may decide what runs, whoever owns them."""

import os

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import say, tell
from magpkg.debian.textfile import draft
from magpkg.errors import MagpkgError
from magpkg.manifest.owners import allowed_list, read_allowed


@click.command()
@click.option("--remove", is_flag=True, help="Allow the directories no longer.")
@options.quiet_option
@options.debug_option
@click.argument("directories", nargs=-1, metavar="[DIR]...", shell_complete=completion.directories)
def allow(remove: bool, quiet: bool, directories: tuple[str, ...]) -> None:
    """Trust the manifests below DIR, whoever owns them.

    A manifest that magpkg finds, rather than one that you name with -f, must be yours or root's, and so must its
    folder, its lock and what it imports. In a directory that is allowed they may be anybody's. Without DIR those that
    are allowed are listed.
    """
    path = allowed_list(os.environ)
    if path is None:
        raise MagpkgError("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for the list", "set HOME")
    there = read_allowed(path, os.geteuid())
    if not directories:
        for directory in there:
            tell(directory)
        return
    named = [_real(directory, must_be_there=not remove) for directory in directories]
    wanted = [item for item in there if item not in named] + ([] if remove else named)
    _write(path, list(dict.fromkeys(wanted)))
    if not quiet:
        for directory in named:
            say(f"{directory}: {'allowed no longer' if remove else 'what lies below it is trusted, whoever owns it'}")


def _real(directory: str, *, must_be_there: bool) -> str:
    real = os.path.realpath(directory)
    if "\n" in real:
        raise MagpkgError(f"{directory}: cannot be allowed, since its path has a line break in it")
    if must_be_there and not os.path.isdir(real):
        raise MagpkgError(f"{directory}: is no directory")
    return real


def _write(path: str, directories: list[str]) -> None:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        owner = os.stat(folder).st_uid
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be written: {error.strerror}") from error
    if owner != os.geteuid():
        raise MagpkgError(f"{folder}: belongs to user {owner}, and you are user {os.geteuid()}", "set HOME to your own")
    with draft(path, "".join(f"{directory}\n" for directory in directories)) as made:
        made.replace()
        os.chmod(path, 0o600)  # a list that others can write to would not be believed
