"""`magpkg info`."""

import os
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import size, speaker, tell, tell_json
from magpkg.errors import MagpkgError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magpkg.debian.lockfile import Lock
    from magpkg.debian.locking import Scope
    from magpkg.debian.suite import Trust

_FIELDS = {
    "Package": "name",
    "Version": "version",
    "Description": "description",
    "Homepage": "homepage",
    "Section": "section",
    "Source": "source",
    "Pre-Depends": "preDepends",
    "Depends": "depends",
    "Recommends": "recommends",
    "Provides": "provides",
}
_RELATIONS = {"Pre-Depends": "needs first", "Depends": "needs", "Recommends": "goes well with", "Provides": "also is"}


@click.command()
@options.json_option
@options.scope_options
@options.trust_options
@options.offline_option
@options.quiet_option
@options.debug_option
@click.argument("name", shell_complete=completion.suite_names)
def info(
    as_json: bool,
    scoped: "Callable[[Lock | None], Scope]",
    trust: "Callable[[], Trust]",
    offline: bool,
    quiet: bool,
    name: str,
) -> None:
    """Show one package: version, size, dependencies.

    Each suite that has it is told, in the order in which they are looked in. Where it is looked for, see
    `magpkg search`.
    """
    from magpkg.debian.lockfile import LOCK_NAME, load_lock
    from magpkg.debian.locking import shelves
    from magpkg.debian.synonyms import meant

    suites = options.suites(options.own_store(os.environ), speaker(quiet=quiet), offline=offline)
    lock = load_lock(LOCK_NAME)
    indices = list(shelves(suites, scoped(lock), trust, lock))
    found = [(suite, fields) for suite, index in indices for fields in index.fields(name)]
    if not found:
        likely = meant(name, (other for _, index in indices for other in index.offsets))
        where = " or ".join(dict.fromkeys(suite for suite, _ in indices))
        raise MagpkgError(f"there is no package {name} in {where}", f"did you mean {likely}?" if likely else None)
    if as_json:
        tell_json({"packages": [_facts(suite, fields) for suite, fields in found]})
        return
    for number, (suite, fields) in enumerate(found):
        for line in ([""] if number else []) + list(_lines(suite, fields)):
            tell(line)


def _facts(suite: str, fields: "Mapping[str, str]") -> dict[str, object]:
    facts: dict[str, object] = {"suite": suite, "size": _bytes(fields, "Size")}
    facts["installedSize"] = _bytes(fields, "Installed-Size") * 1024
    return facts | {key: fields[field] for field, key in _FIELDS.items() if field in fields}


def _lines(suite: str, fields: "Mapping[str, str]") -> "Iterator[str]":
    yield f"{fields.get('Package', '')} {fields.get('Version', '')}  ({suite})"
    yield f"  {fields.get('Description', '')}"
    # Policy 5.6.20: Installed-Size is an estimate, in KiB.
    yield f"  {size(_bytes(fields, 'Size'))} to fetch, {size(_bytes(fields, 'Installed-Size') * 1024)} unpacked"
    if "Homepage" in fields:
        yield f"  {fields['Homepage']}"
    for field, words in _RELATIONS.items():
        if field in fields:
            yield f"  {words}: {' '.join(fields[field].split())}"


def _bytes(fields: "Mapping[str, str]", name: str) -> int:
    text = fields.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() else 0
