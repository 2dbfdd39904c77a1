"""`magpkg init`, and `magpkg add` and `magpkg remove` after it."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from magpkg.debian.lockfile import LOCK_NAME
from magpkg.manifest.sources import MANIFEST_NAMES
from magpkg.project.needs import DEFAULT
from tests.support.process import Magpkg, Outcome
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    for name in ("tool", "tlib", "make", *DEFAULT):
        made.add(name)
    made.write()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty project; what a run leaves half done shows as a hidden file."""
    made = tmp_path / "project"
    made.mkdir()
    yield made
    assert [path.name for path in made.iterdir() if path.name.startswith(".debian") or ".magpkg" in path.name] == []


def run(repository: Repository, folder: Path, command: str, *arguments: str, **variables: str) -> Outcome:
    words = (command, "--keyring", repository.key.path, *arguments)
    return repository.magpkg.run(*words, cwd=str(folder), env=variables)


def locked(folder: Path) -> list[str]:
    names: list[str] = json.loads((folder / LOCK_NAME).read_text())["names"]
    return names


@pytest.mark.parametrize("options", [(), ("--jsonnet",)])
def test_init_then_venv(magpkg: Magpkg, options: tuple[str, ...]) -> None:
    for name in ("Makefile", "justfile"):
        Path(magpkg.directory, name).write_text("all:\n\t@echo made by make >$(HOME)/x; cat $(HOME)/x; touch out\n")
    said = magpkg.run("init", *options, "jq").checked().stderr
    assert "no such package: just (justfile)" in said
    done = magpkg.run("venv", "-q", "--", "sh", "-c", "make && echo [42] | jq '.[0]'").checked()
    assert done.stdout == "made by make\n42\n"
    assert os.path.exists(f"{magpkg.directory}/out")
    assert locked(Path(magpkg.directory)) == ["jq", "make"]
    assert os.listdir(magpkg.home) == []


@pytest.mark.parametrize("options", [(), ("--jsonnet",)])
def test_what_is_commented_out_works_without_the_comment(
    repository: Repository, folder: Path, options: tuple[str, ...]
) -> None:
    (folder / "package.json").write_text("{}")
    for name in ("nodejs", "npm"):
        repository.add(name)
    repository.write()
    run(repository, folder, "init", *options).checked()
    (path,) = folder.glob("magpkg.*")
    (folder / "home").mkdir()
    text = path.read_text()
    for line in ("{ type:", "- { type:", "envSet:", "envKeep:", "network:"):
        text = text.replace(f"// {line}", line).replace(f"# {line}", line)
    path.write_text(text)
    shown = run_plain(repository, folder, "show").stdout
    assert "/.npm (optional)" in shown
    assert "/.inputrc (optional)" in shown
    assert "envSet     EDITOR" in shown
    assert "envKeep    SSH_AUTH_SOCK" in shown


def run_plain(repository: Repository, folder: Path, *arguments: str) -> Outcome:
    return repository.magpkg.run(*arguments, cwd=str(folder)).checked()


@pytest.mark.parametrize("name", [*MANIFEST_NAMES, LOCK_NAME])
@pytest.mark.parametrize("dangling", [False, True])
def test_init_overwrites_nothing(repository: Repository, folder: Path, name: str, dangling: bool) -> None:
    if dangling:
        (folder / name).symlink_to("nowhere")
    else:
        (folder / name).write_text("mine")
    for options in ((), ("--no-lock",), ("--jsonnet",)):
        done = run(repository, folder, "init", *options)
        assert (done.status, f"/{name}: is there already" in done.stderr) == (1, True)
    assert os.listdir(folder) == [name]
    assert dangling or (folder / name).read_text() == "mine"


def test_init_without_anything_found_or_asked_for(repository: Repository, folder: Path) -> None:
    run(repository, folder, "init").checked()
    assert locked(folder) == sorted(DEFAULT)
    before = (folder / LOCK_NAME).read_bytes()
    run(repository, folder, "lock", "-q").checked()
    assert (folder / LOCK_NAME).read_bytes() == before
    run_plain(repository, folder, "lock", "--check")


def test_init_writes_both_files_or_none(repository: Repository, folder: Path) -> None:
    for names, words in ((("tol",), "did you mean tool?"), (("a b",), "is no name of a Debian package")):
        done = run(repository, folder, "init", *names)
        assert (done.status, words in done.stderr) == (1, True)
    assert run(repository, folder, "init", MAGPKG_DEBIAN_MIRROR="file:/nowhere").status == 1
    assert os.listdir(folder) == []


def test_init_without_a_network_and_the_lock_later(repository: Repository, folder: Path) -> None:
    run(repository, folder, "init", "--no-lock", "tool", MAGPKG_DEBIAN_MIRROR="file:/nowhere").checked()
    assert os.listdir(folder) == ["magpkg.yaml"]
    run(repository, folder, "lock").checked()
    assert locked(folder) == ["tool"]


