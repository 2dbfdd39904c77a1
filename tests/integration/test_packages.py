"""A few of the packages that must do real work; `python -m tests.packages` runs them all."""

import os

import pytest

from tests.packages.run import Case, load, run
from tests.support.process import Magpkg

FEW = ("tmux", "dpkg", "libglib2.0-bin", "fakeroot", "xsltproc")
CASES = [case for case in load(("bookworm",), FEW) if case.names[0] in FEW]


def test_the_list_is_read() -> None:
    assert len(load()) >= 180
    assert {case.suite for case in load()} == {"bookworm", "trixie"}


@pytest.mark.parametrize("case", CASES, ids=[case.title for case in CASES])
def test_it_works(magpkg: Magpkg, case: Case) -> None:
    result = run(case, f"{magpkg.directory}/case", {**os.environ, **magpkg.environment()})
    assert result.passed, result.said
