"""Reading fields of plain values, with errors that name the field."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from magpkg.errors import MagpkgError

_BITS_SHOWN_MAX = 4096  # Python writes no number of over 4,300 digits
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")


def shown(value: object, limit: int = 60) -> str:
    """`value` as a user would write it in a manifest, cut at `limit` characters; no more of it is looked at."""
    text = ""
    for piece in _written(value, limit):
        text += piece
        if len(text) > limit:
            return f"{text[: limit - 1]}…"
    return text


def _written(value: object, limit: int) -> Iterator[str]:
    """The JSON of a value, piece by piece; what JSON does not have, as Python shows it."""
    if isinstance(value, str):
        yield json.dumps(value[: limit + 1], ensure_ascii=False)
    elif isinstance(value, dict):
        for index, (name, item) in enumerate(value.items()):
            yield ", " if index else "{"
            yield from _written(name if isinstance(name, str) else shown(name, limit), limit)
            yield ": "
            yield from _written(item, limit)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield ", " if index else "["
            yield from _written(item, limit)
        yield "]" if value else "[]"
    elif isinstance(value, int) and value.bit_length() > _BITS_SHOWN_MAX:
        yield f"a number of {value.bit_length():,} bits"
    elif isinstance(value, bytes):
        yield str(value[:limit])
    else:
        yield json.dumps(value) if value is None or isinstance(value, bool | int | float) else str(value)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the known word closest to `name`, or None where nothing is close."""
    folded = {word.lower(): word for word in known}
    match = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return f"did you mean {folded[match[0]]}?" if match else None


def near(name: str, known: Iterable[str], count: int = 3) -> str:
    """Up to `count` of the known words that are close to `name`, best first, as text; empty where none is."""
    # Comparing is slow, and there may be sixty thousand words: only those of much the same length can be close.
    candidates = [word for word in known if abs(len(word) - len(name)) <= 2 + len(name) // 3]
    return ", ".join(difflib.get_close_matches(name, candidates, n=count, cutoff=0.7))


def read_object(value: object, where: str, known: Iterable[str]) -> dict[str, object]:
    """`value` as an object whose fields are all in `known`; errors name `where` and the nearest known field."""
    if not isinstance(value, dict):
        raise MagpkgError(f"{where}: must be an object, got {shown(value)}")
    allowed = tuple(known)
    for name in value:
        if name not in allowed:
            hint = nearest(str(name), allowed) or f"known fields: {', '.join(allowed)}"
            raise MagpkgError(f"{where}: unknown field {shown(name)}", hint)
    return value


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 as everything here writes it."""
    return _SHA256.match(text) is not None


def read_sha256(value: object, where: str) -> str:
    """`value` as a SHA-256."""
    text = read_text(value, where)
    if not is_sha256(text):
        raise MagpkgError(f"{where}: must be 64 lower-case hexadecimal digits, got {shown(text)}")
    return text


def read_list(value: object, where: str) -> list[object]:
    """`value` as a list."""
    if not isinstance(value, list):
        raise MagpkgError(f"{where}: must be an array, got {shown(value)}")
    return value


def read_text(value: object, where: str, *, empty: bool = False) -> str:
    """`value` as text without NUL; the empty string only where `empty` allows it."""
    if not isinstance(value, str):
        raise MagpkgError(f"{where}: must be a string, got {shown(value)}")
    if "\0" in value:
        raise MagpkgError(f"{where}: must not contain a NUL character, got {shown(value)}")
    if not is_unicode(value):
        raise MagpkgError(f"{where}: must be Unicode text, got half of a surrogate pair")
    if not value and not empty:
        raise MagpkgError(f"{where}: must not be empty")
    return value


def is_unicode(text: str) -> bool:
    """Whether `text` has a form in UTF-8; JSON can spell halves of surrogate pairs, which have none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def read_bool(value: object, where: str) -> bool:
    """`value` as true or false."""
    if not isinstance(value, bool):
        raise MagpkgError(f"{where}: must be true or false, got {shown(value)}")
    return value


def read_choice(value: object, where: str, choices: Iterable[str]) -> str:
    """`value` as one of `choices`."""
    allowed = tuple(choices)
    if value not in allowed or not isinstance(value, str):
        hint = nearest(value, allowed) if isinstance(value, str) else None
        raise MagpkgError(f"{where}: must be one of {', '.join(allowed)}; got {shown(value)}", hint)
    return value


def required(fields: Mapping[str, object], name: str, where: str) -> object:
    """The field `name`; an error where it is missing or null."""
    value = fields.get(name)
    if value is None:
        raise MagpkgError(f"{where}.{name}: is required")
    return value
