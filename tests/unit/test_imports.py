"""Imports point down the list of rooms in DESIGN.md, never up and never in circles."""

import ast
import pathlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

import magpkg

SOURCES = {path.stem: path for path in pathlib.Path(magpkg.__file__).parent.glob("*.py")}

# From the command line down to the errors. A module imports only what stands in a lower row.
ROWS = (
    ("__main__",),
    ("start",),
    (
        "cli",
        "cli_build",
        "cli_cleanup",
        "cli_diff",
        "cli_doctor",
        "cli_edit",
        "cli_export",
        "cli_fetch",
        "cli_init",
        "cli_list",
        "cli_lock",
        "cli_man",
        "cli_search",
        "cli_shim",
        "cli_show",
        "cli_tree",
        "cli_venv",
        "cli_verify",
    ),
    ("cli_version", "entry"),
    ("diagram", "options", "terminal"),
    ("completion", "manual"),
    ("difference", "image", "locking", "skeleton", "state", "user", "venv", "verify"),
    ("cleanup", "realise", "suite", "tarball"),
    ("build", "inventory", "layer", "model", "revision", "storage"),
    ("namelist",),
    ("fetch", "index", "places", "release", "resolve", "rootfs", "signature"),
    ("evaluate", "outline", "overrides", "sandbox", "shim", "transport", "wanted"),
    ("debian", "manifest", "store", "view"),
    ("candidate", "sources", "workspace"),
    ("alternatives", "archive", "fsentry", "listing", "lockfile", "mirror", "mount", "package", "partial", "tree"),
    ("namespaces",),
    ("bounds", "digest", "field", "finding", "listplace", "needs", "record", "textfile"),
    # What a warm launch imports, and nothing above.
    ("launch", "plan"),
    ("environment", "hostfiles", "lock"),
    ("errors",),
    ("__init__",),
)
LEVEL = {name: level for level, names in enumerate(ROWS) for name in names}
ONLY_THE_COMMAND_LINE = {"start", "completion", "entry", "options", "terminal", "__main__"} | {
    name for name in SOURCES if name.startswith("cli")
}


def imported(name: str) -> Iterator[str]:
    """The modules of magpkg that a module imports anywhere in it, for types too."""
    for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("magpkg."))
        elif isinstance(node, ast.ImportFrom) and node.module == "magpkg":
            yield from (alias.name if alias.name in SOURCES else "__init__" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("magpkg."):
            yield (node.module or "").partition(".")[2]


def test_every_module_has_a_room() -> None:
    assert set(LEVEL) == set(SOURCES)


def test_imports_point_down() -> None:
    wrong = [f"{name} -> {other}" for name in SOURCES for other in imported(name) if LEVEL[other] <= LEVEL[name]]
    assert wrong == []


def test_imports_make_no_circle() -> None:
    TopologicalSorter({name: set(imported(name)) for name in SOURCES}).prepare()


def test_only_the_command_line_prints_or_exits() -> None:
    for name in set(SOURCES) - ONLY_THE_COMMAND_LINE:
        for node in ast.walk(ast.parse(SOURCES[name].read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "exit", "sys.exit", "os._exit", "click.echo"), f"{name}: {called}"


def test_only_one_module_knows_jsonnet() -> None:
    users = [name for name in SOURCES if "_jsonnet" in SOURCES[name].read_text(encoding="utf-8")]
    assert users == ["evaluate"]
