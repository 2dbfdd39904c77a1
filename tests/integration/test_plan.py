"""Cached plans: a second launch takes the short way, and only while everything that the plan came from is unchanged."""

import os
import pathlib
import shutil
from collections.abc import Callable

import pytest

from magpkg import __file__ as package_file
from tests.support.files import settle
from tests.support.process import Magpkg

CORE_LOCK = f"{os.path.dirname(package_file)}/data/magpkg/packages/core.lock.json"
MANIFEST = "(import 'lib/base.libsonnet') + { envSet: { A: 'one' } }"
LIBRARY = (
    "local core = import 'magpkg/packages/core.libsonnet'; "
    "{ packages: [core.bash, core.coreutils, core.dash], mounts: ['${PWD}'] }"
)
# What of magpkg a warm launch imports; of the standard library these take fcntl and _ctypes beyond a bare interpreter.
LAUNCH = ("bwrap", "environment", "hostfiles", "inherited", "kernel", "lock", "plan", "sentinel", "supervise")
WARM_MODULES = {f"magpkg.launch.{name}" for name in LAUNCH} | {
    "magpkg",
    "magpkg.__main__",
    "magpkg.errors",
    "magpkg.launch",
    "magpkg.start",
}


def project(magpkg: Magpkg) -> pathlib.Path:
    """A project whose manifest imports a library, both old enough to be trusted."""
    directory = pathlib.Path(magpkg.directory)
    (directory / "lib").mkdir()
    (directory / "lib" / "base.libsonnet").write_text(LIBRARY)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    settle(directory)
    return directory


def imported(magpkg: Magpkg, *command: str, entering: tuple[str, ...] = ("venv",)) -> set[str]:
    """The modules that a launch imports, as -X importtime tells."""
    done = magpkg.run(*entering, "--", *command, env={"PYTHONPROFILEIMPORTTIME": "1"}).checked()
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def is_warm(magpkg: Magpkg) -> bool:
    """Whether a launch went the short way: the command line was not even imported."""
    return "magpkg.commands" not in imported(magpkg, "true")


def launched(magpkg: Magpkg, script: str = "echo $A") -> str:
    """What a launch prints."""
    return magpkg.run("venv", "--", "sh", "-c", script).checked().stdout.strip()


def test_a_warm_launch_imports_only_what_it_uses(magpkg: Magpkg) -> None:
    project(magpkg)
    assert launched(magpkg) == "one"
    mine = {name for name in imported(magpkg, "true") if name.partition(".")[0] in ("magpkg", "click", "json", "yaml")}
    assert mine == WARM_MODULES - {"magpkg.__main__"}


