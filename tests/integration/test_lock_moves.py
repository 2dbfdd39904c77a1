"""How pins move: among suites that belong together, down, with an upgrade, and in a lock that is broken."""

import json
from pathlib import Path

import pytest

from tests.support.process import Outcome
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    made.add("tool", "2")
    made.write()
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    return made


def version(repository: Repository, name: str = "tool") -> str:
    lock = json.loads(Path(repository.magpkg.directory, "debian.lock.json").read_text())
    return str(lock["packages"][name]["version"])


def lines(outcome: Outcome) -> list[str]:
    return outcome.checked().stderr.splitlines()


ORDERS = [("bookworm", "bookworm-security", "bookworm-updates"), ("bookworm-updates", "bookworm-security", "bookworm")]


@pytest.mark.parametrize("order", ORDERS, ids=",".join)
@pytest.mark.parametrize("newest", ["bookworm", "bookworm-security", "bookworm-updates"])
def test_of_suites_that_belong_together_the_highest_version_wins(
    repository: Repository, order: tuple[str, ...], newest: str
) -> None:
    for number, suite in enumerate(["bookworm-security", "bookworm-updates"]):
        repository.add("tool", f"2+deb12u{number + 1}", suite=suite)
    repository.add("tool", "2+deb12u9", suite=newest)
    repository.write()
    repository.lock(*(word for suite in order for word in ("--suite", suite))).checked()
    assert version(repository) == "2+deb12u9"


def test_backports_fill_in_what_is_missing_and_nothing_else(repository: Repository, tmp_path: Path) -> None:
    repository.add("tool", "3~bpo12", suite="bookworm-backports")
    repository.add("new", "1~bpo12", "Depends: lib (>= 5)", suite="bookworm-backports")
    repository.add("lib", "4")
    repository.add("lib", "5~rc1", suite="bookworm-security")
    repository.add("lib", "5~bpo12", suite="bookworm-backports")
    repository.add("lib", "5", suite="bookworm-backports")
    repository.write()
    (tmp_path / "magpkg.yaml").write_text("packages: [tool, new]\n")
    suites = ("bookworm", "bookworm-security", "bookworm-backports")
    repository.lock(*(word for suite in suites for word in ("--suite", suite))).checked()
    assert (version(repository), version(repository, "new"), version(repository, "lib")) == ("2", "1~bpo12", "5")


BOTH = ("--suite", "bookworm", "--suite", "bookworm-security")


def test_no_lock_goes_down_without_a_warning(repository: Repository) -> None:
    repository.add("tool", "2+deb12u1", suite="bookworm-security")
    repository.write()
    repository.lock(*BOTH).checked()
    said = lines(repository.lock("--suite", "bookworm"))
    assert "magpkg: warning: to a lower version, which may lack fixes: tool 2+deb12u1 -> 2" in said
    assert not any("warning" in line for line in lines(repository.lock(*BOTH, "--upgrade")))
    assert version(repository) == "2+deb12u1"


def test_an_upgrade_tells_what_moved(repository: Repository) -> None:
    repository.lock().checked()
    date = "bookworm as of 11 Jul 2026"
    assert lines(repository.lock("--upgrade"))[-1] == f"magpkg: nothing newer: {date}"
    repository.add("tool", "3")
    repository.write()
    upgraded = repository.lock("--upgrade")
    stay = len(json.loads(Path(repository.magpkg.directory, "debian.lock.json").read_text())["packages"]) - 1
    assert upgraded.stdout == "tool: 2 -> 3\n"
    assert lines(upgraded)[-1] == f"magpkg: 1 moved, {stay} as before: {date}"


def conflicted(ours: str, theirs: str) -> str:
    """What git leaves of a lock where both sides changed it."""
    made = []
    for one, other in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        same = one == other
        made += [one] if same else ["<<<<<<< HEAD", one, "=======", other, ">>>>>>> theirs"]
    return "\n".join(made) + "\n"


def test_a_lock_with_conflicts_is_made_anew_from_one_side(repository: Repository, tmp_path: Path) -> None:
    path = tmp_path / "debian.lock.json"
    repository.lock().checked()
    ours = path.read_text()
    path.write_text(conflicted(ours, ours.replace('"amd64"', '"AMD64"', 1)))
    repository.add("other")
    repository.write()
    check = repository.lock("--check")
    assert (check.status, "is not JSON" in check.stderr) == (1, True)
    said = lines(repository.lock())
    assert said[0].startswith(f"magpkg: warning: {path}: is not JSON")
    assert said[0].endswith("it is made anew, with the pins of one side of the merge")
    assert path.read_text() == ours.replace(
        '"inrelease": "' + json.loads(ours)["suites"][0]["inrelease"],
        '"inrelease": "' + json.loads(path.read_text())["suites"][0]["inrelease"],
    )


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', "<<<<<<< HEAD\n", "null"])
def test_a_broken_lock_is_made_anew(repository: Repository, tmp_path: Path, text: str) -> None:
    path = tmp_path / "debian.lock.json"
    path.write_text(text)
    broken = repository.magpkg.run("venv", "--", "true")
    assert broken.status == 125
    said = lines(repository.lock())
    assert said[0].endswith("it is made anew, and no pin is kept")
    assert version(repository) == "2"


def test_a_lock_of_a_later_version_is_left_alone(repository: Repository, tmp_path: Path) -> None:
    path = tmp_path / "debian.lock.json"
    path.write_text('{"version": 2}')
    refused = repository.lock()
    assert (refused.status, "reads version 1, got 2" in refused.stderr) == (1, True)
    assert path.read_text() == '{"version": 2}'
