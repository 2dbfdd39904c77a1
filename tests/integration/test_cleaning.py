"""`magpkg cleanup` on stores that `magpkg venv` made."""

import json
import os
import pathlib

from tests.support.manifests import expression
from tests.support.process import Magpkg

MANIFEST = expression(["busybox-static"])
OTHER = expression(["busybox-static"], fsEntries=[{"type": "directory", "path": "/srv/other"}])
TRUE = ("/bin/busybox", "true")


def listed(magpkg: Magpkg, kind: str) -> list[str]:
    """The published names of one directory of the store."""
    return sorted(
        name for name in os.listdir(f"{magpkg.store}/{kind}") if not name.endswith((".lock", ".log", ".digest"))
    )


def test_what_is_young_stays_and_what_is_old_goes(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, *TRUE).checked()
    (name,) = listed(own_store, "venv")
    assert "removed 0" in own_store.run("cleanup", "--venvs").checked().stdout
    lock = f"{own_store.store}/venv/{name}.lock"
    os.utime(lock, (0, 0))
    dry = own_store.run("cleanup", "--venvs", "--dry-run").checked().stdout
    assert f"would remove venv {name}" in dry
    assert listed(own_store, "venv") == [name]
    own_store.venv(MANIFEST, *TRUE).checked()
    assert own_store.run("cleanup", "--venvs").checked().stdout.startswith("removed 0")
    os.utime(lock, (0, 0))
    done = own_store.run("cleanup", "--venvs").checked().stdout
    assert f"removed venv {name}" in done
    assert "bytes)" in done
    assert os.listdir(f"{own_store.store}/venv") == []
    # The package, and what was written for it: the database of dpkg.
    assert [name.partition("-")[0] for name in listed(own_store, "pkgs")] == ["busybox", "configured"]
    own_store.venv(MANIFEST, *TRUE).checked()


def test_age_zero_and_a_running_venv(own_store: Magpkg) -> None:
    own_store.venv(OTHER, *TRUE).checked()
    with own_store.start(
        "venv", "-e", MANIFEST, "--", "/bin/busybox", "sh", "-c", "echo up; read x; ls /bin"
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        before = listed(own_store, "venv")
        done = own_store.run("cleanup", "--all", "--max-age-days", "0").checked()
        assert "in use" in done.stdout
        assert len(listed(own_store, "venv")) == 1
        assert len(before) == 2
        out, _ = running.communicate("\n", timeout=30)
        assert "busybox" in out
        assert running.returncode == 0


def test_the_json_is_pinned(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, *TRUE).checked()
    (name,) = listed(own_store, "venv")
    told = json.loads(own_store.run("cleanup", "--all", "--max-age-days", "0", "--json", "--dry-run").checked().stdout)
    done = json.loads(own_store.run("cleanup", "--all", "--max-age-days", "0", "--json").checked().stdout)
    for value, dry in ((told, True), (done, False)):
        assert list(value) == ["version", "dryRun", "removed", "freedBytes", "busy", "failures"]
        assert (value["version"], value["dryRun"], value["busy"], value["failures"]) == (1, dry, [], [])
        assert [item["kind"] for item in value["removed"]] == ["venv", "package", "package", "fetched"]
        assert all(list(item) == ["kind", "name", "idleDays", "freedBytes"] for item in value["removed"])
        assert value["removed"][0]["name"] == name
        assert value["freedBytes"] == sum(item["freedBytes"] for item in value["removed"]) > 1_000_000
    assert told["freedBytes"] == done["freedBytes"]
    assert [listed(own_store, kind) for kind in ("venv", "pkgs", "fetch", "tmp")] == [[], [], [], []]


def test_quiet_is_silent_and_no_kind_is_an_error(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, *TRUE).checked()
    done = own_store.run("cleanup", "--all", "--max-age-days", "0", "-q").checked()
    assert (done.stdout, done.stderr) == ("", "")
    assert listed(own_store, "venv") == []
    wrong = own_store.run("cleanup")
    assert (wrong.status, wrong.stdout) == (2, "")
    assert "--venvs, --packages, --fetched or --all" in wrong.stderr


def test_a_shared_package_tree_stays_and_costs_nothing(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, *TRUE).checked()
    own_store.venv(OTHER, *TRUE).checked()
    used = _bytes(own_store.store)
    package, configured = listed(own_store, "pkgs")
    assert configured.startswith("configured-")
    assert used < 3 * os.stat(f"{own_store.store}/pkgs/{package}/bin/busybox").st_size + 2_000_000
    os.utime(f"{own_store.store}/pkgs/{package}.lock", (0, 0))
    assert "removed 0" in own_store.run("cleanup", "--packages").checked().stdout
    assert listed(own_store, "pkgs") == [package, configured]


def _bytes(root: str) -> int:
    """The bytes below a directory, a file of several names counted once."""
    seen = {
        (status.st_dev, status.st_ino): status.st_size for status in (p.lstat() for p in pathlib.Path(root).rglob("*"))
    }
    return sum(seen.values())


def test_what_killed_runs_left_is_swept(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, *TRUE).checked()
    left = pathlib.Path(own_store.store, "tmp", "venv.0123", "closed")
    left.mkdir(parents=True)
    (left / "file").write_text("x")
    left.chmod(0)
    assert "removed leftover venv.0123" in own_store.run("cleanup", "--venvs").checked().stdout
    assert os.listdir(f"{own_store.store}/tmp") == []
    own_store.venv(MANIFEST, *TRUE).checked()
