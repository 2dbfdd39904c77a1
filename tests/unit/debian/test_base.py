"""The base of a suite: Essential packages, what of the required ones programs expect, and what is added."""

from magpkg.debian.base import base_of
from magpkg.debian.index import PackagesIndex, Universe


def paragraph(name: str, *fields: str) -> str:
    own = [f"Package: {name}", "Version: 1", "Architecture: all", f"Filename: pool/{name}.deb", "Size: 1", "SHA256: 0"]
    return "\n".join([*own, *fields]) + "\n"


def base(*suites: list[str]) -> tuple[str, ...]:
    return base_of(Universe([[PackagesIndex("\n".join(suite).encode(), "test")] for suite in suites], "amd64"))


def test_essential_packages_are_the_base_first_last_and_between() -> None:
    essential = "Essential: yes"
    assert base([paragraph("a", essential), paragraph("b"), paragraph("c", essential), paragraph("d", essential)]) == (
        "a",
        "c",
        "d",
    )


def test_of_required_packages_those_that_programs_expect() -> None:
    suite = [
        paragraph("tzdata", "Priority: required", "Section: localization"),
        paragraph("zones", "Priority: required", "Section: contrib/localization"),
        paragraph("mount", "Priority: required", "Section: admin"),
        paragraph("libc6", "Priority: required", "Section: libs"),
        paragraph("nano", "Priority: important", "Section: editors"),
    ]
    assert base(suite) == ("tzdata", "zones")


def test_one_awk_is_enough() -> None:
    mawk = paragraph("mawk", "Priority: required", "Section: interpreters", "Provides: awk")
    gawk = paragraph("gawk", "Section: interpreters", "Provides: awk")
    assert base([mawk]) == ("mawk",)
    assert base([mawk, gawk]) == ("gawk",)


def test_the_preferred_suite_decides() -> None:
    assert base([paragraph("login")], [paragraph("login", "Essential: yes")]) == ()
    assert base([paragraph("login", "Essential: yes")], [paragraph("login")]) == ("login",)
