"""`magpkg search`."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import speaker, tell, tell_json
from magpkg.debian.index import Match

if TYPE_CHECKING:
    from collections.abc import Callable

    from magpkg.debian.lockfile import Lock
    from magpkg.debian.locking import Scope
    from magpkg.debian.suite import Trust


@click.command()
@options.scope_options
@options.trust_options
@options.offline_option
@options.json_option
@options.quiet_option
@options.debug_option
@click.argument("word", shell_complete=completion.suite_names)
def search(
    scoped: "Callable[[Lock | None], Scope]",
    trust: "Callable[[], Trust]",
    offline: bool,
    as_json: bool,
    quiet: bool,
    word: str,
) -> int:
    """Look for packages with WORD in their name or short description.

    Looked through are the indices that the last `magpkg lock` left in the store; where there are none they are
    fetched. Without --suite the suites are those of the lock in the working directory, else bookworm. The exit status
    is 1 where nothing is found.
    """
    from magpkg.debian.lockfile import LOCK_NAME, load_lock

    suites = options.suites(options.store(os.environ), speaker(quiet=quiet), offline=offline)
    where = scoped(load_lock(LOCK_NAME))
    found: dict[str, Match] = {}
    for name in where.suites:
        release = suites.kept_release(name) or suites.release(name, trust())
        for index in (suites.index(release, part, where.architecture) for part in where.components):
            for match in index.search(word):
                found.setdefault(match.name, match)
    ranked = sorted(found.values(), key=lambda match: _rank(match, word.lower()))
    if as_json:
        tell_json({"packages": [asdict(match) for match in ranked]})
        return 0 if found else 1
    for match in ranked:
        tell(f"{match.name}  {match.version}  {match.description}")
    return 0 if found else 1


def _rank(match: Match, word: str) -> tuple[int, str]:
    """The name itself first, then names that begin with the word, that have it, and descriptions."""
    if match.name == word:
        return 0, match.name
    if match.name.startswith(word):
        return 1, match.name
    return (2 if word in match.name else 3), match.name