def edit_keeping_size_and_time(path: pathlib.Path) -> None:
    before = os.stat(path)
    path.write_text(path.read_text().replace("'one'", "'two'"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


def shadow_the_library(directory: pathlib.Path) -> None:
    (directory / "lib" / "magpkg" / "packages").mkdir(parents=True)
    shipped = "{ bash: error 'shadowed' }"
    (directory / "lib" / "magpkg" / "packages" / "core.libsonnet").write_text(shipped)


CHANGES: dict[str, tuple[Callable[[pathlib.Path], object], str | None]] = {
    "manifest edited": (lambda d: (d / "magpkg.jsonnet").write_text(MANIFEST.replace("one", "three")), "three"),
    "edit that keeps size and time": (lambda d: edit_keeping_size_and_time(d / "magpkg.jsonnet"), "two"),
    "import edited": (lambda d: (d / "lib/base.libsonnet").write_text(LIBRARY + "+ { envSet+: {} }"), "one"),
    "a folder of the name of what ships": (shadow_the_library, "one"),
    "import removed": (lambda d: (d / "lib" / "base.libsonnet").unlink(), None),
}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_is_noticed(magpkg: Magpkg, name: str) -> None:
    directory = project(magpkg)
    change, printed = CHANGES[name]
    assert launched(magpkg) == "one"
    assert is_warm(magpkg)
    change(directory)
    if printed is not None:
        assert launched(magpkg) == printed
    else:
        assert magpkg.run("venv", "--", "true").status == 125


def test_a_file_that_is_found_earlier_on_the_import_path_is_noticed(magpkg: Magpkg) -> None:
    directory = project(magpkg)
    (directory / "magpkg.jsonnet").write_text(f"({MANIFEST}) + (import 'more.libsonnet')")
    (directory / "far").mkdir()
    (directory / "far/more.libsonnet").write_text("{}")
    settle(directory)
    words = ("venv", "-J", "far", "--", "sh", "-c", "echo $A")
    assert [magpkg.run(*words).checked().stdout for _ in range(2)] == ["one\n"] * 2
    (directory / "more.libsonnet").write_text("{ envSet: { A: 'nearer' } }")
    assert magpkg.run(*words).checked().stdout == "nearer\n"


def test_a_removed_rootfs_is_made_again(magpkg: Magpkg) -> None:
    project(magpkg)
    rootfs = f"{magpkg.store}/venv"
    launched(magpkg)
    assert is_warm(magpkg)
    before = set(os.listdir(rootfs))
    magpkg.run("cleanup", "--venvs", "--max-age-days", "0").checked()
    assert set(os.listdir(rootfs)) < before
    assert launched(magpkg) == "one"


def test_a_mount_source_that_appears_or_goes_is_noticed(magpkg: Magpkg) -> None:
    directory = project(magpkg)
    source = directory / "data"
    optional = f"{{ type: 'ro-bind', source: '{source}', target: '/mnt/data', optional: true }}"
    (directory / "magpkg.jsonnet").write_text(f"{MANIFEST} + {{ mounts+: [{optional}] }}")
    settle(directory)
    assert launched(magpkg, "test -e /mnt/data && echo yes || echo no") == "no"
    source.mkdir()
    assert launched(magpkg, "test -e /mnt/data && echo yes || echo no") == "yes"
    source.rmdir()
    assert launched(magpkg, "test -e /mnt/data && echo yes || echo no") == "no"


@pytest.mark.parametrize(
    ("option", "head", "value"), [("-V", "", "std.extVar('token')"), ("--tla-str", "function(token) ", "token")]
)
def test_outside_arguments_are_not_kept_on_disk(magpkg: Magpkg, option: str, head: str, value: str) -> None:
    directory = pathlib.Path(magpkg.directory)
    (directory / "magpkg.jsonnet").write_text(
        "local core = import 'magpkg/packages/core.libsonnet'; "
        f"{head}{{ packages: [core.bash], envSet: {{ TOKEN: {value} }} }}"
    )
    settle(directory)
    secret = os.urandom(8).hex()
    done = magpkg.run("venv", option, f"token={secret}", "--", "bash", "-c", "echo $TOKEN").checked()
    assert done.stdout == f"{secret}\n"
    for plan in pathlib.Path(magpkg.store, "eval").glob("*"):
        assert secret.encode() not in plan.read_bytes()


def test_plans_are_for_their_owner_alone(magpkg: Magpkg) -> None:
    project(magpkg)
    shutil.rmtree(f"{magpkg.store}/eval", ignore_errors=True)
    launched(magpkg)
    plans = list(pathlib.Path(magpkg.store, "eval").iterdir())
    assert [oct(plan.stat().st_mode & 0o777) for plan in plans] == ["0o600"]


def test_a_missing_command_has_the_status_of_a_shell_on_the_short_way_too(magpkg: Magpkg) -> None:
    directory = project(magpkg)
    launched(magpkg)
    (directory / "plain").write_text("text")
    assert magpkg.run("venv", "--", "no-such-command").status == 127
    assert magpkg.run("venv", "--", "./missing").status == 127
    assert magpkg.run("venv", "--", "./plain").status == 126


def test_a_plan_of_a_manifest_with_names_depends_on_the_lock_beside_it(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    lock = directory / "debian.lock.json"
    shutil.copy(CORE_LOCK, lock)
    (directory / "magpkg.yaml").write_text("packages: [dash]\n")
    settle(directory)
    launched(magpkg)
    assert is_warm(magpkg)
    lock.write_text(lock.read_text().replace('"dash": {', '"dish": {'))
    changed = magpkg.run("venv", "--", "true")
    assert (changed.status, '"dash" is not in the lock' in changed.stderr) == (125, True)
    lock.unlink()
    assert "there is no such file" in magpkg.run("venv", "--", "true").stderr
