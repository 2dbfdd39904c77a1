"""Where a project is, by which name."""

import os
import pathlib

import pytest

from magpkg.project.place import project_directory


@pytest.fixture
def here(tmp_path: pathlib.Path) -> str:
    """A directory with `real/sub/deep`, `link` to the first and `within` to the second."""
    root = os.path.realpath(tmp_path)
    os.makedirs(f"{root}/real/sub/deep")
    os.symlink("real", f"{root}/link")
    os.symlink("real/sub", f"{root}/within")
    return root


@pytest.mark.parametrize(
    ("found", "real", "named", "project"),
    [
        ("real", "real", "real", "real"),
        ("real", "real/sub/deep", "real/sub/deep", "real"),
        ("real", "real", "link", "link"),
        ("real", "real/sub/deep", "link/sub/deep", "link"),
        ("real/sub", "real/sub/deep", "link/sub/deep", "link/sub"),
        ("real/sub", "real/sub/deep", "within/deep", "within"),
        ("real", "real/sub/deep", "within/deep", "real"),
        ("real", "real/sub", "within", "real"),
        ("link", "real/sub", "link/sub", "link"),
        ("real/sub", "real", "link", "real/sub"),
    ],
)
def test_the_name_that_the_working_directory_has(here: str, found: str, real: str, named: str, project: str) -> None:
    assert project_directory(f"{here}/{found}", f"{here}/{real}", f"{here}/{named}") == f"{here}/{project}"


def test_the_root_as_a_project() -> None:
    assert project_directory("/", "/usr", "/usr") == "/"
    assert project_directory("/", "/", "/") == "/"
