"""Completion: what the shells are told, and a real bash that is typed to."""

import json
import os
import sysconfig
from pathlib import Path

import pytest

from magpkg.evaluation.program import CORE_LOCK
from tests.support.process import Magpkg
from tests.support.repository import Repository
from tests.support.terminal import Terminal


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    for name in ("aaa", "tool", "toolbox", "zzz", "tlib"):  # the first one's paragraph is not the index's first
        made.add(name)
    made.paragraph(b"Package: untold\nPackager: toolong\nDescription: x\n Package: tooth")
    made.write()
    (tmp_path / "magpkg.yaml").write_text("packages: [tool, tlib, {name: x}]\n")
    made.lock("-q").checked()
    return made


def offered(magpkg: Magpkg, line: str, shell: str = "bash") -> list[str]:
    """What is offered for the last word of a line."""
    words = line.split(" ")
    variables = {"_MAGPKG_COMPLETE": f"{shell}_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = magpkg.run(env=variables).checked()
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("magpkg re", ["plain,remove"]),
        ("magpkg venv --no-n", ["plain,--no-network"]),
        ("magpkg add to", ["plain,tool", "plain,toolbox"]),
        ("magpkg init to", ["plain,tool", "plain,toolbox"]),
        ("magpkg add tool toolb", ["plain,toolbox"]),
        ("magpkg add --offline -- zz", ["plain,zzz"]),
        ("magpkg search a", ["plain,aaa"]),
        ("magpkg search --suite nonesuch to", []),
        ("magpkg lock -q to", ["plain,tool", "plain,toolbox"]),
        ("magpkg lock --upgrade to", ["plain,tool"]),
        ("magpkg lock --upgrade -o nowhere.json to", []),
        ("magpkg add nosuchname", []),
        ("magpkg add .*", []),
        ("magpkg add (t", []),
        ("magpkg remove ", ["plain,tlib", "plain,tool"]),
        ("magpkg remove -f nowhere.yaml t", []),
        ("magpkg venv -f ", ["plain,below/b.json", "plain,magpkg.yaml", "plain,x.jsonnet"]),
        ("magpkg show --file below/", ["plain,below/b.json"]),
        ("magpkg show --file nowhere/x", ["file,nowhere/x"]),
        ("magpkg tree -J be", ["dir,be"]),
        ("magpkg lock --keyring k", ["file,k"]),
        ("magpkg venv -- m", ["file,m"]),
        ("magpkg nonesuch x", []),
    ],
)
def test_offers(repository: Repository, tmp_path: Path, line: str, expected: list[str]) -> None:
    (tmp_path / "below").mkdir()
    for name in ("below/b.json", "x.jsonnet", "x.txt", ".hidden.json"):
        (tmp_path / name).write_text("")
    assert offered(repository.magpkg, line) == expected


def test_a_name_that_a_shell_would_not_take_as_it_is_is_not_offered(repository: Repository, tmp_path: Path) -> None:
    for name in ("$(touch x).json", "a b.json", "a\nplain,b.json", "`x`.json", "a;b.json", "~.json", "größe.json"):
        (tmp_path / name).write_text("")
    assert offered(repository.magpkg, "magpkg venv -f ") == ["plain,größe.json", "plain,magpkg.yaml"]
    assert offered(repository.magpkg, "magpkg venv -f a") == ["file,a"]  # the shell itself knows how to quote them


def test_why_offers_what_the_lock_has_and_evaluates_nothing(magpkg: Magpkg) -> None:
    Path(magpkg.directory, "m.jsonnet").write_text("local f(n) = f(n + 1) tailstrict; f(0)")  # which never ends
    assert "plain,libcurl3-gnutls" in offered(magpkg, "magpkg why -f m.jsonnet libc")  # of what ships
    lock = json.loads(Path(CORE_LOCK).read_text())
    lock["base"] = []
    lock["packages"] = {"libcmine": {**lock["packages"]["dash"], "depends": []}}
    Path(magpkg.directory, "debian.lock.json").write_text(json.dumps(lock))
    assert offered(magpkg, "magpkg why -f m.jsonnet libc") == ["plain,libcmine"]


def test_a_shell_without_a_store_a_home_or_a_manifest_gets_nothing(magpkg: Magpkg) -> None:
    empty = Magpkg("", "", magpkg.directory)
    for line in ("magpkg add to", "magpkg remove to", "magpkg why to", "magpkg lock --upgrade to"):
        assert offered(empty, line) == []
    assert os.listdir(magpkg.directory) == []


def test_no_network_is_asked(repository: Repository) -> None:
    kept = Path(repository.magpkg.store, "suites")
    (index,) = kept.glob("*.Packages")
    index.unlink()
    assert offered(repository.magpkg, "magpkg add to") == []
    assert list(kept.glob("*.Packages")) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_and_answers(repository: Repository, shell: str) -> None:
    script = repository.magpkg.run(env={"_MAGPKG_COMPLETE": f"{shell}_source"}).checked().stdout
    assert "_MAGPKG_COMPLETE" in script
    assert "toolbox" in "\n".join(offered(repository.magpkg, "magpkg add toolb", shell if shell != "fish" else "bash"))


def test_a_real_bash_completes(repository: Repository) -> None:
    magpkg = repository.magpkg
    search = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    environment = magpkg.environment({"PATH": search, "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null"})
    terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], environment, magpkg.directory)
    try:
        terminal.expect(r"\$ ")
        terminal.type('eval "$(_MAGPKG_COMPLETE=bash_source magpkg)"; echo re""ady\n')
        terminal.expect(r"ready\r?\n")
        terminal.type("echo magpkg; magpkg rem\t")
        terminal.expect(r"magpkg remove ")
        terminal.type("tl\t--offline --no-verify\n")
        terminal.expect(r"tlib --offline --no-verify")
        terminal.expect(r"tlib: removed, 1")
        terminal.type("exit\n")
        assert terminal.wait() == 0
    finally:
        terminal.close()
    assert Path(magpkg.directory, "magpkg.yaml").read_text() == "packages: [tool, {name: x}]\n"
