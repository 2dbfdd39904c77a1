"""The picture of a terminal in the README: what is typed there still gives what it shows."""

import re
from pathlib import Path

from tests.picture import COLUMNS, COMMANDS, PICTURE, draw, read, screen, take
from tests.support.sessions import is_like


def test_it_shows_what_a_terminal_shows_now(tmp_path: Path, shared_store: str) -> None:
    shown = read(PICTURE.read_text(encoding="utf-8"))
    assert [line for line in shown.splitlines() if line.startswith("$ ")] == [f"$ {command}" for command in COMMANDS]
    recorded = take(str(tmp_path), shared_store)
    assert is_like(shown, recorded), recorded


def test_it_asks_for_nothing_else() -> None:
    """Whoever looks at it loads no font and no other file, and runs nothing."""
    picture = PICTURE.read_text(encoding="utf-8")
    assert re.findall(r"\b[a-z]+://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"<(script|style|image|use|foreignObject)|href|url\(|@import", picture)


def test_what_is_drawn_can_be_read() -> None:
    text = f"$ a <b> & 'c'  d\n\n{'long ' * 40}\n{'x' * COLUMNS}y\n"
    assert read(draw(text)) == text


def test_a_line_that_is_drawn_again() -> None:
    assert screen("a\r\n1 of 2\r\x1b[K2 of 2\r\x1b[Kdone\r\n\x1b[1mb\x1b[m\r\n") == "a\ndone\nb\n"
    assert screen("abc\rX\n") == "Xbc\n"
