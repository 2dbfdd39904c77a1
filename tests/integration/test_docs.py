"""The documents, run: each command in them is executed, each manifest in them is entered.

What a fenced block is shows in its info string, which readers of the rendered page do not see:

    bash               run by `bash -euo pipefail` in a project of its own; `# not run: reason` on line 1 exempts it,
                       and CONTRIBUTING.md, which tells how to run this test among others, is only parsed
    jsonnet json yaml  a whole manifest, entered with `true`; also written to the project as magpkg.<language>
    ... locked         the same, after `magpkg lock`
    ... fragment       fields of a manifest, entered as part of one; `core` and `magpkg` are in scope
    ... file=NAME      written into the project under that name
    text output        what the bash block before it prints, to the letter
    json output        what a command prints, in form

The project of a block holds the files that the same document gave before it, and `PROJECT_FILES`. `test_sessions` runs
the pages in `SESSIONS`, each part as one session.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SCRIPTS = sysconfig.get_path("scripts")
TIMEOUT = 900

SESSIONS = ("tutorial.md", "cookbook.md", "coming-from.md")
MANIFEST_LANGUAGES = ("jsonnet", "json", "yaml")
PROJECT_FILES = {"Makefile": "test:\n\t@echo tested\n"}
SETS_UP = "python3 -m venv"
PAGES = {
    "venv": "venv.md",
    "allow": "venv.md",
    "cleanup": "venv.md",
    "run": "venv.md",
    "init": "project.md",
    "add": "project.md",
    "remove": "project.md",
    "man": "project.md",
    "shim": "shims.md",
    "hook": "shims.md",
    "lock": "lock.md",
    "search": "lock.md",
    "info": "lock.md",
    "config": "lock.md",
    "fetch": "lock.md",
    "build": "lock.md",
    "export": "export.md",
    "show": "inspect.md",
    "tree": "inspect.md",
    "why": "inspect.md",
    "graph": "inspect.md",
    "diff": "inspect.md",
    "list": "inspect.md",
    "du": "inspect.md",
    "doctor": "troubleshooting.md",
    "verify": "inspect.md",
}
FRAGMENT = """
local magpkg = import 'magpkg/magpkg.libsonnet';
local core = import 'magpkg/packages/core.libsonnet';
{{ packages: core.base }} + {{
{}
}}
"""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, the other words of its info string, its text."""

    document: Path
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def file(self) -> str | None:
        """The name under which the block is written into the project."""
        for word in self.words:
            if word.startswith("file="):
                return word.removeprefix("file=")
        return f"magpkg.{self.language}" if self.is_manifest else None

    @property
    def is_manifest(self) -> bool:
        return self.language in MANIFEST_LANGUAGES and not {"fragment", "output", "data"} & set(self.words)

    @property
    def is_run(self) -> bool:
        return self.language == "bash" and not self.text.startswith("# not run: ") and SETS_UP not in self.text


