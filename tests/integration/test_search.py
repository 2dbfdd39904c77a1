"""Finding a package: search by words, info of one, and words that Debian does not know."""

import json
from pathlib import Path

import pytest

from magpkg.debian.synonyms import _PACKAGES
from tests.support.process import Magpkg
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(str(tmp_path))


def asked(repository: Repository, *words: str) -> list[str]:
    """What a search or an info prints, line by line."""
    command, *others = words
    done = repository.magpkg.run(command, "--keyring", repository.key.path, *others).checked()
    return done.stdout.splitlines()


def test_all_words_are_looked_for(repository: Repository) -> None:
    repository.add("json-parser", "1", "Description: reads text")
    repository.add("other", "1", "Description: Parser of JSON")
    repository.add("json-tool", "1", "Description: prints")
    repository.write()
    assert [line.split()[0] for line in asked(repository, "search", "json", "parser")] == ["json-parser", "other"]


def test_twenty_are_shown_and_the_others_counted(repository: Repository) -> None:
    for number in range(30):
        repository.add(f"tool{number:02}", "1", "Description: one")
    repository.write()
    words = ("search", "--keyring", repository.key.path, "tool")
    found = repository.magpkg.run(*words).checked()
    assert len(found.stdout.splitlines()) == 20
    assert "20 of 30 packages" in found.stderr
    assert len(repository.magpkg.run(*words, "--all").checked().stdout.splitlines()) == 30
    assert "of 30" not in repository.magpkg.run(*words, "-q").checked().stderr


def test_columns_stand_below_one_another(repository: Repository) -> None:
    repository.add("tool", "1", "Description: one")
    repository.add("toolbox", "1.25", "Description: two")
    repository.write()
    assert asked(repository, "search", "tool") == ["tool     1     one", "toolbox  1.25  two"]


def test_a_synonym_comes_first(repository: Repository) -> None:
    for name in ("srg", "rgxg", "ripgrep"):
        repository.add(name, "1", "Description: x")
    repository.write()
    assert asked(repository, "search", "rg")[0].startswith("ripgrep ")
    done = repository.magpkg.run("info", "--keyring", repository.key.path, "rg")
    assert (done.status, done.stdout) == (1, "")
    assert "there is no package rg in bookworm" in done.stderr and "did you mean ripgrep?" in done.stderr
    wrong = repository.magpkg.run("search", "--keyring", repository.key.path, "ripgrpe")
    assert (wrong.status, wrong.stdout) == (1, "")
    assert "did you mean ripgrep?" in wrong.stderr


def test_info_tells_one_package(repository: Repository) -> None:
    fields = "Description: a tool\nDepends: libc6 (>= 2.36),\n other\nInstalled-Size: 2048\nHomepage: about:it"
    repository.add("tool", "2-1", fields)
    repository.write()
    head, *rest = asked(repository, "info", "tool")
    assert head == "tool 2-1  (bookworm)"
    assert rest[0] == "  a tool"
    assert rest[1].endswith("to fetch, 2.0 MiB unpacked")
    assert rest[2:] == ["  about:it", "  needs: libc6 (>= 2.36), other"]
    told = json.loads("\n".join(asked(repository, "info", "--json", "tool")))["packages"]
    assert [(one["suite"], one["version"], one["installedSize"]) for one in told] == [("bookworm", "2-1", 2 << 20)]


def test_no_terminal_is_commanded_by_an_index(repository: Repository) -> None:
    repository.add("tool", "1", "Description: \x1b[2Jclear\nHomepage: \x1b]0;x\x07")
    repository.write()
    assert "\x1b" not in "\n".join(asked(repository, "info", "tool"))


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_every_synonym_is_a_package(magpkg: Magpkg, suite: str) -> None:
    for name in sorted(set(_PACKAGES.values())):
        assert magpkg.run("info", "--suite", suite, name).status == 0, name
