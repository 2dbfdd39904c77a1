"""Packages: what their hash covers, the closure's order, definitions and their errors."""

import itertools
from typing import Any

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.package import PLAIN_NODES_MAX, PackageGraph, make_package, runtime_closure
from tests.support.manifests import package, source

ZEROS = "0" * 64


def definition(name: object = "zlib", **fields: object) -> dict[str, Any]:
    """A plain package definition."""
    return {"name": name, **fields}


def fetched(**fields: object) -> dict[str, object]:
    """A plain definition of a source."""
    return {"filename": "a.tar", "sha256": ZEROS, "urls": ["https://files.example/a.tar"], **fields}


# ---- hashes


def test_the_order_and_repetition_of_dependencies_do_not_count() -> None:
    one, other = package("one"), package("other")
    assert package("top", one, other).hash == package("top", other, one, one).hash
    assert package("top", make=[one, other]).hash == package("top", make=[other, one, other]).hash


def test_urls_do_not_count() -> None:
    here = make_package("a", "untar", [source("a.tar", ZEROS, "https://here.example/a.tar")])
    there = make_package("a", "untar", [source("a.tar", ZEROS, "debian:pool/main/a/a.deb", "https://there.example/b")])
    assert here.hash == there.hash


def test_everything_else_counts() -> None:
    dependency, other = package("dependency"), package("other")
    hashes = [
        make_package("a", "untar").hash,
        make_package("b", "untar").hash,
        make_package("a", "true").hash,
        make_package("a", "untar", [source("a.tar")]).hash,
        make_package("a", "untar", [source("b.tar")]).hash,
        make_package("a", "untar", [source("a.tar", "1" * 64)]).hash,
        make_package("a", "untar", [source("a.tar"), source("b.tar")]).hash,
        make_package("a", "untar", [source("b.tar"), source("a.tar")]).hash,
        make_package("a", "untar", (), [dependency]).hash,
        make_package("a", "untar", (), (), [dependency]).hash,
        make_package("a", "untar", (), [other]).hash,
        make_package("a", "untar", (), [dependency], [dependency]).hash,
        make_package("a", "untar", (), [package("dependency", other)]).hash,
    ]
    assert len(set(hashes)) == len(hashes)


def test_a_plain_definition_and_the_constructor_give_one_hash() -> None:
    graph = PackageGraph()
    value = definition("top", runDeps=[definition("zlib")])
    assert graph.read(value, "venv.packages[0]").hash == package("top", package("zlib")).hash


def test_a_package_is_named_in_the_store_by_name_and_hash() -> None:
    zlib = package("zlib")
    assert zlib.tree_name == f"zlib-{zlib.hash}"
    assert len(zlib.hash) == 64


# ---- closure


def test_dependencies_come_before_dependents_and_ties_go_by_name() -> None:
    libc = package("libc")
    b, a = package("b", libc), package("a", libc)
    top = package("0top", b, a)
    assert [member.name for member in runtime_closure([top])] == ["libc", "a", "b", "0top"]


def test_build_dependencies_are_no_part_of_the_closure() -> None:
    assert [member.name for member in runtime_closure([package("tool", make=[package("cc")])])] == ["tool"]


def test_the_closure_is_a_function_of_the_set() -> None:
    libc = package("libc")
    packages = [package("c", libc), package("b"), package("a", package("b")), libc]
    orders = {runtime_closure(order) for order in itertools.permutations(packages)}
    assert len({tuple(member.hash for member in order) for order in orders}) == 1


def test_two_packages_of_one_name_stand_in_order_of_their_hashes() -> None:
    one, other = package("same", build="one"), package("same", build="other")
    first, second = sorted([one, other], key=lambda member: member.hash)
    assert runtime_closure([second, first]) == runtime_closure([first, second]) == (first, second)


# ---- definitions


def test_a_package_without_build_and_fetch_groups_its_dependencies() -> None:
    assert PackageGraph().define(definition("group"), "package").build == "untar"