def read_blocks(document: Path) -> Iterator[Block]:
    start, info, lines = 0, "", list[str]()
    for number, line in enumerate(document.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif start == 0:
            start, info, lines = number, line[3:].strip(), []
        else:
            language, *words = info.split() or [""]
            yield Block(document, start, language, tuple(words), "".join(f"{text}\n" for text in lines))
            start = 0
    assert start == 0, f"{document}:{start}: the block has no end"


BLOCKS = [block for document in DOCUMENTS for block in read_blocks(document)]
BLOCKS.append(Block(REPOSITORY, 0, "", (), ""))  # so that each block has one that follows
ALONE = [block for block in BLOCKS if block.document.name not in SESSIONS]
SETUP_BLOCKS = [block for block in BLOCKS if block.document.name == "README.md" and SETS_UP in block.text]


def each(blocks: Sequence[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", blocks, ids=[f"{block.document.name}:{block.line}" for block in blocks])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The store that all blocks share: MAGPKG_TEST_STORE, else one that is removed in the end."""
    named = os.environ.get("MAGPKG_TEST_STORE")
    if named:
        yield Path(named)
        return
    made = tmp_path_factory.mktemp("store")
    yield made
    shutil.rmtree(made)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (tmp_path / "home").mkdir()
    for name, text in PROJECT_FILES.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def fill(project: Path, block: Block) -> None:
    """Write into the project what the block's document gave before the block."""
    default: Path | None = None
    for other in BLOCKS:
        if other.document != block.document or other.line >= block.line or other.file is None:
            continue
        path = project / other.file
        path.write_text(other.text, encoding="utf-8")
        if path.stem == "magpkg":
            # The latest manifest is the project's, whichever language it is in.
            if default is not None and default != path:
                default.unlink()
            default = path


def run(words: Sequence[str], directory: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the magpkg under test first in PATH; its failure is the test's, with all that it said."""
    environment = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"} | changes
    return run_in(environment, words, directory)


def run_in(environment: dict[str, str], words: Sequence[str], directory: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def places(project: Path, store: Path) -> dict[str, str]:
    return {"HOME": str(project.parent / "home"), "MAGPKG_STORE": str(store), "TERM": "dumb"}


@each([block for block in ALONE if block.is_run and block.document.name != "CONTRIBUTING.md"])
def test_command(block: Block, project: Path, store: Path) -> None:
    fill(project, block)
    done = run(["bash", "-euo", "pipefail", "-c", block.text], project, **places(project, store))
    following = BLOCKS[BLOCKS.index(block) + 1]
    if following.document == block.document and following.language == "text" and "output" in following.words:
        assert done.stdout == following.text


@each([block for block in BLOCKS if block.language == "bash"])
def test_command_is_well_formed(block: Block, tmp_path: Path) -> None:
    run(["bash", "-n", "-c", block.text], tmp_path)
    if block.text.startswith("# not run:"):
        assert re.match(r"# not run: \S", block.text), "say why"


@each([block for block in ALONE if block.is_manifest])
def test_manifest(block: Block, project: Path, store: Path) -> None:
    fill(project, block)
    assert block.file is not None
    (project / block.file).write_text(block.text, encoding="utf-8")
    if "locked" in block.words:
        run(["magpkg", "lock", "-q", "-f", block.file], project, **places(project, store))
    run(["magpkg", "venv", "-q", "-f", block.file, "--", "true"], project, **places(project, store))


@each([block for block in ALONE if block.language == "jsonnet" and "fragment" in block.words])
def test_fragment(block: Block, project: Path, store: Path) -> None:
    text = FRAGMENT.format(block.text)
    run(["magpkg", "venv", "-q", "-e", text, "--", "true"], project, **places(project, store))


def test_cleanup_output(project: Path, tmp_path: Path) -> None:
    """The JSON in the guide has the fields, and types, of what cleanup prints."""
    (output,) = (block for block in BLOCKS if block.language == "json" and "output" in block.words)
    shown = json.loads(output.text)
    (tmp_path / "store/tmp/venv.dead").mkdir(parents=True)
    (tmp_path / "store/format").write_text("magpkg store 1\n")
    printed = json.loads(
        run(["magpkg", "cleanup", "--all", "--json"], project, **places(project, tmp_path / "store")).stdout
    )
    assert shape(printed) == shape(shown)
    assert shape(printed["removed"][0]) == shape(shown["removed"][0])


def shape(value: dict[str, object]) -> dict[str, type]:
    return {name: type(item) for name, item in value.items()}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh clone of what is committed here, beside an empty home."""
    base = tmp_path_factory.mktemp("fresh")
    (base / "home").mkdir()
    run(["git", "clone", "-q", str(REPOSITORY), str(base / "clone")], base)
    yield base / "clone"
    shutil.rmtree(base)


def set_up(command: str, clone: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the README's set-up commands as somebody who has Python, but nothing of magpkg."""
    ours = re.compile(r"(MAGPKG_(?!DEBIAN_MIRROR)|PYTEST_|PYTHON(PATH|HOME)|VIRTUAL_ENV|XDG_)")
    environment = {name: value for name, value in os.environ.items() if not ours.match(name)}
    search = [path for path in os.environ["PATH"].split(os.pathsep) if path != SCRIPTS]
    environment["PATH"] = os.pathsep.join([f"{sys.base_prefix}/bin", *search])
    environment["HOME"] = str(clone.parent / "home")
    return run_in(environment, ["bash", "-c", command], clone)


def test_readme_has_two_commands_to_set_it_up_and_opens_with_the_first() -> None:
    assert len(SETUP_BLOCKS) == 2
    assert next(block for block in BLOCKS if block.document.name == "README.md") == SETUP_BLOCKS[0]
    assert all(len(block.text.splitlines()) == 1 for block in SETUP_BLOCKS)


def test_first_setup_command(clone: Path) -> None:
    done = set_up(SETUP_BLOCKS[0].text, clone)
    # Setting up leaves nothing in the checkout that git would see.
    assert "nothing to commit" in done.stdout
    assert [path.name for path in (clone.parent / "home").iterdir() if path.name == ".magpkg"] == [".magpkg"]


def test_second_setup_command(clone: Path) -> None:
    # Only collected, since this test is one of those that it would run.
    done = set_up(f"{SETUP_BLOCKS[1].text.rstrip()} --collect-only -q", clone)
    assert "test_docs.py" in done.stdout


def test_links() -> None:
    """Each relative link leads to a file, and its anchor to a heading there."""
    for document in DOCUMENTS:
        text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if re.match(r"https?:", target):
                continue
            path, _, anchor = target.partition("#")
            file = document.parent / path if path else document
            assert file.exists(), f"{document.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{document.name}: {target}"


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_option_is_in_the_guide(tmp_path: Path) -> None:
    for command, page in PAGES.items():
        guide = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
        for option in re.findall(
            r"^  .*?(--[a-z-]+)", run(["magpkg", command, "--help"], tmp_path).stdout, re.MULTILINE
        ):
            assert option in guide or option == "--help", f"magpkg {command} {option}"


def test_every_folder_has_its_paragraph_in_the_architecture() -> None:
    text = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
    folders = [path.parent.name for path in (REPOSITORY / "src/magpkg").glob("*/__init__.py")]
    assert len(folders) > 10
    for folder in folders:
        assert len(re.findall(rf"^\*\*`{folder}/`\*\* ", text, re.MULTILINE)) == 1, folder
