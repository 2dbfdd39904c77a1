"""Mutations: what is done to an input, byte by byte or with a word or a value of its own kind."""

import json
import random
from collections.abc import Callable, Sequence

# Wherever a number, a word or a text stands, one of these may be trouble.
WORDS = (
    *(
        "",
        "0",
        "-1",
        "1",
        "255",
        "2147483648",
        "18446744073709551616",
        "9" * 30,
        "9" * 400,
        "1e999",
        "0x10",
        "07",
        "1_0",
    ),
    *("NaN", "Infinity", "null", "true", "~", "1:30", "190:20:30", "2001-12-14", "2026-07-11T10:00:00Z", "²", "٣"),
    *(
        "\0",
        "\x1b[31m",
        "\u202e",
        "\u2028",
        "\ufeff",
        "\ud800",
        "é" * 40,
        " ",
        "\t",
        "\n",
        "\r\n",
        "a\nb",
        "'",
        '"',
        "\\",
    ),
    *(
        "..",
        "/",
        "/etc/passwd",
        "../../x",
        ".",
        "%s",
        "${HOME}",
        "${PWD",
        "$(x)",
        "`x`",
        "'; touch /x; '",
        "~",
        "-",
        "--",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "[[[[[[",
        "{a: b",
        "&a",
        "*a",
        "&a [*a, *a]",
        "<<: *a",
        "!!python/object:os.system",
        "!!binary x",
    ),
    *(
        "!!set {a}",
        "!!omap [a: b]",
        "!!timestamp x",
        "!!bool x",
        "!!int ''",
        "!!float x",
        "!!int [a]",
        "!!null x",
        "!!str [a]",
        "!!seq x",
        "!!map [a]",
        "? a",
        "- - - -",
        "|",
        ">",
        "%YAML 9",
        "---",
        "...",
        "# x",
    ),
    *(
        "1.0-1",
        "1:1.0",
        ":",
        "a:1",
        "1:",
        "-1",
        "1-",
        "1.0~",
        "=",
        ">=",
        "<<",
        "a (>= 1)",
        "a (",
        "a | b",
        "a:any",
        ",",
        "|",
    ),
)

VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, 1.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "a", "\0", "\ud800", "..", "/", "x" * 5000, [], {}, [[]], [None], {"": None}, {"a": {}}, [{}], {"\0": 1}),
    *(
        "1:2",
        "'",
        "$(x)",
        "${HOME}",
        "${PWD}/x",
        "untar",
        "755",
        "file",
        "bind",
        "amd64",
        "0" * 64,
        "https://invalid/x",
    ),
)


def bytewise(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """A few changes of single bytes and of stretches of them."""
    changed = bytearray(data)
    for _ in range(1 << choose.randrange(4)):
        at = choose.randrange(len(changed) + 1)
        end = min(len(changed), at + choose.choice((1, 1, 2, 4, 8, 60, 512)))
        action = choose.randrange(7)
        if action == 0:
            changed[at:end] = choose.randbytes(end - at)
        elif action == 1 and at < len(changed):
            changed[at] ^= 1 << choose.randrange(8)
        elif action == 2:
            del changed[at:end]
        elif action == 3:
            changed[at:at] = changed[at:end] * choose.choice((1, 2, 9))
        elif action == 4:
            other = choose.choice(others)
            start = choose.randrange(len(other) + 1)
            changed[at:at] = other[start : start + choose.choice((4, 60, 512, 2048))]
        elif action == 5:
            changed[at:end] = choose.choice(WORDS).encode("utf-8", "surrogatepass")
        else:
            del changed[at + choose.randrange(len(changed) + 1) :]
    return bytes(changed)


def linewise(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of a text's lines, and of the words in them."""
    lines = data.split(b"\n")
    for _ in range(1 << choose.randrange(3)):
        at = choose.randrange(len(lines))
        action = choose.randrange(7)
        if action == 0:
            lines[at:at] = [choose.choice(choose.choice(others).split(b"\n"))]
        elif action == 1 and len(lines) > 1:
            del lines[at]
        elif action == 2:
            lines[at:at] = [lines[at]] * choose.choice((1, 2, 30))
        elif action == 3:
            other = choose.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        elif action == 4:
            lines[at] = choose.choice((b" ", b"\t", b"    ", b"")) + lines[at].lstrip()
        else:
            word = choose.choice(WORDS).encode("utf-8", "surrogatepass")
            head, colon, tail = lines[at].partition(b":")
            places = tail.split(b" ") if colon else head.split(b" ")
            places[choose.randrange(len(places))] = word
            lines[at] = (head + colon if colon and action == 5 else b"") + b" ".join(places)
    return b"\n".join(lines)


def valuewise(choose: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Changes of a JSON text's values: other ones, fewer, more, nested deeper."""
    value = json.loads(data)
    for _ in range(1 << choose.randrange(3)):
        value = _changed(choose, value)
    try:
        text = json.dumps(value, indent=choose.choice((None, 2)), ensure_ascii=choose.random() < 0.5)
    except RecursionError:
        return data
    return text.encode("utf-8", "surrogatepass")


def _changed(choose: random.Random, value: object) -> object:
    if isinstance(value, dict) and value and choose.random() < 0.9:
        return _changed_object(choose, value)
    if isinstance(value, list) and value and choose.random() < 0.9:
        return _changed_array(choose, value)
    action = choose.randrange(8)
    if action == 0:
        return choose.choice(([value], {"a": value}))
    if action == 1 and isinstance(value, str):
        at = choose.randrange(len(value) + 1)
        return value[:at] + choose.choice(WORDS) + value[at + choose.randrange(3) :]
    if action == 2:
        return choose.choice(WORDS)
    if action == 3 and choose.random() < 0.02:
        return nested(value, choose.choice((100, 900, 20_000)))
    return choose.choice(VALUES)


def nested(value: object, depth: int) -> object:
    """The value within that many arrays."""
    for _ in range(depth):
        value = [value]
    return value


def _changed_object(choose: random.Random, value: dict[str, object]) -> dict[str, object]:
    name, action = choose.choice(list(value)), choose.randrange(12)
    if action == 0:
        return {key: item for key, item in value.items() if key != name}
    if action == 1:
        return {**value, choose.choice(WORDS): value[name]}
    return {**value, name: _changed(choose, value[name])}


def _changed_array(choose: random.Random, value: list[object]) -> list[object]:
    at, action = choose.randrange(len(value)), choose.randrange(12)
    if action == 0:
        return value[:at] + value[at + 1 :]
    if action == 1:
        return value + value[at:]
    return [*value[:at], _changed(choose, value[at]), *value[at + 1 :]]


Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]
