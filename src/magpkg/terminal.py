"""What the commands share in speaking to the user: messages, errors and sizes. Part of the command line."""

import traceback
from collections.abc import Callable

import click

from magpkg.errors import MagpkgError


def say(message: str) -> None:
    """Print one line of magpkg's own to standard error; standard output is the command's."""
    click.echo(f"magpkg: {message}", err=True)


def speaker(*, quiet: bool) -> Callable[[str], None]:
    """Where the steps report what they do: `say`, or nowhere."""
    return (lambda _: None) if quiet else say


def fail(error: MagpkgError, status: int, *, debug: bool = False) -> int:
    """Print an error in magpkg's one way and return the exit status it is to have."""
    if debug:
        click.echo(traceback.format_exc(), err=True)
    if error.detail:
        click.echo(error.detail, err=True)
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    return status


def size(count: int) -> str:
    """A number of bytes for people to read."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def age(seconds: float) -> str:
    """A span of time for people to read, in its largest unit."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def printable(text: str) -> str:
    """Text of strangers without what a terminal would take for a command."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
