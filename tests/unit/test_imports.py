"""The folders of the program stand on one another in one order, and each module says what it is for."""

import ast
import pathlib
import re
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


WRITER = "commands.terminal"
_PRINTS = {"print", "input", "breakpoint", "warnings.warn", "logging.basicConfig"}
_STREAMS = re.compile(r"(sys\.(__)?(stdout|stderr|stdin)(__)?|logging\.(warning|error|critical|exception))\b")


_CALLS = re.compile(r"(\w+\.)*(echo|secho|echo_via_pager|prompt|confirm|show|print_exc|print_exception)")
_OPENED = re.compile(r"(os\.write|os\.fdopen|open)\((1|2|'/dev/(tty|std)).*", re.DOTALL)
_SPEAKERS = {"stdout", "stderr", "echo", "secho", "prompt", "confirm"}


def spoken(name: str) -> Iterator[str]:
    """What in a module writes to a terminal by another way than the one writer; also under another name."""
    for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
        text = ast.unparse(node) if isinstance(node, ast.Call | ast.Attribute | ast.ImportFrom) else ""
        found: object = None
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            found = called in _PRINTS or _CALLS.fullmatch(called) or _OPENED.fullmatch(text)
        elif isinstance(node, ast.ImportFrom):
            found = node.module in ("sys", "click") and {alias.name for alias in node.names} & _SPEAKERS
        else:
            found = _STREAMS.fullmatch(text)
        if found:
            yield text


def test_one_module_writes_to_the_terminal() -> None:
    assert {name: list(spoken(name)) for name in MODULES if name != WRITER and list(spoken(name))} == {}
    assert list(spoken(WRITER))  # it is what it is looked for


def test_only_the_command_line_exits() -> None:
    for name in MODULES:
        if folder(name) in ("commands", "start", "__main__"):
            continue
        for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("exit", "sys.exit", "os._exit"), f"{name}: {called}"


def test_only_one_folder_knows_jsonnet() -> None:
    users = {folder(name) for name in SOURCES if "_jsonnet" in SOURCES[name].read_text(encoding="utf-8")}
    assert users == {"evaluation"}


def test_a_package_exports_nothing() -> None:
    for name in SOURCES:
        if name.endswith(".__init__"):
            body = ast.parse(SOURCES[name].read_text(encoding="utf-8")).body
            assert len(body) == 1 and ast.get_docstring(ast.parse(SOURCES[name].read_text())), name
