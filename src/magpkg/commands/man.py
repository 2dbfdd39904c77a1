"""`magpkg man`: for those who package magpkg."""

import os
import time

import click

from magpkg.commands import options
from magpkg.commands.manual import pages
from magpkg.commands.terminal import say
from magpkg.errors import MagpkgError
from magpkg.manifest.field import shown


@click.command()
@options.quiet_option
@options.debug_option
@click.argument("directory", type=click.Path(file_okay=False))
@click.pass_context
def man(context: click.Context, quiet: bool, directory: str) -> None:
    """Write manual pages into DIRECTORY.

    There is one for each command. The directory is made where there is none.
    """
    group = context.find_root().command
    assert isinstance(group, click.Group)  # noqa: S101 - for the type checker
    os.makedirs(directory, exist_ok=True)
    # The variable by which builds are made reproducible; see reproducible-builds.org/specs/source-date-epoch.
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    try:
        date = time.gmtime(int(seconds) if seconds else None)
    except (ValueError, OverflowError, OSError):
        raise MagpkgError(f"SOURCE_DATE_EPOCH: must be seconds since 1970, got {shown(seconds)}") from None
    made = list(pages(group, time.strftime("%Y-%m-%d", date)))
    for name, text in made:
        with open(os.path.join(directory, name), "w", encoding="ascii") as file:
            file.write(text)
    if not quiet:
        say(f"{directory}: {len(made)} manual pages")
