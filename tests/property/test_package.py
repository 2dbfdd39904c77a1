"""The order of a closure depends on the set of packages alone."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from magpkg.manifest.package import runtime_closure
from tests.support.manifests import package


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.integers(0, 11))), max_size=12), st.randoms())
def test_any_closure_is_ordered_and_complete(nodes: list[tuple[str, set[int]]], random: Any) -> None:
    made: list[Any] = []
    for name, below in nodes:
        made.append(package(name, *(made[index] for index in sorted(below) if index < len(made))))
    closure = runtime_closure(made)
    place = {member.hash: index for index, member in enumerate(closure)}
    assert set(place) == {member.hash for member in made}
    assert all(place[below.hash] < place[member.hash] for member in closure for below in member.run_deps)
    random.shuffle(made)
    assert [member.hash for member in runtime_closure(made)] == [member.hash for member in closure]
