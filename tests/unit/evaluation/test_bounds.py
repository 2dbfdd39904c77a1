"""Manifests that come to more than stands in them, and sources that the evaluator could not hold."""

import pathlib
import resource
import time

import pytest

from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import evaluate, parse_plain
from magpkg.evaluation.inputs import Inputs
from magpkg.evaluation.stack import roomy
from magpkg.manifest.field import shown
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph

SECONDS_MAX = 2.0


def said(text: str) -> str:
    """The error that a YAML manifest comes to, which must not take long."""
    begun = time.process_time()
    with pytest.raises(MagpkgError) as caught:
        read_manifest(parse_plain("a.yaml", text), PackageGraph())
    assert time.process_time() - begun < SECONDS_MAX
    return caught.value.message


def aliases(levels: int, first: str = "[x, x]", form: str = "[{}]") -> str:
    """Anchors of which each names the one before nine times."""
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{n}: &a{n} {form.format(', '.join([f'*a{n - 1}'] * 9))}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_aliases_stand_for_a_bounded_number_of_values() -> None:
    assert "a.yaml:" in said(aliases(12)) and "aliases stand for more than 100,000 values" in said(aliases(12))
    assert "aliases stand for more than" in said(aliases(12, "{x: y}", "{{<<: [{}]}}"))
    assert said(aliases(4)) == 'venv: unknown field "a0"'
    assert parse_plain("a.yaml", "a: &a [1]\nb: [*a, *a]") == {"a": [1], "b": [[1], [1]]}


def test_no_number_takes_long_or_ends_in_a_traceback() -> None:
    assert said("envSet: {A: 1" + ":10" * 3000 + "}") == "a.yaml:1:13: a number of 9,001 characters"
    assert said("envSet: {A: 1" + ":10" * 300_000 + ".5}").endswith("a number of 900,003 characters")
    assert said("envSet: {A: " + "9" * 5000 + "}").endswith("a number of 5,000 characters")
    assert said("packages: 1:30") == "venv.packages: must be an array, got 90"


@pytest.mark.parametrize("value", ["!!timestamp x", "2001-99-99", "!!bool x", "!!int ''", "!!float x", "!!int [a]"])
def test_a_value_that_its_tag_does_not_fit_is_an_error(value: str) -> None:
    assert said(f"envSet: {{A: {value}}}").startswith("a.yaml:1:13: ")


def test_what_is_shown_is_all_that_is_looked_at() -> None:
    value: object = "x"
    for _ in range(60):
        value = [value] * 9
    assert shown(value) == "[" * 59 + "…"
    circle: list[object] = []
    circle.append(circle)
    assert shown(circle) == "[" * 59 + "…"
    assert shown(10**5000) == "a number of 16,610 bits"
    assert shown({"a": [1, None, True], "b": {}, 3: b"x"}) == '{"a": [1, null, true], "b": {}, "3": b\'x\'}'


@pytest.mark.parametrize("link", ["+1", "+'a'", "[0]", "(1)", "{}", ".a"])
def test_a_long_chain_does_not_end_the_process(link: str) -> None:
    with pytest.raises(MagpkgError) if link not in ("+1", "+'a'") else roomy():
        evaluate(Inputs(expression=f"1{link * 30_000}"), PackageGraph())


def test_a_chain_that_cannot_be_held_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(MagpkgError, match=r"<expression>: has 200,000 operators, and the evaluator cannot"):
        evaluate(Inputs(expression="1+" * 200_000 + "1"), PackageGraph())
    (tmp_path / "a.libsonnet").write_text("1+" * 200_000 + "1")
    with pytest.raises(MagpkgError, match=r"a\.libsonnet: has 200,000 operators"):
        evaluate(Inputs(expression=f"import '{tmp_path}/a.libsonnet'"), PackageGraph())
    data = ", ".join(f'"https://a.invalid/b-{number}.c-d"' for number in range(40_000))
    (tmp_path / "a.json").write_text(f"[{data}]")
    evaluated = evaluate(Inputs(expression=f"std.length(import '{tmp_path}/a.json')"), PackageGraph())
    assert evaluated.value == 40_000


def test_the_room_is_for_the_evaluation_alone() -> None:
    before = resource.getrlimit(resource.RLIMIT_STACK)
    evaluate(Inputs(expression="1"), PackageGraph())
    assert resource.getrlimit(resource.RLIMIT_STACK) == before


def test_a_value_that_is_nested_too_deeply_is_an_error() -> None:
    for text in ("[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000):
        assert "too deeply" in said(text)
        with pytest.raises(MagpkgError, match="parse depth"):
            evaluate(Inputs(expression=text), PackageGraph())