def test_init_survives_names_of_files_that_are_no_names(repository: Repository, folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/a\n\xff }.c")).write_text("")
    repository.add("gcc")
    repository.write()
    run(repository, folder, "init").checked()
    assert locked(folder) == ["gcc"]
    run_plain(repository, folder, "show")


YAML = "# what\nmounts: ['${PWD}']\n\npackages:\n  # why\n  - tool  # c\n  # end\n\nenvSet: {A: 'b'}\n"


def test_add_and_remove_change_one_line_and_the_lock(repository: Repository, folder: Path) -> None:
    (folder / "magpkg.yaml").write_text(YAML)
    (folder / "below").mkdir()
    said = run(repository, folder / "below", "add", "tlib", "make", "tlib").checked()
    added = YAML.replace("c\n", "c\n  - tlib\n  - make\n", 1)
    assert (folder / "magpkg.yaml").read_text() == added
    assert locked(folder) == ["make", "tlib", "tool"]
    assert "packages for 3 names" in said.stderr
    said = run(repository, folder, "remove", "tlib", "make").checked()
    assert said.stdout == "make: removed, 1\ntlib: removed, 1\n"
    assert (folder / "magpkg.yaml").read_text() == YAML
    assert locked(folder) == ["tool"]


def test_add_leaves_the_pins_that_there_are(repository: Repository, folder: Path) -> None:
    (folder / "magpkg.json").write_text('{"packages": ["tool"]}')
    run(repository, folder, "lock").checked()
    repository.add("tool", "2")
    repository.write()
    run(repository, folder, "add", "-f", "magpkg.json", "tlib").checked()
    pins = json.loads((folder / LOCK_NAME).read_text())["packages"]
    assert (pins["tool"]["version"], pins["tlib"]["version"]) == ("1", "1")
    assert (folder / "magpkg.json").read_text() == '{"packages": ["tool", "tlib"]}'


def test_add_of_what_is_there_brings_the_lock_up_to_date(repository: Repository, folder: Path) -> None:
    (folder / "magpkg.yaml").write_text(YAML)
    said = run(repository, folder, "add", "tool").checked().stderr
    assert "names tool already" in said
    assert locked(folder) == ["tool"]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())]
    run(repository, folder, "add", "tool").checked()
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(folder.iterdir())] == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "tlib", "tol"), "did you mean tool?"),
        (("add", "--", "-x"), "is no name of a Debian package"),
        (("add", "tlib", "--offline"), ""),
        (("add",), "Missing argument"),
        (("remove", "tol"), "does not name tol"),
        (("remove", "tool", "base"), "does not name base"),
        (("remove", "tool"), "would have no package left"),
        (("add", "-f", "nowhere.yaml", "tlib"), "nowhere.yaml: cannot be read"),
    ],
)
def test_all_or_nothing(repository: Repository, folder: Path, words: tuple[str, ...], said: str) -> None:
    (folder / "magpkg.yaml").write_text(YAML)
    run(repository, folder, "lock").checked()
    if "--offline" in words:
        for path in Path(repository.magpkg.store, "suites").iterdir():
            path.unlink()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run(repository, folder, *words)
    assert done.status in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_jsonnet_manifest_is_left_alone_and_the_line_is_said(repository: Repository, folder: Path) -> None:
    run(repository, folder, "init", "--jsonnet", "tool").checked()
    text = (folder / "magpkg.jsonnet").read_text()
    for command, words in (("add", "write into its packages"), ("remove", "take out of its packages")):
        done = run(repository, folder, command, "tlib", "g++")
        assert (done.status, f"{words}: packages.tlib, packages['g++']; then" in done.stderr) == (1, True)
    assert (folder / "magpkg.jsonnet").read_text() == text
    (folder / "magpkg.jsonnet").write_text("{ packages: [] }")
    done = run(repository, folder, "add", "tlib")
    assert "write at its top: local packages = (import 'magpkg/debian.libsonnet').lockset(importstr" in done.stderr


def test_links_and_modes_stay(repository: Repository, folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real/m.yaml").write_text("packages: [tool]\r\n", newline="")
    (folder / "real/m.yaml").chmod(0o604)
    (folder / "magpkg.yaml").symlink_to("real/m.yaml")
    run(repository, folder, "add", "tlib").checked()
    assert (folder / "magpkg.yaml").is_symlink()
    assert (folder / "real/m.yaml").read_bytes() == b"packages: [tool, tlib]\r\n"
    assert stat.S_IMODE((folder / "real/m.yaml").stat().st_mode) == 0o604
    assert locked(folder) == ["tlib", "tool"]
    assert [path.name for path in (folder / "real").iterdir()] == ["m.yaml"]
