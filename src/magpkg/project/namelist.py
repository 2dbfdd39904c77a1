"""The names in a manifest's list of packages: put in and taken out in its text, of which every other character stays.

Each edit is one or two cuts at places that the parsers tell. The text that results is parsed again: where it does not
mean what was meant, the edit is refused.
"""

import json
import re
from collections.abc import Callable, Sequence

from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import parse_plain
from magpkg.manifest.field import near
from magpkg.project.listplace import LIST_FIELD, Item, ListPlace, json_list, yaml_list

_DASH = re.compile(r" *-[ \t]+")
_COMMENT = re.compile(r"#[^\n]*")
_BETWEEN = re.compile(r"[ ,]+")

_Edit = Callable[[str, ListPlace, str], str | None]


def with_names(path: str, text: str, names: Sequence[str]) -> tuple[str, object]:
    """The text of the manifest at `path` with `names` at the end of its packages, and what it comes to.

    Names that are there already stay where they are.
    """
    before = parse_plain(path, text)
    have = _packages(path, before)
    missing = [name for name in dict.fromkeys(names) if name not in have]
    edit = _with_json_name if path.endswith(".json") else _with_yaml_name
    return _edited(path, text, before, missing, edit, [*have, *missing])


def without_names(path: str, text: str, names: Sequence[str]) -> tuple[str, object]:
    """The text of the manifest at `path` without `names` among its packages, and what it comes to."""
    before = parse_plain(path, text)
    have = _packages(path, before)
    known = [item for item in have if isinstance(item, str)]
    for name in names:
        if name not in known:
            close = near(name, known)
            raise MagpkgError(f"{path}: does not name {name}", f"did you mean {close}?" if close else None)
    rest = [item for item in have if item not in names]
    if not rest:
        raise MagpkgError(f"{path}: would have no package left", "add another one first, or remove the file")
    return _edited(path, text, before, [name for name in known if name in names], _without_name, rest)


def _packages(path: str, value: object) -> list[object]:
    items = value.get(LIST_FIELD) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise MagpkgError(f"{path}: has no list `{LIST_FIELD}`", f"write one: {LIST_FIELD}: [NAME]")
    return items


def _edited(
    path: str, text: str, before: object, names: Sequence[str], edit: _Edit, meant: list[object]
) -> tuple[str, object]:
    """The text after an edit for each name, and what it comes to: as `before`, what it came to, but for the list."""
    result: object = before
    for name in names:
        place = json_list(text) if path.endswith(".json") else yaml_list(text)
        changed = edit(text, place, name) if place is not None else None
        try:
            result = None if changed is None else parse_plain(path, changed)
        except MagpkgError:
            result = None
        if changed is None or result is None:
            raise _by_hand(path)
        text = changed
    if not isinstance(before, dict) or result != {**before, LIST_FIELD: meant}:
        raise _by_hand(path)
    return text, result


def _by_hand(path: str) -> MagpkgError:
    hint = f"change `{LIST_FIELD}` by hand, then run magpkg lock"
    return MagpkgError(f"{path}: its list of packages is written in a way that magpkg cannot change", hint)


# ---- putting in


def _with_json_name(text: str, place: ListPlace, name: str) -> str | None:
    return _with_word(text, place, json.dumps(name))


def _with_yaml_name(text: str, place: ListPlace, name: str) -> str | None:
    """As the names before it are quoted; a plain word only where YAML takes it for a string."""
    first = [text[item.start : item.start + 1] for item in place.items]
    quoted = [character for character in first if character in ("'", '"')]
    quote = quoted[-1] if quoted and len(quoted) == len(place.items) else ""
    if not quote and parse_plain("name.yaml", f"[{name}]") != [name]:
        quote = '"'
    return _with_word(text, place, f"{quote}{name}{quote}")


def _with_word(text: str, place: ListPlace, word: str) -> str | None:
    newline = "\r\n" if "\r\n" in text else "\n"
    if place.brackets is None:
        return _with_line(text, place.items[-1], word, newline)
    first, last = place.brackets
    if not place.items:
        return text[:first] + word + text[first:]
    item = place.items[-1]
    comma = _comma(text, item.end, last)
    indent = _lead(text, item.start)
    end = text.find("\n", item.end, last)
    if not indent.strip() and end >= 0:  # a line for each; what else is on the line of the last one stays with it
        end -= text[end - 1] == "\r"
        whole = text[: item.end] + ("," if comma is None else "") + text[item.end : end]
        return f"{whole}{newline}{indent}{word}{'' if comma is None else ','}{text[end:]}"
    if comma is not None:
        return f"{text[: comma + 1]} {word},{text[comma + 1 :]}"
    between = text[place.items[-2].end : item.start] if len(place.items) > 1 else ""
    between = between if _BETWEEN.fullmatch(between) else ", "
    if not indent.strip() and "\n" in text[first : item.start]:
        between = f",{newline}{indent}"
    return text[: item.end] + between + word + text[item.end :]


def _with_line(text: str, item: Item, word: str, newline: str) -> str | None:
    lead = _lead(text, item.start)
    if not _DASH.fullmatch(lead):
        return None
    end = _line_end(text, item.end)
    if text[end - 1] == "\n":
        return f"{text[:end]}{lead}{word}{newline}{text[end:]}"
    return f"{text}{newline}{lead}{word}"


# ---- taking out


def _without_name(text: str, place: ListPlace, name: str) -> str | None:
    number = next((number for number, item in enumerate(place.items) if item.text == name), None)
    if number is None:
        return None
    item = place.items[number]
    lead = _lead(text, item.start)
    if place.brackets is None:
        return _cut(text, item.start - len(lead), _line_end(text, item.end)) if _DASH.fullmatch(lead) else None
    first, last = place.brackets
    before = place.items[number - 1].end if number else first
    after = place.items[number + 1].start if number + 1 < len(place.items) else last
    comma = _comma(text, item.end, after)
    comma_before = _comma(text, before, item.start) if number else None
    own_end = item.end if comma is None else comma + 1
    end = _line_end(text, own_end)
    if not lead.strip() and end <= after and _is_rest(text[own_end:end]):
        cut = _cut(text, item.start - len(lead), end)
        return cut if comma is not None or comma_before is None else _cut(cut, comma_before, comma_before + 1)
    between = text[before : item.start]
    if comma_before is not None and ("\n" not in between or (comma is None and "#" not in between)):
        return _cut(text, before, item.end)  # the comma after it is now that of the one before
    if comma is not None:
        return _cut(text, item.start, after if "\n" not in text[item.end : after] else own_end)
    cut = _cut(text, item.start, item.end)
    return cut if comma_before is None else _cut(cut, comma_before, comma_before + 1)


# ---- characters


def _lead(text: str, position: int) -> str:
    """What stands before a position on its line."""
    return text[text.rfind("\n", 0, position) + 1 : position]


def _line_end(text: str, position: int) -> int:
    """Where the next line begins; for a position at the beginning of a line, which a block may end at, that itself."""
    if position and text[position - 1] == "\n":
        return position
    end = text.find("\n", position)
    return len(text) if end < 0 else end + 1


def _comma(text: str, start: int, end: int) -> int | None:
    """The place of a comma between two places, in no comment."""
    blanked = _COMMENT.sub(lambda match: " " * len(match.group()), text[start:end])
    found = blanked.find(",")
    return None if found < 0 else start + found


def _is_rest(text: str) -> bool:
    """Whether nothing but white space and a comment is left."""
    return not _COMMENT.sub("", text).strip()


def _cut(text: str, start: int, end: int) -> str:
    return text[:start] + text[end:]
