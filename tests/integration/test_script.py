"""The installed script: it finds Python and the package wherever it was put, and is apart from the user's variables."""

import os
import pathlib
import shutil
import sys
import sysconfig
import venv

import pytest

import magpkg as package
from tests.support.launchers import SCRIPT
from tests.support.manifests import expression
from tests.support.process import Magpkg

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


def installed(place: pathlib.Path, *, with_python: bool) -> pathlib.Path:
    """The script below `place` as pip lays it out: into a virtual environment, or else into a prefix or a home."""
    if with_python:
        venv.create(place, symlinks=True)
    libraries = place / "lib" / VERSION / "site-packages"
    for directory in (place / "bin", libraries / "magpkg-0.dist-info"):
        directory.mkdir(parents=True, exist_ok=True)
    (libraries / "magpkg").symlink_to(os.path.dirname(package.__file__))
    (libraries / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")  # what magpkg stands on
    return pathlib.Path(shutil.copy(SCRIPT, place / "bin" / "magpkg"))


@pytest.mark.parametrize("where", ["venv", "a prefix with spaces", "link", "module"])
def test_it_runs_wherever_it_was_installed(magpkg: Magpkg, tmp_path: pathlib.Path, where: str) -> None:
    script = installed(tmp_path / where, with_python=where in ("venv", "link", "module"))
    words = [str(script)]
    if where == "link":
        (tmp_path / "elsewhere").symlink_to(script)
        words = [str(tmp_path / "elsewhere")]
    elif where == "module":
        words = [str(script.parent / "python"), "-m", "magpkg"]
    path = f"{os.path.dirname(os.path.realpath(sys.executable))}:{os.environ['PATH']}"
    for _ in range(3):  # the long way, and the short one
        done = magpkg.call([*words, "venv", "-e", expression(), "--", "echo", "hi"], env={"PATH": path}).checked()
        assert (done.stdout, done.stderr) == ("hi\n", "")
    assert magpkg.call([*words, "--version"], env={"PATH": path}).checked().stdout.startswith("magpkg")


def test_it_is_found_in_path_and_called_from_anywhere(magpkg: Magpkg) -> None:
    path = f"{os.path.dirname(SCRIPT)}:{os.environ['PATH']}"
    for cwd in (magpkg.directory, "/", os.path.dirname(SCRIPT)):
        done = magpkg.call(["magpkg", "venv", "-e", expression(), "--", "echo", "hi"], env={"PATH": path}, cwd=cwd)
        assert done.checked().stdout == "hi\n"
    assert magpkg.call(["sh", "magpkg", "--version"], cwd=os.path.dirname(SCRIPT)).checked().stdout


def test_an_own_module_of_the_user_is_not_taken(magpkg: Magpkg) -> None:
    for name in ("json", "click", "os", "magpkg"):
        pathlib.Path(magpkg.directory, f"{name}.py").write_text("raise SystemExit('hostile')")
    for variables in ({"PYTHONPATH": magpkg.directory}, {"PYTHONHOME": "/nonexistent"}):
        done = magpkg.call([SCRIPT, "list", "--json"], env=variables).checked()
        assert "hostile" not in done.stderr
