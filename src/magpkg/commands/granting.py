"""Granting: on a terminal the first launch says what a manifest opens beyond its project. Part of the command line.

It says, and does not ask. `magpkg venv` is called to run what a project describes, as make is; nothing here acts
because somebody entered a directory, which is why direnv and its like ask. And a command that has the project and the
network can do harm without any grant: who does not trust a manifest must not enter it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

from magpkg.commands.terminal import is_watched, say
from magpkg.inspection.grants import VARIABLE, Grant
from magpkg.store import record
from magpkg.store.store import Store, usual_modes


def tell_grants(store: Store, origin: str, granted: Sequence[Grant], *, quiet: bool) -> bool:
    """Say what the manifest at `origin` grants, once for each content; False where nobody is there to be told."""
    opened = [str(grant) for grant in granted if grant.there]
    if not opened or quiet:
        return True
    mark = hashlib.sha256("\0".join([origin, *opened]).encode("utf-8", "surrogateescape")).hexdigest()
    if mark in record.text(store.granted_file).split():
        return True
    if not is_watched():
        return False
    say(f"{origin} grants its commands, beside its directory:")
    for line in _lines(granted):
        say(f"  {line}")
    with suppress(OSError), usual_modes():
        record.add_line(store.granted_file, mark)
    return True


def _lines(granted: Sequence[Grant]) -> Iterator[str]:
    """A line for each grant, but one for all variables: the preset of proxies alone has ten names."""
    names = [grant.what.removeprefix("the variable ") for grant in granted if grant.kind == VARIABLE]
    yield from (str(grant) for grant in granted if grant.there and grant.kind != VARIABLE)
    if names:
        yield f"the variable{'s' if len(names) > 1 else ''} {', '.join(names)}, which may hold secrets"
