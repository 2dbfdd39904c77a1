"""`magpkg config`."""

import os

import click

from magpkg.commands import options
from magpkg.commands.terminal import say, tell
from magpkg.errors import MagpkgError
from magpkg.fetch.failure import shown_url
from magpkg.fetch.mirror import SETTING, VARIABLE, is_usable
from magpkg.manifest.owners import read_setting
from magpkg.project.settings import changing, own_setting, write_setting


@click.command()
@click.option("--unset", is_flag=True, help="Forget what was set.")
@options.quiet_option
@options.debug_option
@click.argument("name", type=click.Choice(["mirror"]))
@click.argument("values", nargs=-1, metavar="[URL]...")
def config(unset: bool, quiet: bool, name: str, values: tuple[str, ...]) -> None:
    """Keep a setting of yours, such as the mirror.

    `magpkg config mirror URL` names the mirror of Debian that packages come from: the directory that has dists/ and
    pool/. Of several the first that answers is used. Without URL what is set is printed.
    """
    path = own_setting(os.environ, SETTING)
    if unset and values:
        raise MagpkgError(f"--unset and {shown_url(values[0])} contradict one another", "give one of them")
    if not unset and not values:
        for line in read_setting(path, os.geteuid()):
            tell(line)
        return
    for value in values:
        if not is_usable(value) or value.split() != [value]:
            hint = "it begins with http://, https:// or file:, and has dists/ and pool/ below it"
            raise MagpkgError(f"{shown_url(value)}: is no address of a mirror", hint)
    with changing(path):
        write_setting(path, [value.rstrip("/") for value in values])
    if not quiet:
        say(f"{path}: written")
        if os.environ.get(VARIABLE):
            say(f"warning: {VARIABLE} is set, and goes before it")
