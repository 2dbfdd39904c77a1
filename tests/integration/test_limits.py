"""As much as bwrap takes, and one more."""

import json
import pathlib
import re
import time

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg

BWRAP_TAKES = 9000


@pytest.fixture
def crowd(magpkg: Magpkg) -> list[dict[str, str]]:
    """Ten thousand mounts of files that are there."""
    directory = pathlib.Path(magpkg.directory, "crowd")
    directory.mkdir()
    for number in range(10_000):
        (directory / str(number)).touch()
    return [{"type": "ro-bind", "source": f"{directory}/{n}", "target": f"/opt/{n}"} for n in range(10_000)]


def test_ten_thousand_mounts(magpkg: Magpkg, crowd: list[dict[str, str]]) -> None:
    manifest = pathlib.Path(magpkg.directory, "magpkg.json")
    packages = expression(["busybox-static"])
    manifest.write_text(json.dumps(crowd))
    text = f"({packages}) {{ mounts: import 'magpkg.json' }}"
    magpkg.venv(packages, "/bin/busybox", "true").checked()
    start = time.monotonic()
    done = magpkg.venv(text, "/bin/busybox", "true")
    assert done.status == 125
    said = r"venv\.mounts: these 100\d\d mounts come to more than the 9000 arguments that bwrap takes"
    assert re.search(said, done.stderr), done.stderr
    assert "mount a directory instead" in done.stderr
    assert time.monotonic() - start < 30  # said before they are placed, which takes minutes


def test_a_thousand_mounts(magpkg: Magpkg, crowd: list[dict[str, str]]) -> None:
    text = expression(["busybox-static"], mounts=crowd[:1000])
    done = magpkg.venv(text, "/bin/busybox", "ls", "/opt").checked()
    assert len(done.stdout.split()) == 1000


def test_as_many_words_as_bwrap_takes_and_one_more(magpkg: Magpkg) -> None:
    manifest = expression(["busybox-static"])
    too_many = magpkg.venv(manifest, "/bin/busybox", "echo", *["x"] * BWRAP_TAKES)
    assert too_many.status == 126
    assert "/bin/busybox: argument list too long" in too_many.stderr
    spare = BWRAP_TAKES - int(too_many.stderr.partition("this is ")[2].split()[0])
    most = ["x"] * (BWRAP_TAKES + spare)
    for _ in range(2):  # the long way and the short way
        done = magpkg.venv(manifest, "/bin/busybox", "echo", *most).checked()
        assert len(done.stdout.split()) == len(most)
        assert magpkg.venv(manifest, "/bin/busybox", "echo", "x", *most).status == 126
