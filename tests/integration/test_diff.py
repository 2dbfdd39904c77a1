"""`magpkg diff` of files, git revisions and venvs."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.process import Magpkg
from tests.support.repository import Repository

MANIFEST = """
local set = (import 'magpkg/debian.libsonnet').lockset(importstr '../debian.lock.json');
local more = import 'more.libsonnet';
{ packages: [set.tool], envSet: { TOKEN: 'geheim' } } + more
"""


def git(directory: Path, *words: str) -> None:
    own = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *words], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def history(tmp_path: Path) -> Repository:
    """A project in git: a manifest that imports a file beside it and a lock above it, all of which have moved on."""
    repository = Repository(str(tmp_path))
    repository.add_base()
    repository.add("tool")
    repository.write()
    (tmp_path / "env").mkdir()
    (tmp_path / "env/magpkg.jsonnet").write_text(MANIFEST)
    (tmp_path / "env/more.libsonnet").write_text("{ mounts: ['/old'] }")
    repository.lock("-f", "env/magpkg.jsonnet", "-o", "debian.lock.json").checked()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "env", "debian.lock.json")
    git(tmp_path, "commit", "-qm", "first")
    repository.remove("tool")
    repository.add("tool", "2")
    repository.write()
    repository.lock("-f", "env/magpkg.jsonnet", "-o", "debian.lock.json", "--upgrade").checked()
    (tmp_path / "env/more.libsonnet").write_text("{ mounts: ['/new'], envSet+: { TOKEN: 'anders' } }")
    return repository


def test_what_a_revision_imports_is_of_that_revision(history: Repository, tmp_path: Path) -> None:
    before = (tmp_path / ".git/index").read_bytes()
    now = "env/magpkg.jsonnet"
    told = history.magpkg.run("diff", f"HEAD:{now}", now, "--json").checked().stdout
    value = json.loads(told)
    assert [(pair["a"]["version"], pair["b"]["version"]) for pair in value["packages"]["changed"]] == [("1", "2")]
    assert (value["packages"]["added"], value["packages"]["removed"]) == ([], [])
    assert value["fields"]["mounts"] == {"added": ["/new"], "removed": ["/old"], "changed": []}
    assert value["fields"]["envSet"]["changed"] == ["TOKEN"]
    said = history.magpkg.run("diff", f"HEAD:{now}", "-f", now).checked().stdout
    assert "  ~ tool 1 -> 2\n" in said
    assert "mounts     + /new\n" in said
    assert "geheim" not in told + said
    inside = history.magpkg.run("diff", "HEAD:./magpkg.jsonnet", cwd=str(tmp_path / "env")).checked().stdout
    assert inside.partition("packages")[2] == said.partition("packages")[2]
    assert (tmp_path / ".git/index").read_bytes() == before


def test_a_revision_that_is_not_there_or_is_wrong(history: Repository, tmp_path: Path) -> None:

    def refused(spec: str) -> str:
        done = history.magpkg.run("diff", spec, spec)
        assert done.status == 1
        return done.stderr

    assert "nope is no revision of the repository" in refused("nope:magpkg.jsonnet")
    assert "the revision has no file none.json" in refused("HEAD:none.json")
    assert "the revision has no file ../x" in refused("HEAD:../x")
    (tmp_path / "bad.json").write_text("{")
    git(tmp_path, "add", "bad.json")
    git(tmp_path, "commit", "-qm", "second")
    assert "error: HEAD:bad.json: " in refused("HEAD:bad.json")
    assert "the revision has no file bad.json" in refused("HEAD~1:bad.json")
    assert list((tmp_path / "store/tmp").iterdir()) == []


def test_a_venv_is_known_by_its_manifest_or_by_its_packages(own_store: Magpkg, project: str) -> None:
    path = Path(project, "magpkg.json")
    one = {"name": "one", "build": "untar", "fetch": []}
    other = {"name": "other", "build": "untar", "fetch": []}
    path.write_text(json.dumps({"packages": [one], "envSet": {"A": "1"}}))
    own_store.run("venv", "-q", "--", "none")
    name = json.loads(own_store.run("show", "--json").checked().stdout)["hash"]
    path.write_text(json.dumps({"packages": [one], "envSet": {"B": "1"}}))
    # The manifest still leads to the venv, so that its fields are known, as they are now.
    assert json.loads(own_store.run("diff", name[:12], "--json").checked().stdout)["fields"]["envSet"]["added"] == []
    path.write_text(json.dumps({"packages": [other]}))
    value = json.loads(own_store.run("diff", name[:12], "--json").checked().stdout)
    assert [item["name"] for item in value["packages"]["removed"]] == ["one"]
    assert [(item["name"], item["bytes"]) for item in value["packages"]["added"]] == [("other", None)]
    assert value["fields"] is None
    assert "fields     not known" in own_store.run("diff", name[:12]).checked().stdout
    assert "no venv of the store begins" in own_store.run("diff", "0123456", name).stderr
    assert "all name the second manifest" in own_store.run("diff", name, name, "-e", "{}").stderr


def test_a_revision_is_looked_at_without_running_what_its_repository_names(history: Repository, tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_text("* filter=mine\n")
    (tmp_path / "env/..odd.jsonnet").symlink_to("magpkg.jsonnet")
    git(tmp_path, "add", ".gitattributes", "env")
    git(tmp_path, "commit", "-qm", "second")
    ran = tmp_path / "ran"
    for hook in ("post-index-change", "post-checkout"):
        (tmp_path / ".git/hooks" / hook).write_text(f"#!/bin/sh\necho {hook} >>'{ran}'\n")
        (tmp_path / ".git/hooks" / hook).chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", f"echo monitor >>'{ran}'; :")
    git(tmp_path, "config", "filter.mine.smudge", f"echo filter >>'{ran}'; cat")
    history.magpkg.run("diff", "HEAD:env/magpkg.jsonnet", "HEAD~1:env/magpkg.jsonnet").checked()
    assert not ran.exists()
    done = history.magpkg.run("diff", "HEAD:env/..odd.jsonnet", "HEAD~1:env/magpkg.jsonnet").checked()
    assert "mounts     + /old\nmounts     - /new\n" in done.stdout


def test_what_git_refuses_is_said_in_its_words(history: Repository, tmp_path: Path) -> None:
    done = history.magpkg.run("diff", "HEAD:x", env={"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    assert (done.status, done.stdout) == (1, "")
    assert "error: git rev-parse: fatal: detected dubious ownership" in done.stderr
    assert f"hint: if you trust it, run: git config --global --add safe.directory {tmp_path}" in done.stderr
