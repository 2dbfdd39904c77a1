"""The README's picture: `python -m tests.picture` records a terminal, with a new store, in docs/terminal.svg."""

import os
import re
import sysconfig
import tempfile
import xml.etree.ElementTree as tree
from collections.abc import Mapping
from html import escape
from pathlib import Path

from tests.support.process import TIMEOUT
from tests.support.sessions import as_ordinary_user
from tests.support.terminal import Terminal

PICTURE = Path(__file__).resolve().parents[1] / "docs/terminal.svg"
COMMANDS = (
    "magpkg init jq",
    "magpkg venv -- jq -n '6 * 7'",
    "magpkg add ripgrep",
    "magpkg venv -- rg --count sha256 debian.lock.json",
    "magpkg why libonig5",
)
COLUMNS, FONT_SIZE, WIDTH, HEIGHT, MARGIN = 88, 14, 8.4, 20, 20
PROMPT = "\x1e$ "  # the record separator, which nothing prints
SCREEN = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width:g}} {{height:g}}" role="img">
<title>magpkg on a terminal</title>
<rect width="100%" height="100%" rx="8" fill="#1c2128"/>
<g font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="{FONT_SIZE}" fill="#adbac7">
{{lines}}
</g>
</svg>
"""


def record(directory: str, environment: Mapping[str, str]) -> str:
    """What a terminal shows in the end when somebody types the commands there."""
    shell = ["bash", "--noprofile", "--norc", "--noediting", "-i"]
    terminal = Terminal([*as_ordinary_user(), *shell], {**environment, "PS1": PROMPT, "TERM": "xterm"}, directory)
    try:
        terminal.expect(re.escape(PROMPT))
        terminal.type(f"stty cols {COLUMNS} rows 40\n")
        terminal.expect(re.escape(PROMPT))
        seen = ""
        for command in COMMANDS:
            terminal.type(f"{command}\n")
            seen += terminal.expect(re.escape(PROMPT), TIMEOUT)
    finally:
        terminal.close()
    return screen(PROMPT + seen.removesuffix(PROMPT)).replace("\x1e", "")


def screen(printed: str) -> str:
    """The text on a screen after a program printed this: `\\r` goes back in the line, `ESC [ K` clears its rest."""
    lines = [""]
    column = 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\r\n\x1b]+", printed):
        if piece == "\n":
            lines.append("")
            column = 0
        elif piece == "\r":
            column = 0
        elif piece == "\x1b[K":
            lines[-1] = lines[-1][:column]
        elif not piece.startswith("\x1b"):
            lines[-1] = lines[-1][:column].ljust(column) + piece + lines[-1][column + len(piece) :]
            column += len(piece)
    return "".join(f"{line}\n" for line in lines).rstrip("\n") + "\n"


def draw(text: str) -> str:
    """The text as an SVG that needs no font and no other file; lines are as wide as the screen breaks them."""
    rows = [line[start : start + COLUMNS] for line in text.splitlines() for start in range(0, len(line) or 1, COLUMNS)]
    lines = [_line(row, MARGIN + HEIGHT * number) for number, row in enumerate(rows, 1)]
    height = 2 * MARGIN + HEIGHT * len(rows)
    return SCREEN.format(width=2 * MARGIN + COLUMNS * WIDTH, height=height, lines="\n".join(lines))


def _line(row: str, y: int) -> str:
    text = escape(row, quote=False)
    if row.startswith("$ "):
        text = f'<tspan fill="#6bc46d">$</tspan><tspan fill="#ffffff">{text[1:]}</tspan>'
    # A width for each line makes columns meet whatever the font is.
    length = f' textLength="{len(row) * WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"' if row else ""
    return f'<text x="{MARGIN}" y="{y - 5}" xml:space="preserve"{length}>{text}</text>'


def read(picture: str) -> str:
    """The text that a picture shows."""
    rows = ["".join(row.itertext()) for row in tree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    # A full row goes on in the next one.
    return "".join(row if len(row) == COLUMNS else f"{row}\n" for row in rows)


def take(directory: str, store: str) -> str:
    """Record in a new project below `directory`; paths are shown as those of somebody's home."""
    project = f"{directory}/notes"
    os.makedirs(f"{directory}/home")
    os.makedirs(project)
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "HOME": f"{directory}/home", "MAGPKG_STORE": store}
    return record(project, os.environ | own).replace(directory, "/home/me")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        PICTURE.write_text(draw(take(place, f"{place}/store")), encoding="utf-8")