BAD: list[tuple[object, str, str | None]] = [
    ("zlib", 'venv.packages[0]: must be an object, got "zlib"', None),
    (definition(runDep=[]), 'venv.packages[0]: unknown field "runDep"', "did you mean runDeps?"),
    (definition(version="1"), 'venv.packages[0]: unknown field "version"', None),
    ({"build": "untar"}, "venv.packages[0].name: is required", None),
    (definition(name=""), "venv.packages[0].name: must not be empty", None),
    (definition(name="\ud800"), "venv.packages[0].name: must be Unicode text, got half of a surrogate pair", None),
    (definition(name=7), "venv.packages[0].name: must be a string, got 7", None),
    (
        definition(name="../up"),
        "venv.packages[0].name: must be letters, digits and + . _ - and begin with a letter or digit, 128 at most; "
        'got "../up"',
        None,
    ),
    (definition(build=["a"]), 'package zlib: build: must be a string, got ["a"]', None),
    (
        definition(fetch=[fetched()]),
        'package zlib: build: is required: a script, or "untar" to unpack what is fetched',
        None,
    ),
    (definition(fetch={}), "package zlib: fetch: must be an array, got {}", None),
    (definition(fetch=[fetched(url="x")]), 'package zlib: fetch[0]: unknown field "url"', "did you mean urls?"),
    (
        definition(fetch=[fetched(sha256="0" * 63)]),
        f'package zlib: fetch[0].sha256: must be 64 lower-case hexadecimal digits, got "{"0" * 58}…',
        None,
    ),
    (
        definition(fetch=[fetched(sha256="ABC")]),
        'package zlib: fetch[0].sha256: must be 64 lower-case hexadecimal digits, got "ABC"',
        None,
    ),
    (
        definition(fetch=[fetched(filename="../a")]),
        'package zlib: fetch[0].filename: must be a plain file name, got "../a"',
        None,
    ),
    (
        definition(fetch=[fetched(filename="..")]),
        'package zlib: fetch[0].filename: must be a plain file name, got ".."',
        None,
    ),
    (
        definition(build="x", fetch=[fetched(), fetched()]),
        'package zlib: fetch[1].filename: "a.tar" stands here twice',
        None,
    ),
    (definition(fetch=[fetched(urls=[])]), "package zlib: fetch[0].urls: must name at least one url", None),
    (definition(fetch=[fetched(urls="x")]), 'package zlib: fetch[0].urls: must be an array, got "x"', None),
    (definition(fetch=[fetched(urls=[1])]), "package zlib: fetch[0].urls[0]: must be a string, got 1", None),
    (definition(runDeps=["a"]), 'package zlib: runDeps[0]: must be an object, got "a"', None),
    (definition(buildDeps={}), "package zlib: buildDeps: must be an array, got {}", None),
    (definition(runDeps=[{"build": "x"}]), "package zlib: runDeps[0].name: is required", None),
    (
        {"magpkg:package": "abc"},
        'venv.packages[0]: refers to an unknown package "abc"',
        "packages come from magpkg.package({ ... }) in this evaluation",
    ),
    (
        {"magpkg:package": "abc", "build": "x"},
        "venv.packages[0]: fields added to a package have no effect: build",
        "a package made with magpkg.package is varied with .override({ ... })",
    ),
]


@pytest.mark.parametrize(("value", "message", "hint"), BAD)
def test_bad_package(value: object, message: str, hint: str | None) -> None:
    with pytest.raises(MagpkgError) as caught:
        PackageGraph().read(value, "venv.packages[0]")
    assert caught.value.message == message
    if hint is not None:
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    "name", ["a/b", "/a", ".", "..", ".a", "-a", "a\n", "a b", "a\\b", "a" * 129, "\u00e9", "a:b", "a%b", "~"]
)
def test_no_name_means_anything_to_a_path(name: str) -> None:
    with pytest.raises(MagpkgError, match="must be letters, digits"):
        PackageGraph().read(definition(name=name), "venv.packages[0]")
    assert PackageGraph().read(definition(name="a" * 128), "venv.packages[0]")


@pytest.mark.parametrize("name", ["a/b", "/a", ".", "..", ".a", "-a", "a\n", "a b", "a\\b", "a" * 201, "\u00e9"])
def test_no_file_name_means_anything_to_a_path(name: str) -> None:
    with pytest.raises(MagpkgError, match="must be a plain file name"):
        PackageGraph().read(definition(build="untar", fetch=[fetched(filename=name)]), "venv.packages[0]")
    assert PackageGraph().read(definition(build="untar", fetch=[fetched(filename="a" * 200)]), "venv.packages[0]")


@pytest.mark.parametrize("text", ["0" * 65, "0" * 64 + "\n", "../" + "0" * 61, "A" * 64, "\u0660" * 64])
def test_a_sha256_is_no_path(text: str) -> None:
    with pytest.raises(MagpkgError, match="must be 64 lower-case hexadecimal digits"):
        PackageGraph().read(definition(build="untar", fetch=[fetched(sha256=text)]), "venv.packages[0]")


def test_an_unknown_field_with_nothing_near_names_all_fields() -> None:
    with pytest.raises(MagpkgError) as caught:
        PackageGraph().read(definition(xyzzy=1), "venv.packages[0]")
    assert caught.value.hint == "known fields: name, fetch, build, runDeps, buildDeps"


def test_a_circle_of_plain_objects_names_its_packages() -> None:
    a, b = definition("a"), definition("b")
    a["runDeps"], b["buildDeps"] = [b], [a]
    with pytest.raises(MagpkgError) as caught:
        PackageGraph().read(a, "venv.packages[0]")
    assert caught.value.message == "package a: depends on itself: a -> b -> a"


def test_too_many_plain_objects_are_counted_and_the_constructor_is_named() -> None:
    layer: list[dict[str, Any]] = [definition("leaf")]
    for depth in range(14):
        layer = [definition(f"n{depth}", runDeps=layer + layer)]
    with pytest.raises(MagpkgError) as caught:
        PackageGraph().read(layer[0], "venv.packages[0]")
    assert f"more than {PLAIN_NODES_MAX} package objects, at least " in caught.value.message
    assert "magpkg.package" in (caught.value.hint or "") or "package({ ... })" in (caught.value.hint or "")


def test_the_bound_itself_is_allowed() -> None:
    leaves = [definition(f"p{index}") for index in range(PLAIN_NODES_MAX - 1)]
    assert len(PackageGraph().read(definition("top", runDeps=leaves), "x").run_deps) == PLAIN_NODES_MAX - 1


def test_plain_packages_nested_too_deep_are_an_error() -> None:
    value = definition("p")
    for _ in range(300):
        value = definition("p", runDeps=[value])
    with pytest.raises(MagpkgError) as caught:
        PackageGraph().read(value, "venv.packages[0]")
    assert caught.value.message == "package p: plain packages are nested more than 200 deep"
