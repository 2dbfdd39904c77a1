"""Archives that are made to take for ever: every resolution and every look into an index ends, and soon."""

import time
from collections.abc import Callable, Iterator

import pytest

from magpkg.debian.index import PackagesIndex, Universe
from magpkg.debian.resolve import Effort, resolve
from magpkg.errors import MagpkgError

SECONDS = 60.0
FIELDS = "Architecture: amd64\nSize: 1\nSHA256: 0\nFilename: pool/a.deb"


def paragraph(name: str, version: str = "1", *more: str) -> str:
    return "\n".join([f"Package: {name}", f"Version: {version}", FIELDS, *more, "", ""])


def universe(text: str) -> Universe:
    return Universe([[PackagesIndex(text.encode(), "index")]], "amd64")


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """Each of them takes seconds; without its bound, hours."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SECONDS


def refused(text: str, effort: Effort | None = None) -> str:
    with pytest.raises(MagpkgError) as caught:
        resolve(universe(text), ["a"], effort=effort)
    assert len(str(caught.value)) < 2000
    return caught.value.message


def test_a_resolution_that_begins_anew_without_end_is_given_up() -> None:
    # Each try excludes the best version of x that is left, and there is always one more.
    count = 500
    versions = "".join(paragraph("x", str(number)) for number in range(count))
    clashing = "".join(paragraph(f"c{number}", "1", f"Conflicts: x (= {number})") for number in range(count))
    needed = ", ".join(f"c{number}" for number in range(count))
    text = paragraph("a", "1", f"Depends: x, {needed}") + versions + clashing
    assert "the dependencies are given up after" in refused(text)
    assert "given up after 20 tries, the last since c" in refused(text, Effort(tries_max=20))
    assert "given up after 0 seconds" in refused(text, Effort(seconds_max=0.1))


def test_comparisons_without_end_are_given_up() -> None:
    names = ", ".join(f"v{number}" for number in range(1000))
    packages = "".join(
        paragraph(f"p{number}", "1", f"Provides: {names}", f"Conflicts: {names.replace('v', 'w')}")
        for number in range(200)
    )
    needed = ", ".join(f"p{number} | q" for number in range(200))
    text = paragraph("a", "1", f"Depends: {needed}") + paragraph("q") + packages
    assert "given up after 1,000,000 comparisons" in refused(text, Effort(comparisons_max=1_000_000))


def test_a_long_chain_is_told_shortly() -> None:
    count = 5000
    chain = "".join(paragraph(f"b{number}", "1", f"Depends: b{number + 1}") for number in range(count))
    said = refused(paragraph("a", "1", "Depends: b0") + chain)
    assert f"needed by b{count - 2}, by" in said
    assert "depends on b5000, which cannot be had" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Package: x\n" * 3_000_000, "one paragraph has two fields Package"),
        (paragraph("a", "1", "X: y\n z" + "\n z" * 3_000_000), "a paragraph has more than 1048576 bytes"),
        ("".join(paragraph("a", str(number)) for number in range(20_000)), "more than 10000 packages have or provide"),
        (
            paragraph("a", "1", "Depends: v")
            + "".join(paragraph(f"b{number}", "1", "Provides: v") for number in range(20_000)),
            "more than 10000 packages have or provide",
        ),
    ],
    ids=["many names", "long paragraph", "many versions", "many providers"],
)
def test_an_index_of_a_form_that_no_archive_has_is_refused(text: str, said: str) -> None:
    assert said in refused(text)


@pytest.mark.parametrize(
    "look",
    [
        lambda index: list(index.provided),
        lambda index: list(index.search(["x"])),
        lambda index: list(index.marked("Essential: yes")),
        lambda index: list(index.names_from("x")),
    ],
    ids=["provided", "search", "marked", "names"],
)
def test_one_paragraph_of_many_lines_is_gone_through_once(look: Callable[[PackagesIndex], object]) -> None:
    lines = b"Package: x\nProvides: x\nDescription: x\nEssential: yes\n" * 200_000
    try:
        look(PackagesIndex(lines, "index"))
    except MagpkgError as error:
        assert "a paragraph has more than" in error.message


def test_relations_as_long_as_a_paragraph_may_be_are_read() -> None:
    group = " | ".join(["b"] * 100_000)
    pins = resolve(universe(paragraph("a", "1", f"Depends: {group}") + paragraph("b")), ["a"])
    assert set(pins) == {"a", "b"}


def test_paragraphs_begin_where_they_did() -> None:
    text = (
        paragraph("a", "1", "Essential: yes") + paragraph("b") + "Essential: yes\n" + paragraph("c", "1", "Provides: v")
    )
    index = PackagesIndex(text.encode(), "index")
    assert list(index.marked("Essential: yes")) == ["a", "c"]
    assert [index.candidate(offset, "amd64").name for offset in index.offsets["b"]] == ["b"]
    assert [index.candidate(offset, "amd64").name for offset in index.provided["v"]] == ["c"]
    assert [match.name for match in index.search(["b"])] == ["b"]
