"""Presets by their names, in any kind of manifest: what a program adds by hand, a list of names adds as well."""

import json
from pathlib import Path

import pytest

from magpkg.evaluation.evaluate import evaluate
from magpkg.evaluation.inputs import Inputs
from magpkg.manifest.package import PackageGraph
from tests.support.process import Magpkg

BASE = "(import 'magpkg/packages/core.libsonnet').base"
OWN = {"mounts": [{"type": "tmpfs", "target": "/srv"}], "envSet": {"A": "1"}, "envKeep": ["B"]}


def shown(magpkg: Magpkg, text: str) -> object:
    """What a Jsonnet manifest comes to, but for the packages."""
    told = json.loads(magpkg.run("show", "--json", "-e", text).checked().stdout)
    return {name: told[name] for name in ("mounts", "envSet", "envKeep")}


def test_a_list_of_names_is_as_adding_them_by_hand(magpkg: Magpkg) -> None:
    host = "(import 'magpkg/magpkg.libsonnet').host"
    by_hand = f"{{ packages: {BASE} }} + {json.dumps(OWN)} + {host}.caBundle + {host}.temporaryHome + {host}.sshAgent"
    named = json.dumps({**OWN, "presets": ["caBundle", "temporaryHome", "sshAgent", "caBundle"]})
    assert shown(magpkg, f"{{ packages: {BASE} }} + {named}") == shown(magpkg, by_hand)


@pytest.mark.parametrize("name", ["magpkg.yaml", "magpkg.json"])
def test_data_can_name_them(magpkg: Magpkg, name: str) -> None:
    path = Path(magpkg.directory, name)
    path.write_text(json.dumps({"packages": [], "presets": ["gitIdentity"]}))
    told = json.loads(magpkg.run("show", "--json").checked().stdout)
    assert "GIT_AUTHOR_NAME" in told["envKeep"]
    path.write_text(json.dumps({"packages": [], "presets": []}))
    assert json.loads(magpkg.run("show", "--json").checked().stdout)["envKeep"] == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["gitidentity"], 'venv.presets[0]: there is no preset "gitidentity"'),
        (["caBundle", "zzz"], "venv.presets[1]: there is no preset"),
        ("caBundle", "venv.presets: must be an array"),
        ([7], "venv.presets[0]: must be a string"),
        (["a'] + error 'x"], "venv.presets[0]: there is no preset"),
    ],
)
def test_what_is_no_preset_is_named(magpkg: Magpkg, value: object, said: str) -> None:
    Path(magpkg.directory, "magpkg.json").write_text(json.dumps({"packages": [], "presets": value}))
    done = magpkg.run("show")
    assert done.status == 1 and said in done.stderr


def test_a_value_of_the_manifest_stays_a_value(tmp_path: Path) -> None:
    odd = "'; error 'x' + \"\\u2028\n${HOME}%s\u00e9"
    value = {"packages": [], "presets": ["caBundle"], "fsEntries": [{"type": "file", "path": "/x", "contents": odd}]}
    path = tmp_path / "magpkg.json"
    path.write_text(json.dumps(value))
    evaluated = evaluate(Inputs(file=str(path)), PackageGraph()).value
    assert isinstance(evaluated, dict)
    assert evaluated["fsEntries"] == value["fsEntries"] and "SSL_CERT_FILE" in evaluated["envSet"]
