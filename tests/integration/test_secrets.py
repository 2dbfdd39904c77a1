"""No value of the environment and no content of a file in the manifest is told to anybody: arguments, logs, --debug."""

import json
import os
import pathlib
import stat

import pytest

from tests.support.manifests import expression
from tests.support.process import Magpkg

LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "
RECORDER = """#!/bin/sh
for process in /proc/[0-9]*; do tr '\\0' ' ' <$process/cmdline 2>/dev/null; echo; done >>{record}
env >>{record}
exec {bwrap} "$@"
"""


@pytest.fixture
def watched(own_store: Magpkg, tmp_path: pathlib.Path) -> tuple[Magpkg, pathlib.Path]:
    """A magpkg whose bwrap first notes its variables and the arguments of every process, and those notes."""
    record = tmp_path / "record"
    folder = tmp_path / "bin"
    folder.mkdir()
    real = next(f"{place}/bwrap" for place in os.environ["PATH"].split(":") if os.path.exists(f"{place}/bwrap"))
    (folder / "bwrap").write_text(RECORDER.format(record=record, bwrap=real))
    (folder / "bwrap").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    return Magpkg(own_store.store, own_store.home, own_store.directory, variables={"PATH": path}), record


def test_nothing_secret_is_an_argument_a_log_or_a_message(watched: tuple[Magpkg, pathlib.Path]) -> None:
    magpkg, record = watched
    script = "#!/bin/busybox sh\n/bin/busybox env\n/bin/busybox cat /proc/1/cmdline\ntouch /out/made || :\n"
    built = f"magpkg.package({{ name: 'made', build: {json.dumps(script)}, buildDeps: [core['busybox-static']] }})"
    entries = [{"type": "file", "path": "/srv/token", "contents": "hush-contents", "mode": "600"}]
    fields = {"envSet": {"TOKEN": "hush-set"}, "envKeep": ["KEPT"], "fsEntries": entries}
    manifest = pathlib.Path(magpkg.directory, "magpkg.jsonnet")
    manifest.write_text(f"{LIBRARY}{{ packages: [core['busybox-static'], {built}] }} + {json.dumps(fields)}")
    shown = "/bin/busybox cat /srv/token; echo; echo $TOKEN $KEPT"
    for options in ([], ["--debug"], []):
        words = ["venv", *options, "-f", str(manifest), "--", "/bin/busybox", "sh", "-c", shown]
        done = magpkg.run(*words, env={"KEPT": "hush-kept", "OTHER": "hush-other"}).checked()
        assert done.stdout == "hush-contents\nhush-set hush-kept\n"
        assert "hush" not in done.stderr
    noted = record.read_text()
    assert noted.count("bwrap --args") >= 3
    assert "/script" in noted, "the build's bwrap was not seen"
    assert "hush" not in noted
    (log,) = pathlib.Path(magpkg.store, "pkgs").glob("made-*.log")
    assert "SOURCE_DATE_EPOCH" in log.read_text()
    assert "hush" not in log.read_text()
    plans = list(pathlib.Path(magpkg.store, "eval").iterdir())
    assert plans
    assert {stat.S_IMODE(plan.stat().st_mode) for plan in plans} == {0o600}
    holders = {
        path.relative_to(magpkg.store).parts[0]
        for path in pathlib.Path(magpkg.store).rglob("*")
        if path.is_file() and not path.is_symlink() and b"hush-" in path.read_bytes()
    }
    assert holders == {"eval", "venv"}
    assert not [plan for plan in plans if b"hush-kept" in plan.read_bytes() or b"hush-contents" in plan.read_bytes()]
    assert stat.S_IMODE(os.stat(magpkg.store).st_mode) == 0o700


@pytest.mark.parametrize(
    "fields",
    [
        {"envSet": {"A": "hush\0"}},
        {"envSet": {"A": ["hush"]}},
        {"fsEntries": [{"type": "file", "path": "/a", "contents": "hush\0"}]},
        {"fsEntries": [{"type": "file", "path": "/a", "contents": ["hush"]}]},
    ],
)
def test_an_error_about_a_secret_does_not_show_it(magpkg: Magpkg, fields: dict[str, object]) -> None:
    done = magpkg.run("venv", "--debug", "-e", expression(["busybox-static"], **fields), "--", "true")
    assert done.status == 125
    assert "error" in done.stderr
    assert "hush" not in done.stderr
