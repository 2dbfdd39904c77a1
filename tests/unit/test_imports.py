"""The folders of the program stand on one another in one order, and each module says what it is for."""

import ast
import pathlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

import magpkg

ROOT = pathlib.Path(magpkg.__file__).parent
SOURCES = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}

# From the ground up. A folder imports only from those before it.
FOLDERS = (
    "errors",
    "launch",
    "manifest",
    "store",
    "fetch",
    "sandbox",
    "debian",
    "evaluation",
    "making",
    "inspection",
    "project",
    "export",
    "commands",
    "start",
    "__main__",
)
LEVEL = {folder: level for level, folder in enumerate(FOLDERS)}
# The short way calls the long way where it cannot go on; the long way never comes back.
UPWARDS = {("start", "commands.front")}
MODULES = sorted(name for name in SOURCES if not name.endswith("__init__"))


def imported(name: str) -> Iterator[str]:
    """The modules of magpkg that a module imports anywhere in it, for types too."""
    for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (_module(alias.name) for alias in node.names if alias.name.startswith("magpkg"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("magpkg"):
            assert node.level == 0, name
            yield from (_module(f"{node.module}.{alias.name}") for alias in node.names)


def _module(dotted: str) -> str:
    """The module that a dotted name, of itself or of something in it, stands for."""
    path = dotted.removeprefix("magpkg").removeprefix(".")
    while path and path not in SOURCES:
        path = path.rpartition(".")[0]
    return path or "__init__"


def folder(name: str) -> str:
    """What a module belongs to."""
    return name.partition(".")[0]


def test_every_module_has_a_room() -> None:
    assert {folder(name) for name in MODULES} == set(LEVEL)


@pytest.mark.parametrize("name", MODULES)
def test_imports_point_down(name: str) -> None:
    others = [other for other in imported(name) if other != "__init__" and (name, other) not in UPWARDS]
    assert [
        other for other in others if folder(other) != folder(name) and LEVEL[folder(other)] >= LEVEL[folder(name)]
    ] == []


def test_imports_make_no_circle() -> None:
    TopologicalSorter({name: set(imported(name)) for name in MODULES}).prepare()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_the_first_line_of_a_module_says_its_job(name: str) -> None:
    said = ast.get_docstring(ast.parse(SOURCES[name].read_text(encoding="utf-8")))
    assert said, name
    lines = said.split("\n")
    assert lines[0].endswith(".") and (len(lines) == 1 or lines[1] == ""), lines[0]


def test_only_the_command_line_prints_or_exits() -> None:
    for name in MODULES:
        if folder(name) in ("commands", "start", "__main__"):
            continue
        for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "exit", "sys.exit", "os._exit", "click.echo"), f"{name}: {called}"


def test_only_one_folder_knows_jsonnet() -> None:
    users = {folder(name) for name in SOURCES if "_jsonnet" in SOURCES[name].read_text(encoding="utf-8")}
    assert users == {"evaluation"}


def test_a_package_exports_nothing() -> None:
    for name in SOURCES:
        if name.endswith(".__init__"):
            body = ast.parse(SOURCES[name].read_text(encoding="utf-8")).body
            assert len(body) == 1 and ast.get_docstring(ast.parse(SOURCES[name].read_text())), name
