"""Manual pages: the text of one, made from a command and the help that it has, in the macros of man(7)."""

import inspect
import re
from collections.abc import Iterator, Sequence

import click

from magpkg import __version__

_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
_UNWRAPPED = "\b\n"  # by which click knows a paragraph that it is not to wrap
_CODE = re.compile(r"`([^`]+)`")

_ABOUT: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "EXIT STATUS",
        (
            ("0", "The command did what it was asked to; of `magpkg venv` the status is that of the command it runs."),
            ("1", "It failed, or found nothing."),
            ("2", "It was called in a wrong way."),
            ("125", "`magpkg venv` itself failed. 126 and 127 are as of a shell: cannot be executed, is not there."),
        ),
    ),
    (
        "ENVIRONMENT",
        (
            ("MAGPKG_STORE", "The directory of the store; default: .magpkg in the home directory."),
            ("MAGPKG_DEBIAN_MIRROR", "Urls of mirrors of Debian; default: those of the host's apt."),
        ),
    ),
    (
        "FILES",
        (
            ("magpkg.jsonnet, magpkg.json, magpkg.yaml", "The manifest, here or in a directory above."),
            ("debian.lock.json", "The lock beside it, which pins the packages of Debian that the manifest names."),
        ),
    ),
)


def pages(group: click.Group, date: str) -> Iterator[tuple[str, str]]:
    """The name of each page, and its text: that of the program, and one for each command that is not hidden."""
    context = click.Context(group, info_name="magpkg")
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    shown = {name: command for name, command in commands.items() if command is not None and not command.hidden}
    yield "magpkg.1", _text([*_head(context, date), *_overview(shown), *_options(context), *_closing(shown)])
    for name, command in shown.items():
        inner = click.Context(command, info_name=name, parent=context)
        yield f"magpkg-{name}.1", _text([*_head(inner, date), *_options(inner), ".SH SEE ALSO", ".BR magpkg (1)"])


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _head(context: click.Context, date: str) -> Iterator[str]:
    words = context.command_path.split()
    name = "-".join(words)
    first, _, rest = inspect.cleandoc(context.command.help or "").partition("\n\n")
    yield f'.TH {_plain(name.upper())} 1 "{date}" "magpkg {__version__}" "magpkg"'
    yield ".SH NAME"
    yield f"{_plain(name)} \\- {_prose(first.rstrip('.'))}"
    yield ".SH SYNOPSIS"
    pieces = " ".join(_plain(piece) for piece in context.command.collect_usage_pieces(context))
    yield f"\\fB{_plain(' '.join(words))}\\fR {pieces}"
    yield ".SH DESCRIPTION"
    yield _prose(first)
    for paragraph in filter(None, rest.split("\n\n")):
        yield ".PP"
        yield from _example(paragraph) if paragraph.startswith(_UNWRAPPED) else [_prose(paragraph)]


def _example(paragraph: str) -> Iterator[str]:
    """Lines that stay as they are."""
    yield ".nf"
    yield from (f"\\&{_plain(line)}" for line in paragraph.removeprefix(_UNWRAPPED).split("\n"))
    yield ".fi"


def _options(context: click.Context) -> Iterator[str]:
    yield ".SH OPTIONS"
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            yield ".TP"
            yield _names(record[0])
            yield _prose(record[1])


def _names(text: str) -> str:
    """The names of an option, bold, and what it takes, in italics."""
    words = []
    for word in text.split():
        bare = word.rstrip(",")
        font = "B" if bare.startswith("-") else "I"
        words.append(word if bare == "/" else f"\\f{font}{_plain(bare)}\\fR{word[len(bare) :]}")
    return " ".join(words)


def _overview(commands: dict[str, click.Command]) -> Iterator[str]:
    yield ".SH COMMANDS"
    for name, command in commands.items():
        yield ".TP"
        yield f"\\fB{_plain(name)}\\fR"
        yield _prose(command.get_short_help_str(200))


def _closing(commands: dict[str, click.Command]) -> Iterator[str]:
    for title, rows in _ABOUT:
        yield f".SH {title}"
        for name, text in rows:
            yield ".TP"
            yield f"\\fB{_plain(name)}\\fR"
            yield _prose(text)
    yield ".SH SEE ALSO"
    for name in commands:
        yield f".BR {_plain(f'magpkg-{name}')} (1),"
    yield ".BR bwrap (1)"


def _prose(text: str) -> str:
    """A paragraph on one line; what stands in backquotes is bold."""
    parts = _CODE.split(" ".join(text.split()))
    line = "".join(f"\\fB{_plain(part)}\\fR" if number % 2 else _plain(part) for number, part in enumerate(parts))
    return f"\\&{line}" if line.startswith(".") else line


def _plain(text: str) -> str:
    """Text as it is to be printed, in ASCII, no character of it meaning anything to troff."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return "".join(character if character.isascii() else f"\\[u{ord(character):04X}]" for character in escaped)
