"""Evaluation: the constructor, sharing, circles, imports, and errors with a place."""

import json
import pathlib
import subprocess
import sys

import pytest

from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import evaluate
from magpkg.evaluation.inputs import Inputs
from magpkg.manifest.manifest import Manifest, read_manifest
from magpkg.manifest.package import PackageGraph, runtime_closure

LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet';\n"


def value(expression: str, **options: tuple[tuple[str, str], ...]) -> object:
    """The value of an expression."""
    return evaluate(Inputs(expression, **options), PackageGraph()).value  # type: ignore[arg-type]


def manifest(expression: str) -> Manifest:
    """The manifest that an expression describes."""
    graph = PackageGraph()
    return read_manifest(evaluate(Inputs(LIBRARY + expression), graph).value, graph)


def error(expression: str) -> MagpkgError:
    """The error that an expression ends in."""
    with pytest.raises(MagpkgError) as caught:
        manifest(expression)
    return caught.value


def test_the_constructor_gives_the_package_of_its_definition() -> None:
    plain = manifest("{ packages: [{ name: 'a', runDeps: [{ name: 'b' }] }] }")
    made = manifest(
        "local b = magpkg.package({ name: 'b' });{ packages: [magpkg.package({ name: 'a', runDeps: [b] })] }"
    )
    assert made.packages[0].hash == plain.packages[0].hash


def test_a_package_can_be_varied() -> None:
    packages = manifest(
        "local a = magpkg.package({ name: 'a', build: 'one' });"
        "{ packages: [a, a.override({ build: 'two' }), magpkg.package({ name: a.name, build: 'two' })] }"
    ).packages
    assert packages[0].build == "one"
    assert packages[1].hash == packages[2].hash


def test_a_variation_may_stand_on_what_it_varies() -> None:
    packages = manifest(
        "local one = magpkg.package({ name: 'cc' }); { packages: [one.override({ build: 'x', buildDeps: [one] })] }"
    ).packages
    assert packages[0].build_deps[0].name == "cc"


def test_a_deep_and_wide_graph_is_evaluated_once_a_package() -> None:
    # Without sharing this would be 8^100 packages.
    text = (
        "local layer(below, n) ="
        " [magpkg.package({ name: 'p%d-%d' % [n, i], runDeps: below }) for i in std.range(1, 8)];"
        "{ packages: std.foldl(layer, std.range(1, 100), []) }"
    )
    assert len(manifest(text).closure()) == 800


def test_a_long_chain_of_packages() -> None:
    link = "function(p, n) magpkg.package({ name: 'p%d' % n, runDeps: if p == null then [] else [p] })"
    text = f"{{ packages: [std.foldl({link}, std.range(1, 1000), null)] }}"
    assert len(manifest(text).closure()) == 1000


CIRCLES = {
    "of one": ("local a = magpkg.package({ name: 'a', runDeps: [a] }); { packages: [a] }", "a -> a"),
    "of three": (
        "local a = magpkg.package({ name: 'a', runDeps: [b] }), b = magpkg.package({ name: 'b', buildDeps: [c] }),"
        "c = magpkg.package({ name: 'c', runDeps: [a] }); { packages: [a] }",
        "a -> b -> c -> a",
    ),
}


@pytest.mark.parametrize("name", sorted(CIRCLES))
def test_a_circle_of_constructed_packages_names_them(name: str) -> None:
    # In a process of its own: an evaluator that runs out of stack takes the whole process with it.
    expression, circle = CIRCLES[name]
    program = "import sys; from tests.unit.evaluation.test_evaluate import manifest; manifest(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", program, expression], capture_output=True, text=True, check=False)
    assert done.returncode == 1, f"status {done.returncode}"
    assert f"depends on itself: {circle}" in done.stderr


def test_a_circle_of_yaml_anchors_names_its_packages(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "magpkg.yaml"
    path.write_text("packages:\n- &a\n  name: a\n  runDeps:\n  - name: b\n    runDeps: [*a]\n")
    graph = PackageGraph()
    with pytest.raises(MagpkgError) as caught:
        read_manifest(evaluate(Inputs(file=str(path)), graph).value, graph)
    assert caught.value.message == "package a: depends on itself: a -> b -> a"


def test_an_error_in_a_constructed_package_names_place_package_and_field() -> None:
    found = error("{ packages: [magpkg.package({ name: 'a', runDep: [] })] }")
    assert found.message.startswith("<expression>:2:")
    assert found.message.endswith('package: unknown field "runDep"')
    assert found.hint == "did you mean runDeps?"
    found = error(
        "{ packages: [magpkg.package({ name: 'a', fetch: [{ filename: 'x', sha256: '1', urls: ['/x'] }] })] }"
    )
    assert "package a: fetch[0].sha256: must be 64 lower-case hexadecimal digits" in found.message


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{ packages: [ }", "<expression>:2:15"),
        ("error 'custom'", "custom"),
        ("{ packages: nosuch }", "nosuch"),
        ("import 'nosuch.libsonnet'", "nosuch.libsonnet"),
        ("std.extVar('nosuch')", "nosuch"),
        ("{ packages: [] }.x", "x"),
        ("function(x) x", ""),
    ],
)
def test_a_failed_evaluation_says_where_or_what(expression: str, message: str) -> None:
    found = error(expression)
    assert message in found.message
    assert "\n" not in found.message
    assert "RUNTIME ERROR" not in found.message


