"""Names put into a manifest's text and taken out of it: every other character stays."""

import json

import pytest
import yaml

from magpkg.errors import MagpkgError
from magpkg.project.namelist import with_names, without_names

ADDED = [
    ("packages: [git]\n", "packages: [git, jq]\n"),
    ("packages: []\n", "packages: [jq]\n"),
    ("packages: [ git , make ] # c\n", "packages: [ git , make , jq ] # c\n"),
    ("packages: ['git', 'make']", "packages: ['git', 'make', 'jq']"),
    ("packages: ['git', make]", "packages: ['git', make, jq]"),
    ('packages: ["git",]', 'packages: ["git", "jq",]'),
    (
        "packages: [\n  git,  # c\n  make  # d, f\n  # e\n]\n",
        "packages: [\n  git,  # c\n  make,  # d, f\n  jq\n  # e\n]\n",
    ),
    ("packages: [\n  git,\n  make,  # d, e\n]\n", "packages: [\n  git,\n  make,  # d, e\n  jq,\n]\n"),
    ("packages: [\n  git,\n  make]\n", "packages: [\n  git,\n  make,\n  jq]\n"),
    ("packages: [\n]\n", "packages: [jq\n]\n"),
    ("packages:\n- git\n", "packages:\n- git\n- jq\n"),
    ("packages:\n- git", "packages:\n- git\n- jq"),
    ("packages:\r\n  -  git # c\r\nmounts: []\r\n", "packages:\r\n  -  git # c\r\n  -  jq\r\nmounts: []\r\n"),
    (
        "packages:\n  - git\n  # end\n\n# next\nmounts: []\n",
        "packages:\n  - git\n  - jq\n  # end\n\n# next\nmounts: []\n",
    ),
    ('packages:\n  - "git"\n  - "make"\n', 'packages:\n  - "git"\n  - "make"\n  - "jq"\n'),
    (
        "packages:\n  - git\n  - name: x\n    runDeps:\n    - name: y # c\n  # d\nmounts: &m []\n",
        "packages:\n  - git\n  - name: x\n    runDeps:\n    - name: y # c\n  - jq\n  # d\nmounts: &m []\n",
    ),
    (
        "packages:\n  - name: x\n    build: |\n      make\n\n  # c\nnetwork: true\n",
        "packages:\n  - name: x\n    build: |\n      make\n\n  - jq\n  # c\nnetwork: true\n",
    ),
    ("packages: &p\n  - &g git\n  - *g\n", "packages: &p\n  - &g git\n  - *g\n  - jq\n"),
    ("# packages: [x]\nenvSet: {packages: 'no'}\npackages: [git]", None),
    ("\ufeffpackages: [git]\n", "\ufeffpackages: [git, jq]\n"),
]
REMOVED = [
    ("packages: [git, jq]\n", "packages: [git]\n"),
    ("packages: [jq, git]\n", "packages: [git]\n"),
    ("packages: [git, jq, make]\n", "packages: [git, make]\n"),
    ("packages: [jq, git, jq,]\n", "packages: [git,]\n"),
    ("packages: [\n  git,  # c\n  jq,  # d\n  make\n]\n", "packages: [\n  git,  # c\n  make\n]\n"),
    ("packages: [\n  git,  # c, d\n  jq\n  # e\n]\n", "packages: [\n  git  # c, d\n  # e\n]\n"),
    ("packages: [\n  jq,\n  git\n]\n", "packages: [\n  git\n]\n"),
    ("packages: [git,\n  jq]\n", "packages: [git]\n"),
    ("packages: [git, # c\n  jq]\n", "packages: [git # c\n  ]\n"),
    ("packages: [jq,\n  git]\n", "packages: [\n  git]\n"),
    ("packages:\n- jq  # c\n- git\n", "packages:\n- git\n"),
    ("packages:\r\n  - git\r\n  - 'jq'\r\n# c\r\n", "packages:\r\n  - git\r\n# c\r\n"),
    ("packages:\n- git\n- jq", "packages:\n- git\n"),
    ("packages:\n  # why\n  - jq\n  - git\nmounts: ['a']\n", "packages:\n  # why\n  - git\nmounts: ['a']\n"),
]
JSON_ADDED = [
    ('{"packages":["git","make"]}', '{"packages":["git","make","jq"]}'),
    ('{\n\t"packages": [\n\t\t"git"\n\t]\n}\n', '{\n\t"packages": [\n\t\t"git",\n\t\t"jq"\n\t]\n}\n'),
    ('{"packages": ["#,", "b"], "a": "]"}', '{"packages": ["#,", "b", "jq"], "a": "]"}'),
    ('{ "a": {"packages": [1]}, "packages" : [ ] }', '{ "a": {"packages": [1]}, "packages" : ["jq" ] }'),
    ('{"packages": ["x"], "packages": ["git"]}', '{"packages": ["x"], "packages": ["git", "jq"]}'),
    ('{"packages": [{"name": "x", "runDeps": []}]}', '{"packages": [{"name": "x", "runDeps": []}, "jq"]}'),
]


@pytest.mark.parametrize(("text", "expected"), ADDED)
def test_added_to_yaml(text: str, expected: str | None) -> None:
    edited, value = with_names("m.yaml", text, ["jq", "jq"])
    assert edited == (text.replace("[git]", "[git, jq]") if expected is None else expected)
    assert value == yaml.safe_load(edited)
    assert with_names("m.yaml", edited, ["jq"])[0] == edited


@pytest.mark.parametrize(("text", "expected"), REMOVED)
def test_removed_from_yaml(text: str, expected: str) -> None:
    assert without_names("m.yaml", text, ["jq"])[0] == expected


@pytest.mark.parametrize(("text", "expected"), JSON_ADDED)
def test_added_to_json_and_removed_again(text: str, expected: str) -> None:
    assert with_names("m.json", text, ["jq"])[0] == expected
    if json.loads(text)["packages"]:
        assert without_names("m.json", expected, ["jq"])[0] == text


@pytest.mark.parametrize("name", ["1e3", "0", "yes", "on", "1:30", "null"])
def test_a_name_that_yaml_would_read_otherwise_is_quoted(name: str) -> None:
    text, _ = with_names("m.yaml", "packages: [git]", [name])
    assert yaml.safe_load(text)["packages"] == ["git", name]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("packages: *p\nenvKeep: &p [git]\n", "undefined alias"),
        ("envKeep: &p [git, make]\npackages: *p\n", "by hand"),
        ("<<: {packages: [git, make]}\n", "by hand"),
        ("packages:\n- &g git\n- *g\n- make\n", "by hand"),
        ("packages:\n-\n  git\n- make\n", "by hand"),
        ("packages: git\n", "has no list"),
        ("[git]\n", "has no list"),
        ("packages: [make, gitt]\n", "did you mean gitt"),
        ("packages: [git]\n", "no package left"),
    ],
)
def test_what_cannot_be_changed_is_said(text: str, words: str) -> None:
    with pytest.raises(MagpkgError) as raised:
        without_names("m.yaml", text, ["git"])
    assert words in f"{raised.value.message} {raised.value.hint}"


def test_what_would_come_to_something_else_is_refused() -> None:
    with pytest.raises(MagpkgError, match="cannot change"):
        without_names("m.yaml", "packages: [1, git, '1']\n", ["1"])
