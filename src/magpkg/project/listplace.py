"""Where the text of a JSON or YAML manifest has its list of packages: the places of the brackets and of each item."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import yaml

LIST_FIELD = "packages"

_SPACE = re.compile(r"[ \t\n\r]*")
_JSON = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One item: where it begins and ends; what it says, where it is a scalar."""

    start: int
    end: int
    text: str | None


@dataclass(frozen=True, slots=True)
class ListPlace:
    """The items, and for a list in brackets the place after the first bracket and that of the last."""

    items: Sequence[Item]
    brackets: tuple[int, int] | None


def json_list(text: str) -> ListPlace | None:
    """The list in JSON text, which is known to be good and an object; of several fields of one name the last counts."""
    found = None
    position = _after_space(text, _after_space(text, 0) + 1)
    while text[position] != "}":
        key, position = _JSON.raw_decode(text, position)
        start = _after_space(text, _after_space(text, position) + 1)
        value, position = _JSON.raw_decode(text, start)
        if key == LIST_FIELD:
            found = ListPlace(tuple(_json_items(text, start)), (start + 1, position - 1))
            found = found if isinstance(value, list) else None
        position = _after_comma(text, position)
    return found


def _json_items(text: str, start: int) -> Iterator[Item]:
    if text[start] != "[":
        return
    position = _after_space(text, start + 1)
    while text[position] != "]":
        value, end = _JSON.raw_decode(text, position)
        yield Item(position, end, value if isinstance(value, str) else None)
        position = _after_comma(text, end)


def _after_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _after_comma(text: str, position: int) -> int:
    position = _after_space(text, position)
    return _after_space(text, position + 1) if text[position] == "," else position


def yaml_list(text: str) -> ListPlace | None:
    """The list in YAML text, which is known to be good; None where it stands elsewhere, behind an alias or a merge."""
    import yaml

    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, yaml.MappingStartEvent):
            break
    found = None
    for key in events:
        if isinstance(key, yaml.MappingEndEvent):
            break
        _node_end(key, events)
        value = next(events)
        if not (isinstance(key, yaml.ScalarEvent) and key.value == LIST_FIELD):
            _node_end(value, events)
        elif isinstance(value, yaml.SequenceStartEvent):
            found = _yaml_sequence(value, events)
        else:
            _node_end(value, events)
            found = None
    return found


def _yaml_sequence(opening: "yaml.SequenceStartEvent", events: "Iterator[yaml.Event]") -> ListPlace:
    import yaml

    items: list[Item] = []
    for event in events:
        if isinstance(event, yaml.SequenceEndEvent):
            brackets = (_index(opening.end_mark), _index(event.start_mark)) if opening.flow_style else None
            return ListPlace(tuple(items), brackets)
        text = event.value if isinstance(event, yaml.ScalarEvent) else None
        items.append(Item(_index(event.start_mark), _node_end(event, events), text))
    raise AssertionError("the parser ends each list")


def _node_end(event: "yaml.Event", events: "Iterator[yaml.Event]") -> int:
    """Where the node ends that begins with `event`, which is read to its end.

    The parser notices the end of a block only by what follows it, past comments: the last thing in it says where it is.
    """
    import yaml

    end = _index(event.end_mark)
    if not isinstance(event, yaml.CollectionStartEvent):
        return end
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            return _index(inner.end_mark) if event.flow_style else end
        end = _node_end(inner, events)
    raise AssertionError("the parser ends each collection")


def _index(mark: object) -> int:
    return cast("yaml.Mark", mark).index  # the types allow for events without a mark, which no parser makes
