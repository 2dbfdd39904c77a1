"""The manual pages: what they hold, and what the tools that read them make of them."""

import re
from pathlib import Path

import click
import pytest

from magpkg.commands.manual import pages
from tests.support.process import Magpkg


@pytest.fixture
def manual(magpkg: Magpkg) -> Path:
    magpkg.run("man", "pages", env={"SOURCE_DATE_EPOCH": "86400"}).checked()
    return Path(magpkg.directory, "pages")


def unadorned(text: str) -> str:
    """A page as it shows, without bold and italics."""
    return re.sub(r".\x08|\x1b\[[0-9;]*m", "", text)


def test_there_is_a_page_for_each_command_and_it_has_each_option(magpkg: Magpkg, manual: Path) -> None:
    commands = re.findall(r"^  ([a-z]+)  ", magpkg.run("--help").checked().stdout, re.MULTILINE)
    assert len(commands) > 10
    assert "man" in commands
    assert sorted(path.name for path in manual.iterdir()) == sorted(["magpkg.1", *(f"magpkg-{n}.1" for n in commands)])
    for name in commands:
        text = (manual / f"magpkg-{name}.1").read_text().replace("\\", "")
        for option in re.findall(
            r"^  (?:-\w, )?(--[a-z-]+)", magpkg.run(name, "--help").checked().stdout, re.MULTILINE
        ):
            assert f"fB{option}fR" in text, (name, option)


def test_groff_and_mandoc_find_nothing_wrong(magpkg: Magpkg, manual: Path) -> None:
    magpkg.run("init", "-q", "groff-base", "mandoc").checked()
    lint = "for page in pages/*; do mandoc -T lint -W warning $page && groff -ww -man -Tutf8 -z $page || exit 1; done"
    done = magpkg.run("venv", "-q", "--", "sh", "-c", f"exec 2>&1; {lint}").checked()
    assert done.stdout == ""
    shown = unadorned(magpkg.run("venv", "-q", "--", "mandoc", "-T", "utf8", "pages/magpkg-lock.1").checked().stdout)
    assert "magpkg lock [OPTIONS] [NAMES]..." in shown
    assert "1970-01-02" in shown
    assert "--recommends / --no-recommends" in shown


def test_nothing_in_a_help_text_means_anything_to_troff(magpkg: Magpkg) -> None:
    odd = r""".so 'etc' \fB--x … `a.b'` C:\n^~"""

    @click.group(help=odd)
    def group() -> None:
        """Not run."""

    group.add_command(click.Command("c", help=f"{odd}\n\n'quoted {odd}", params=[click.Option(["--x"], help=odd)]))
    Path(magpkg.directory, "pages").mkdir()
    for name, text in pages(group, "2026-01-02"):
        Path(magpkg.directory, "pages", name).write_text(text, encoding="ascii")
    magpkg.run("init", "-q", "groff-base", "mandoc").checked()
    command = "groff -ww -man -Tutf8 -rLL=200n pages/magpkg-c.1 2>&1"
    shown = unadorned(magpkg.run("venv", "-q", "--", "sh", "-c", command).checked().stdout)
    assert shown.count(odd.replace("`", "")) == 4
    assert f"'quoted {odd.replace('`', '')}" in shown


def test_a_date_that_is_none_is_refused(magpkg: Magpkg) -> None:
    for seconds in ("²", "now", "9" * 30):
        done = magpkg.run("man", "pages", env={"SOURCE_DATE_EPOCH": seconds})
        assert (done.status, "error: SOURCE_DATE_EPOCH: must be seconds since 1970, got" in done.stderr) == (1, True)
