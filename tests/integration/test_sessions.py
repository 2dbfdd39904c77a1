"""The pages that are read from top to bottom, run: what one block leaves, the next one finds.

A part of a page, from one `##` heading to the next, is one session in one directory. The tutorial is a single one, in
a store of its own, since it looks at that. Blocks are as in `test_docs`, and also

    ... data file=NAME    a file that is no manifest; every `file=` may lie in a directory
    text output           all that the block before it prints, errors included; lines that tell what is fetched and made
                          are for the reader only
    text output about     the same but for numbers and words that have one; a line `...` stands for any lines
"""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from tests.integration.test_docs import REPOSITORY, SCRIPTS, SESSIONS, TIMEOUT, Block, read_blocks
from tests.support.sessions import as_ordinary_user, is_like, lasting

PLACE = "/home/me"
IDENTITY = {
    f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Me"), ("EMAIL", "me@x"))
}


@dataclass(frozen=True)
class Session:
    """Blocks that are run in one directory, whose name the page shows below `PLACE`."""

    title: str
    blocks: tuple[Block, ...]


def read_sessions(document: Path) -> Iterator[Session]:
    lines = document.read_text(encoding="utf-8").splitlines()
    heads = [(number, line[3:]) for number, line in enumerate(lines, 1) if line.startswith("## ")]
    blocks = list(read_blocks(document))
    if document.name == "tutorial.md":
        heads = [(0, "notes")]
    for (start, title), (end, _) in pairwise([*heads, (len(lines) + 1, "")]):
        mine = tuple(block for block in blocks if start < block.line < end)
        if mine:
            yield Session(title, mine)


ALL = [session for name in SESSIONS for session in read_sessions(REPOSITORY / "docs" / name)]


@pytest.fixture
def environment(tmp_path: Path, shared_store: str) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    own = {"HOME": str(tmp_path / "home"), "MAGPKG_STORE": shared_store, "TERM": "dumb"}
    return os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"} | IDENTITY | own


@pytest.mark.parametrize("session", ALL, ids=[session.title for session in ALL])
def test_session(session: Session, tmp_path: Path, environment: dict[str, str]) -> None:
    project = tmp_path / session.title.split()[0].lower()
    project.mkdir()
    if session.blocks[0].document.name == "tutorial.md":
        environment["MAGPKG_STORE"] = str(tmp_path / "store")
    for block, following in zip(session.blocks, [*session.blocks[1:], None], strict=True):
        write(block, project)
        if block.is_run:
            output = printed(["bash", "-euo", "pipefail", "-c", block.text], project, environment)
            if following is not None and "output" in following.words:
                compare(following, output.replace(str(tmp_path), PLACE))


def test_a_window_opens_on_a_display_of_the_host(tmp_path: Path, environment: dict[str, str]) -> None:
    prepare("GUI program", tmp_path)
    printed(["magpkg", "lock", "-q", "-f", "headless.yaml"], tmp_path, environment)
    words = [*as_ordinary_user(), "magpkg", "venv", "-q", "-f", "headless.yaml", "--", "Xvfb", "-displayfd", "1"]
    with subprocess.Popen(
        [*words, "-terminate"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as display:
        assert display.stdout is not None
        environment["DISPLAY"] = f":{display.stdout.readline().strip()}"
        try:
            output = printed(["magpkg", "venv", "-q", "--", "python3", "hello.py"], tmp_path, environment)
        finally:
            display.terminate()
    assert output == "shown\n"


def test_a_database_ends_with_its_command(tmp_path: Path, environment: dict[str, str]) -> None:
    prepare("PostgreSQL for tests", tmp_path)
    script = "magpkg lock -q; magpkg venv -q -- sh ./with-database sh -c 'psql -Atc \"select 42\"; kill -9 $$'; echo $?"
    output = printed(["bash", "-c", script], tmp_path, environment)
    assert output == "42\n137\n"
    mark = f"MAGPKG_VENV={tmp_path.name}"
    assert [path for path in Path("/proc").glob("[0-9]*/environ") if mark in variables(path)] == []


def variables(path: Path) -> list[str]:
    """The environment of a process, as far as it is there and may be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\0")
    except OSError:
        return []


def test_the_job(tmp_path: Path, environment: dict[str, str]) -> None:
    """The job's own steps, on a machine that has nothing, and on one that has what the job caches."""
    prepare("CI job", tmp_path)
    printed(["magpkg", "lock", "-q"], tmp_path, environment)
    job = yaml.safe_load((tmp_path / ".github/workflows/test.yml").read_text(encoding="utf-8"))["jobs"]["test"]
    (cached,) = (step["with"]["path"] for step in job["steps"] if "with" in step)
    commands = [step["run"] for step in job["steps"] if step.get("run", "").startswith("magpkg ")]
    assert commands[-1].endswith("make test")
    del environment["MAGPKG_STORE"]
    for home, offline in (("first", ""), ("second", " --offline")):
        environment["HOME"] = str(tmp_path / home)
        kept = Path(cached.replace("~", environment["HOME"]))
        kept.parent.mkdir(parents=True, mode=0o700)
        if offline:
            shutil.copytree(cached.replace("~", str(tmp_path / "first")), kept)
        for command in commands:
            output = printed(
                ["bash", "-c", command.replace("magpkg venv", f"magpkg venv{offline}")], tmp_path, environment
            )
        assert output.endswith("tested\n")
    # The whole store, by an archive that keeps permissions.
    environment["HOME"] = str(tmp_path / "third")
    script = "mkdir $HOME && tar cf - -C $HOME/../first .magpkg | tar xpf - -C $HOME && magpkg verify"
    printed(["bash", "-euo", "pipefail", "-c", script], tmp_path, environment)


def test_the_devcontainer(tmp_path: Path, environment: dict[str, str]) -> None:
    """What its first command hands to docker is the image that it names."""
    prepare("Devcontainer", tmp_path)
    printed(["magpkg", "lock", "-q"], tmp_path, environment)
    described = json.loads((tmp_path / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    (tmp_path / "docker").write_text(f'#!/bin/sh\ntest "$*" = load && exec cat >{tmp_path}/image.tar\n')
    (tmp_path / "docker").chmod(0o755)
    environment["PATH"] = f"{tmp_path}:{environment['PATH']}"
    printed(["sh", "-c", described["initializeCommand"]], tmp_path, environment)
    with tarfile.open(tmp_path / "image.tar") as image:
        manifest = image.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == [described["image"]]


def prepare(title: str, project: Path) -> None:
    """Write all files of a session."""
    (session,) = (session for session in ALL if session.title == title)
    for block in session.blocks:
        write(block, project)


def write(block: Block, project: Path) -> None:
    if block.file is not None:
        (project / block.file).parent.mkdir(parents=True, exist_ok=True)
        (project / block.file).write_text(block.text, encoding="utf-8")


def printed(words: list[str], project: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [*as_ordinary_user(), *words],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"{words[-1]}\nexit status {done.returncode}\n{done.stdout}"
    return done.stdout


def compare(shown: Block, output: str) -> None:
    same = is_like(shown.text, output) if "about" in shown.words else lasting(shown.text) == lasting(output)
    assert same, f"line {shown.line} shows\n{shown.text}\nand this is\n{output}"
