"""What ships with magpkg is magpkg's own, whatever folders named `magpkg` there are where somebody works."""

import shutil
import sys
from pathlib import Path

import pytest

from magpkg.evaluation.program import DATA_DIRECTORY
from tests.support.manifests import expression
from tests.support.process import Magpkg

MARK = "SHADOWED"
CORE_LOCK = f"{DATA_DIRECTORY}/magpkg/packages/core.lock.json"
MANIFEST = expression(["busybox-static"])
EVERY_COMMAND = (
    ("show",),
    ("show", "-e", MANIFEST),
    ("tree",),
    ("why", "busybox-static"),
    ("graph",),
    ("graph", "--format", "svg", "-q"),
    ("graph", "--format", "svg", "-q", "-f", "magpkg.jsonnet"),
    ("diff", "magpkg.jsonnet"),
    ("fetch",),
    ("build", "-q"),
    ("export", "-q", "-o", "root.tar"),
    ("venv", "--", "/bin/busybox", "true"),
    ("venv", "-e", MANIFEST, "--", "/bin/busybox", "true"),
    ("venv", "-e", "(import 'magpkg/examples/core-venv.jsonnet')", "--", "git", "--version"),
    ("shim", "-q", "bin", "busybox"),
    ("verify", "-f", "magpkg.jsonnet"),
    ("lock", "--check", "-f", "names.jsonnet"),
    ("doctor",),
    ("list",),
    ("--version",),
)


def shadow(directory: Path) -> None:
    """Put a hostile file in the place of each that ships, and a Python package of the same name."""
    shipped = Path(DATA_DIRECTORY, "magpkg")
    for path in (shipped, *shipped.rglob("*"), *(shipped / "examples").rglob("*")):
        target = directory / "magpkg" / path.relative_to(shipped)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.write_text(f"error '{MARK}'")
    (directory / "magpkg/__init__.py").write_text(f"raise SystemExit('{MARK}')")


@pytest.fixture
def hostile(magpkg: Magpkg) -> Magpkg:
    """The program in a directory where everything that ships is shadowed, beside the manifest."""
    directory = Path(magpkg.directory)
    shadow(directory)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    names = "(import 'magpkg/debian.libsonnet').lockset(importstr 'debian.lock.json')"
    (directory / "names.jsonnet").write_text(f"{{ packages: [{names}['busybox-static']] }}")
    shutil.copy(CORE_LOCK, directory / "debian.lock.json")
    # As people have it installed: nothing of the working directory is on Python's path.
    return Magpkg(magpkg.store, magpkg.home, magpkg.directory, (sys.executable, "-P"))


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_no_command_takes_what_is_here_for_what_ships(hostile: Magpkg, words: tuple[str, ...]) -> None:
    done = hostile.run(*words).checked()
    assert MARK not in done.stdout + done.stderr


@pytest.mark.parametrize("command", ["show", "venv"])
def test_nor_from_below_or_from_an_import_path(hostile: Magpkg, command: str) -> None:
    below = Path(hostile.directory, "below/here")
    shadow(below)
    after = ("--", "/bin/busybox", "true") if command == "venv" else ()
    done = hostile.run(command, "-J", "..", "-J", "../..", "-J", ".", *after, cwd=str(below)).checked()
    assert MARK not in done.stdout + done.stderr


def test_a_folder_of_that_name_is_to_be_had_by_its_path(magpkg: Magpkg) -> None:
    folder = Path(magpkg.directory, "magpkg")
    folder.mkdir()
    (folder / "own.libsonnet").write_text("{ envSet: { OWN: 'yes' } }")
    own = magpkg.run("show", "--values", "-e", f"({MANIFEST}) + (import './magpkg/own.libsonnet')").checked()
    assert "OWN=yes" in own.stdout
    for name in ("magpkg/own.libsonnet", "magpkg/../magpkg/../own", "magpkg/../../__init__.py"):
        refused = magpkg.run("show", "-e", f"({MANIFEST}) + (import '{name}')")
        assert refused.status == 1
        assert f"magpkg ships no such file: {name}" in refused.stderr
