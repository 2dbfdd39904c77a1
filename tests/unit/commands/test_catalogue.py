"""What a word that is no command was meant to be."""

import click
import pytest

from magpkg.commands.catalogue import _OTHERS_WORDS, COMMANDS, GROUPS, meant
from magpkg.commands.front import magpkg


@pytest.mark.parametrize(
    ("word", "likely"),
    [
        ("shell", ["venv"]),
        ("install", ["add"]),
        ("upgrade", ["lock --upgrade"]),
        ("ls", ["list"]),
        ("rm", ["remove"]),
        ("vnev", ["venv"]),
        ("serach", ["search"]),
        ("instal", ["add"]),
        ("qqqqqq", []),
    ],
)
def test_the_command_that_was_meant_comes_first(word: str, likely: list[str]) -> None:
    assert meant(word)[:1] == likely


def test_words_of_other_tools_are_no_commands_and_lead_to_some() -> None:
    assert not set(_OTHERS_WORDS) & set(COMMANDS)
    assert {command.split()[0] for command in _OTHERS_WORDS.values()} <= set(COMMANDS)


def test_a_command_stands_in_one_group() -> None:
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_line_of_the_help_is_a_whole_sentence_within_80_columns(name: str) -> None:
    context = click.Context(magpkg, info_name="magpkg")
    command = magpkg.get_command(context, name)
    assert command is not None
    line = command.get_short_help_str(80 - len("  cleanup  "))
    assert line.endswith(".") and "..." not in line
