"""Fixtures that all tests share."""

import os
from collections.abc import Iterator

import pytest

from tests.support.process import Magpkg
from tests.support.users import user_without_rights


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store for the whole session, so that each package is made once; MAGPKG_TEST_STORE names one to keep."""
    return os.environ.get("MAGPKG_TEST_STORE") or str(tmp_path_factory.mktemp("shared") / "store")


@pytest.fixture
def project(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty directory that stands for a user's project."""
    return str(tmp_path_factory.mktemp("project"))


@pytest.fixture
def magpkg(shared_store: str, project: str, tmp_path_factory: pytest.TempPathFactory) -> Magpkg:
    """The program with an empty HOME and the session's store."""
    return Magpkg(shared_store, str(tmp_path_factory.mktemp("home")), project)


@pytest.fixture
def own_store(magpkg: Magpkg, tmp_path_factory: pytest.TempPathFactory) -> Magpkg:
    """The program with an empty HOME and a new store, for tests that look at or clean a whole store."""
    return Magpkg(str(tmp_path_factory.mktemp("own") / "store"), magpkg.home, magpkg.directory)


@pytest.fixture(scope="module")
def unprivileged() -> Iterator[Magpkg]:
    """The program as a user without rights, with a HOME of its own: `nobody` where the tests run as root."""
    with user_without_rights() as program:
        yield program
