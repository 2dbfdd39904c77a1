"""Names that are put into a manifest's text and taken out again leave it as it was."""

import json

import yaml
from hypothesis import given
from hypothesis import strategies as st

from magpkg.project.namelist import with_names, without_names

NAMES = st.lists(st.sampled_from(["git", "make", "g++", "a.b", "yes", "7zip"]), min_size=1, max_size=5, unique=True)
STYLES = st.sampled_from([None, True, False])
ENDS = st.sampled_from(["", " # c, d", "\n# [e]"])


@given(NAMES, STYLES, ENDS, st.sampled_from([2, 4, 8]), st.sampled_from([12, 80]))
def test_what_is_added_and_removed_again_leaves_the_text(
    names: list[str], flow: bool | None, end: str, indent: int, width: int
) -> None:
    value = {"packages": names, "mounts": ["${PWD}"]}
    text = yaml.safe_dump(value, default_flow_style=flow, indent=indent, width=width, sort_keys=False).rstrip() + end
    added, _ = with_names("m.yaml", f"{text}\n", ["jq", "gdb"])
    assert yaml.safe_load(added)["packages"] == [*names, "jq", "gdb"]
    assert without_names("m.yaml", added, ["gdb", "jq"])[0] == f"{text}\n"
    for name in names[1:]:
        rest, _ = without_names("m.yaml", added, [name])
        assert yaml.safe_load(rest)["packages"] == [*(n for n in names if n != name), "jq", "gdb"]


@given(NAMES, st.sampled_from([None, 0, 2, "\t"]))
def test_the_same_in_json(names: list[str], indent: int | str | None) -> None:
    text = json.dumps({"packages": names, "network": False}, indent=indent)
    added, _ = with_names("m.json", text, ["jq", "gdb"])
    assert json.loads(added)["packages"] == [*names, "jq", "gdb"]
    assert without_names("m.json", added, ["gdb", "jq"])[0] == text
