"""`magpkg search`."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import say, speaker, tell_columns, tell_json
from magpkg.debian.index import Match, as_match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magpkg.debian.lockfile import Lock
    from magpkg.debian.locking import Scope
    from magpkg.debian.suite import Trust

_SHOWN = 20


@click.command()
@click.option("--all", "everything", is_flag=True, help=f"Print all that is found, not the first {_SHOWN}.")
@options.json_option
@options.scope_options
@options.trust_options
@options.offline_option
@options.quiet_option
@options.debug_option
@click.argument("words", nargs=-1, required=True, metavar="WORD...", shell_complete=completion.suite_names)
def search(
    everything: bool,
    as_json: bool,
    scoped: "Callable[[Lock | None], Scope]",
    trust: "Callable[[], Trust]",
    offline: bool,
    quiet: bool,
    words: "Sequence[str]",
) -> int:
    """Find packages by words in name or description.

    Names come first. Looked through are the indices that the last `magpkg lock` left in the store; where there are
    none they are fetched. Without --suite the suites are those of the lock in the working directory, else bookworm.
    The exit status is 1 where nothing is found.
    """
    from magpkg.debian.lockfile import LOCK_NAME, load_lock
    from magpkg.debian.locking import shelves
    from magpkg.debian.synonyms import known_as

    suites = options.suites(options.own_store(os.environ), speaker(quiet=quiet), offline=offline)
    lock = load_lock(LOCK_NAME)
    indices = [index for _, index in shelves(suites, scoped(lock), trust, lock)]
    found: dict[str, Match] = {}
    synonym = known_as(" ".join(words))
    for index in indices:
        named = map(as_match, index.fields(synonym)) if synonym else ()
        for match in (*named, *index.search(words)):
            found.setdefault(match.name, match)
    ranked = sorted(found.values(), key=lambda match: _rank(match, [word.lower() for word in words], synonym))
    if as_json:
        tell_json({"packages": [asdict(match) for match in ranked]})
        return 0 if found else 1
    shown = ranked if everything else ranked[:_SHOWN]
    tell_columns([(match.name, match.version, match.description) for match in shown])
    if not found and not quiet:
        say(_nothing(words, (name for index in indices for name in index.offsets)))
    elif len(shown) < len(ranked) and not quiet:
        say(f"{len(shown)} of {len(ranked)} packages; --all prints the others, a further word leaves fewer")
    return 0 if found else 1


def _nothing(words: "Sequence[str]", names: "Iterable[str]") -> str:
    from magpkg.debian.synonyms import meant

    likely = meant(words[0], names) if len(words) == 1 else ""
    return f"no package has {' and '.join(words)} in its name or description" + (
        f"; did you mean {likely}?" if likely else ""
    )


def _rank(match: Match, words: "Sequence[str]", synonym: str | None) -> tuple[int, int, str]:
    """The name itself or what it stands for, then names that begin with the word, have all words, some, none."""
    named = sum(word in match.name for word in words)
    if match.name in (words[0], synonym):
        return 0, match.name == synonym, match.name
    if match.name.startswith(words[0]) and named == len(words):
        return 1, 0, match.name
    return 2, -named, match.name
