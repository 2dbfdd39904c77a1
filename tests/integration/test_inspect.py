"""`magpkg show`, `list` and `du` on a store with real venvs in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg

MANIFEST = """
local magpkg = import 'magpkg/magpkg.libsonnet';
local core = import 'magpkg/packages/core.libsonnet';
{ packages: [core.dash, magpkg.package({ name: 'mine', build: 'untar', fetch: [] })],
  envSet: { TOKEN: 'geheim' }, fsEntries: [{ path: '/etc/mine', type: 'file', contents: '%s' }] }
"""


class Place:
    """A directory with a manifest, and a store of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "MAGPKG_STORE": str(directory / "store")}

    def write(self, contents: str) -> None:
        (self.directory / "magpkg.jsonnet").write_text(MANIFEST % contents)

    def words(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "magpkg", *arguments]

    def said(self, *arguments: str) -> str:
        done = subprocess.run(
            self.words(*arguments),
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("inspect"))
    for contents in ("one", "two"):
        made.write(contents)
        made.said("venv", "-q", "--", "sh", "-c", ":")
    yield made


def test_list_tells_manifests_packages_and_use(place: Place) -> None:
    (first, second) = json.loads(place.said("list", "--json"))["venvs"]
    assert first["manifests"] == second["manifests"] == [str(place.directory / "magpkg.jsonnet")]
    assert any(name.startswith("mine-") for name in first["packages"])
    assert not first["running"]
    assert first["idleDays"] <= second["idleDays"]


def test_list_says_what_runs(place: Place) -> None:
    words = place.words("venv", "-q", "--", "sh", "-c", "echo up; read line")
    with subprocess.Popen(
        words, cwd=place.directory, env=place.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        states = [venv["running"] for venv in json.loads(place.said("list", "--json"))["venvs"]]
        assert sorted(states) == [False, True]
        assert "running" in place.said("list")
        running.communicate("\n")


def test_shared_files_count_once(place: Place) -> None:
    told = json.loads(place.said("du", "--json"))
    kinds = {kind["kind"]: kind for kind in told["kinds"]}
    assert kinds["venvs"]["count"] == 2
    assert kinds["venvs"]["aloneBytes"] < kinds["venvs"]["bytes"]
    assert told["bytes"] < sum(kind["bytes"] for kind in kinds.values())
    assert [item["freedBytes"] for item in told["cleanup"]] == [0, 0, 0]


def test_show_hides_values_unless_asked(place: Place) -> None:
    plain = place.said("show") + place.said("show", "--json")
    assert "TOKEN" in plain
    assert "geheim" not in plain
    assert "TOKEN=geheim" in place.said("show", "--values")
    told = json.loads(place.said("show", "--json"))
    assert told["made"]
    assert [package["name"] for package in told["packages"]] == ["dash", "mine"]


def test_show_of_a_venv_that_is_not_made(place: Place) -> None:
    told = json.loads(place.said("show", "--json", "-e", "{ packages: [] }"))
    assert (told["made"], told["bytes"], told["closure"]) == (False, None, 0)


def test_cleanup_removes_what_lies_beside_a_venv(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.write("x")
    place.said("venv", "-q", "--", "sh", "-c", ":")
    place.said("cleanup", "--all", "--max-age-days", "0")
    for directory in ("venv", "origins", "pkgs"):
        assert os.listdir(tmp_path / "store" / directory) == []


def test_a_graph_is_drawn_the_same_every_time(magpkg: Magpkg) -> None:
    manifest = expression(["bash", "git"])
    nodes = json.loads(magpkg.run("tree", "--json", "-e", manifest).checked().stdout)["packages"].values()
    drawn = magpkg.run("graph", "--format", "svg", "-e", manifest).checked().stdout
    assert (
        magpkg.run("graph", "--format", "svg", "--offline", "-e", manifest, stdin="no graph").checked().stdout == drawn
    )
    picture = ElementTree.fromstring(drawn)  # noqa: S314 - it is our own
    groups = [group for group in picture.iter("{http://www.w3.org/2000/svg}g") if group.get("class") == "node"]
    texts = {text for group in groups for text in ("".join(group.itertext()),)}
    assert len(groups) == len(nodes)
    assert all(any(node["name"] in text and node["version"] in text for text in texts) for node in nodes)


def test_a_graph_that_cannot_be_drawn(own_store: Magpkg) -> None:
    missing = own_store.run("graph", "--format", "svg", "--offline", "-e", expression(["dash"]))
    assert (missing.status, missing.stdout) == (1, "")
    assert "graphviz" in missing.stderr
