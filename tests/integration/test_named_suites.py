"""The suites that a manifest names: a lock that is made anew is of the same ones, whatever the default is by then."""

import json
from pathlib import Path

import pytest

from tests.support.repository import Repository

LOCAL = "local packages = (import 'magpkg/debian.libsonnet').lockset(importstr 'debian.lock.json');"
MANIFESTS = {
    "magpkg.yaml": "packages: [tool]\nsuites: [trixie]\n",
    "magpkg.json": '{"packages": ["tool"], "suites": ["trixie"]}',
    "magpkg.jsonnet": f"{LOCAL}\n{{ packages: [packages.tool], suites: ['trixie'] }} // the end",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    for suite in ("bookworm", "trixie"):
        made.add_base(suite)
        made.add("tool", "1" if suite == "bookworm" else "2", suite=suite)
        made.add("other", "1" if suite == "bookworm" else "2", suite=suite)
    made.write()
    return made


def pins(repository: Repository) -> dict[str, str]:
    """The versions of what the lock pins beside the base, and its suites."""
    lock = json.loads(Path(repository.magpkg.directory, "debian.lock.json").read_text())
    named = {name: lock["packages"][name]["version"] for name in ("tool", "other") if name in lock["packages"]}
    return {**named, "suites": ",".join(suite["suite"] for suite in lock["suites"])}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_lock_is_of_the_suites_that_the_manifest_names(repository: Repository, name: str) -> None:
    directory = Path(repository.magpkg.directory)
    (directory / name).write_text(MANIFESTS[name])
    repository.lock("-q").checked()
    assert pins(repository) == {"tool": "2", "suites": "trixie"}
    (directory / "debian.lock.json").unlink()
    repository.lock("-q").checked()
    assert pins(repository) == {"tool": "2", "suites": "trixie"}
    # What is asked for by hand goes before, and a check tells that the two have come apart.
    repository.lock("-q", "--suite", "bookworm").checked()
    assert pins(repository)["suites"] == "bookworm"
    checked = repository.lock("--check")
    assert checked.status == 1 and "is of bookworm, the manifest names trixie" in checked.stderr
    repository.lock("-q").checked()
    repository.lock("--check").checked()


def test_add_looks_in_the_suites_of_the_manifest(repository: Repository) -> None:
    directory = Path(repository.magpkg.directory)
    (directory / "magpkg.yaml").write_text(MANIFESTS["magpkg.yaml"])
    repository.magpkg.run("add", "-q", "--keyring", repository.key.path, "other").checked()
    assert pins(repository) == {"tool": "2", "other": "2", "suites": "trixie"}


@pytest.mark.parametrize("words", [("--jsonnet",), ()])
def test_init_writes_the_suite_down(repository: Repository, words: tuple[str, ...]) -> None:
    directory = Path(repository.magpkg.directory)
    asked = ("--keyring", repository.key.path, "--suite", "trixie", "tool")
    repository.magpkg.run("init", "-q", *words, *asked).checked()
    (directory / "debian.lock.json").unlink()
    repository.lock("-q").checked()
    assert pins(repository) == {"tool": "2", "suites": "trixie"}


@pytest.mark.parametrize("value", ["trixie", [7], ["../x"], {"a": 1}])
def test_what_is_no_list_of_suites_is_refused(repository: Repository, value: object) -> None:
    Path(repository.magpkg.directory, "magpkg.json").write_text(json.dumps({"packages": [], "suites": value}))
    for done in (repository.lock(), repository.magpkg.run("venv", "--", "true")):
        assert done.status in (1, 125) and "venv.suites" in done.stderr