CALLBACKS = {
    "a definition": ("magpkg.package({ name: 'x', build: 3 })", "package x: build: must be a string"),
    "a name": ("magpkg.package({ name: '/etc' })", "package.name: must be letters"),
    "a reference": (
        "magpkg.package({ name: 'x', runDeps: [{ 'magpkg:package': 'z' }] })",
        "refers to an unknown package",
    ),
    "a circle": ("local x = magpkg.package({ name: 'x', runDeps: [x] }); x", "package x: depends on itself"),
    "a lock": ("(import 'magpkg/debian.libsonnet').lockset('{}').x", "lock.version: "),
    "an import": ("import 'nowhere.libsonnet'", "no such file in the importing folder"),
    "an import of a directory": ("import '.'", "no such file in the importing folder"),
    "a text": ("importstr 'nowhere.txt'", "no such file in the importing folder"),
}


@pytest.mark.parametrize("name", sorted(CALLBACKS))
def test_a_callbacks_failure_has_the_manifests_line(tmp_path: pathlib.Path, name: str) -> None:
    expression, message = CALLBACKS[name]
    path = tmp_path / "a.jsonnet"
    path.write_text(f"local magpkg = import 'magpkg/magpkg.libsonnet';\n{{ packages: [\n  {expression},\n] }}\n")
    with pytest.raises(MagpkgError) as caught:
        evaluate(Inputs(file=str(path)), PackageGraph())
    assert caught.value.message.startswith(f"{path}:3:"), caught.value.message
    assert message in caught.value.message


def test_an_evaluation_without_end_is_an_error() -> None:
    assert error("local f(x) = 1 + f(x); f(1)").message


def test_external_variables_and_top_level_arguments() -> None:
    assert value("std.extVar('a')", external=(("a", "x=y"),)) == "x=y"
    assert value("function(b) b", top_level=(("b", "z"),)) == "z"


def test_imports_are_looked_for_beside_the_importer_then_on_the_path_then_in_magpkg(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two", "two/magpkg"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/a.libsonnet").write_text("'one'")
    (tmp_path / "two/a.libsonnet").write_text("'two'")
    (tmp_path / "two/b.libsonnet").write_text("import 'a.libsonnet'")
    (tmp_path / "two/c.libsonnet").write_text("importstr 'a.libsonnet'")
    path = (str(tmp_path / "one"), str(tmp_path / "two"))
    inputs = Inputs("[import 'a.libsonnet', import 'b.libsonnet', import 'c.libsonnet']", import_path=path)
    assert evaluate(inputs, PackageGraph()).value == ["one", "two", "'two'"]
    assert isinstance(value("(import 'magpkg/examples/core-venv.jsonnet').envSet"), dict)


def test_a_json_and_a_yaml_file_are_read_as_they_are(tmp_path: pathlib.Path) -> None:
    fields = {"packages": [], "envSet": {"A": "é"}}
    for name, text in (("a.json", json.dumps(fields)), ("a.yaml", "packages: []\nenvSet: {A: é}\n")):
        (tmp_path / name).write_text(text)
        found = evaluate(Inputs(file=str(tmp_path / name)), PackageGraph())
        assert found.value == fields
        assert found.directory == str(tmp_path)
    (tmp_path / "a.yml").write_text("packages: []\nenvSet: {A: é}\n")
    assert evaluate(Inputs(file=str(tmp_path / "a.yml")), PackageGraph()).value == fields


BAD_FILES = [
    ("a.json", "{", "a.json: "),
    ("a.yaml", "a: [", "a.yaml:1:"),
    ("a.yaml", "a: !!python/object/apply:os.getcwd []", "a.yaml:1:4: could not determine a constructor"),
    ("a.jsonnet", "{ a: }", "a.jsonnet:1:6"),
    ("a.json", "[" * 100_000, "a.json: "),
    ("a.yaml", "[" * 5_000, "a.yaml"),
]


@pytest.mark.parametrize(("name", "text", "message"), BAD_FILES)
def test_a_bad_file_is_an_error_that_names_it(tmp_path: pathlib.Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(MagpkgError) as caught:
        evaluate(Inputs(file=str(tmp_path / name)), PackageGraph())
    assert message in caught.value.message


def test_a_file_that_is_no_text_or_not_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.jsonnet").write_bytes(b"\xff\xfe")
    for name, message in (("a.jsonnet", "is not UTF-8 text (byte 0)"), ("b.json", "cannot be read: No such file")):
        with pytest.raises(MagpkgError) as caught:
            evaluate(Inputs(file=str(tmp_path / name)), PackageGraph())
        assert message in caught.value.message


def test_the_nearest_manifest_is_found(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)

    def found() -> object:
        return evaluate(Inputs(), PackageGraph()).value

    (tmp_path / "magpkg.jsonnet").write_text('"top"')
    assert found() == "top"
    (tmp_path / "a" / "magpkg.yaml").write_text("yaml")
    assert found() == "yaml"
    (tmp_path / "a" / "magpkg.json").write_text('"json"')
    assert found() == "json"
    (tmp_path / "a" / "magpkg.jsonnet").mkdir()
    assert found() == "json"


def test_no_manifest_is_an_error_that_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc/self")
    with pytest.raises(MagpkgError) as caught:
        evaluate(Inputs(), PackageGraph())
    assert caught.value.message.startswith("no magpkg.jsonnet in /proc/")
    assert "-f FILE or -e EXPRESSION" in (caught.value.hint or "")


def test_the_closure_of_the_shipped_set_has_every_name_of_the_manual() -> None:
    names = (
        "bash coreutils findutils grep sed gawk diffutils tar gzip xz-utils less procps git curl ca-certificates "
        "openssh-client make gcc g++ python3 vim-tiny jq ripgrep file patch"
    )
    listed = ", ".join(f"core['{name}']" for name in names.split())
    found = manifest(f"local core = import 'magpkg/packages/core.libsonnet'; {{ packages: core.base + [{listed}] }}")
    assert len(runtime_closure(found.packages)) > len(names.split())
