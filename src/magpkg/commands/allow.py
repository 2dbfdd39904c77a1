"""`magpkg allow`: the directories whose files may decide what runs, whoever owns them."""

import os

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import say, tell
from magpkg.errors import MagpkgError
from magpkg.manifest.owners import ALLOWED, read_setting
from magpkg.project.settings import changing, own_setting, write_setting


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
    path = own_setting(os.environ, ALLOWED)
    if not directories:
        for directory in read_setting(path, os.geteuid()):
            tell(directory)
        return
    named = [_real(directory, must_be_there=not remove) for directory in directories]
    with changing(path):
        kept = [item for item in read_setting(path, os.geteuid()) if item not in named]
        write_setting(path, list(dict.fromkeys(kept + ([] if remove else named))))
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
