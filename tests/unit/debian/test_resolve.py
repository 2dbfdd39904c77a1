"""Resolution by Debian's rules, on indices written out here."""

import pytest

from magpkg.debian.index import PackagesIndex, Universe
from magpkg.debian.resolve import resolve
from magpkg.errors import MagpkgError


def universe(*packages: str) -> Universe:
    """Packages from "name version | Field: value | ..." lines."""
    paragraphs = []
    for text in packages:
        head, *fields = text.split(" ; ")
        name, version = head.split()
        known = [
            f"Package: {name}",
            f"Version: {version}",
            "Architecture: amd64",
            "Size: 1",
            f"SHA256: {name}{version}",
        ]
        paragraphs.append("\n".join([*known, f"Filename: pool/{name}.deb", *fields]) + "\n\n")
    return Universe([[PackagesIndex("".join(paragraphs).encode(), "index")]], "amd64")


def versions(*packages: str, names: tuple[str, ...] = ("a",), recommends: bool = False) -> dict[str, str]:
    return {name: pin.version for name, pin in resolve(universe(*packages), names, recommends=recommends).items()}


def test_a_circle_is_closed() -> None:
    pins = resolve(universe("a 1 ; Depends: b", "b 1 ; Pre-Depends: a"), ["a"])
    assert (pins["a"].depends, pins["b"].depends) == (("b",), ("a",))


def test_the_highest_version_is_taken_in_debians_order() -> None:
    assert versions("a 1.9", "a 1.10~rc1", "a 1.10", "a 1.2") == {"a": "1.10"}


def test_the_first_alternative_that_exists_is_taken() -> None:
    assert "c" in versions("a 1 ; Depends: b | c | d", "c 1", "d 1")


def test_a_versioned_alternative_must_have_the_version() -> None:
    assert set(versions("a 1 ; Depends: b (>= 2) | c", "b 1", "c 1")) == {"a", "c"}


def test_an_alternative_that_is_asked_for_meets_the_dependency() -> None:
    assert set(versions("a 1 ; Depends: b | c", "b 1", "c 1", names=("a", "c"))) == {"a", "c"}


def test_a_virtual_package_comes_from_the_provider_of_highest_priority() -> None:
    found = versions("a 1 ; Depends: v", "p 1 ; Provides: v", "q 1 ; Provides: v ; Priority: required")
    assert set(found) == {"a", "q"}


def test_a_provided_name_without_a_version_meets_no_versioned_dependency() -> None:
    found = versions("a 1 ; Depends: v (>= 2)", "p 1 ; Provides: v", "q 1 ; Provides: v (= 2)")
    assert set(found) == {"a", "q"}


def test_a_later_constraint_starts_the_resolution_again() -> None:
    found = versions("a 1 ; Depends: b, c", "b 2", "b 1", "c 1 ; Depends: d", "d 1 ; Depends: b (<< 2)")
    assert found["b"] == "1"


def test_a_held_pin_stays_until_something_needs_more() -> None:
    held = resolve(universe("b 1"), ["b"])
    assert resolve(universe("b 1", "b 2"), ["b"], held)["b"].version == "1"
    assert resolve(universe("a 1 ; Depends: b (>= 2)", "b 1", "b 2"), ["a", "b"], held)["b"].version == "2"
    assert resolve(universe("b 2"), ["b"], held)["b"].version == "2"


def test_recommends_come_with_the_switch_only() -> None:
    packages = ("a 1 ; Recommends: b, nowhere", "b 1")
    assert set(versions(*packages)) == {"a"}
    assert set(versions(*packages, recommends=True)) == {"a", "b"}


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (("a 1 ; Depends: b",), ("a 1", "depends on b")),
        (("a 1 ; Depends: b (>= 2)", "b 1"), ("b (>= 2)", "b 1")),
        (("a 1 ; Depends: b, c", "b 1 ; Conflicts: c", "c 1"), ("b 1", "conflicts with c", "c 1")),
        (("a 1 ; Depends: b, c", "b 1 ; Breaks: c (<< 2)", "c 1"), ("b 1", "breaks c (<< 2)", "c 1")),
        (("p 1 ; Provides: a",), ("a is a virtual package",)),
        (("b 1",), ("there is no package a",)),
    ],
)
def test_what_cannot_be_is_an_error_that_names_both_sides(packages: tuple[str, ...], words: tuple[str, ...]) -> None:
    with pytest.raises(MagpkgError) as caught:
        versions(*packages)
    assert all(word in caught.value.message for word in words)


def test_a_package_may_conflict_with_what_it_provides_itself() -> None:
    assert set(versions("a 1 ; Provides: v ; Conflicts: v")) == {"a"}
