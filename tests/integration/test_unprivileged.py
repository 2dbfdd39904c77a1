"""magpkg needs no root: the same, as the least user there is."""

import dataclasses
import json
import os
import pathlib
import subprocess

from tests.support.files import tree_digest
from tests.support.manifests import expression
from tests.support.process import Magpkg

_LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "


def test_a_shim(unprivileged: Magpkg) -> None:
    pathlib.Path(unprivileged.directory, "magpkg.jsonnet").write_text(expression(["bash", "coreutils"]))
    # Not in .magpkg, which is the store where the project is the home itself.
    done = unprivileged.run("shim", "-q", "--dir", "bin", "bash")
    assert done.status == 0, done.stderr
    for told in (
        {},
        {"PYTHONPROFILEIMPORTTIME": "1"},
    ):  # by the second call there is a plan, and no Python that could tell
        called = subprocess.run(
            [f"{unprivileged.directory}/bin/bash", "-c", "echo $EUID; exit 7"],
            cwd=unprivileged.directory,
            env=unprivileged.environment(told),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            user=unprivileged.user,
            group=unprivileged.user,
            extra_groups=[] if unprivileged.user is not None else None,
        )
        own = unprivileged.user if unprivileged.user is not None else os.getuid()
        assert (called.returncode, called.stdout, called.stderr) == (7, f"{own}\n", "")


def test_a_launch(unprivileged: Magpkg) -> None:
    manifest = expression(["bash", "coreutils"], mounts=["${PWD}", {"source": "${PWD}", "target": "/opt/a/b"}])
    done = unprivileged.venv(manifest, "bash", "-c", "id -u; pwd; echo x >made; cat /opt/a/b/made; exit 7")
    assert done.status == 7, done.stderr
    own = unprivileged.user if unprivileged.user is not None else os.getuid()
    assert done.stdout == f"{own}\n{unprivileged.directory}\nx\n"
    denied = unprivileged.venv(manifest, "bash", "-c", "touch /usr/x")
    assert denied.status == 1
    assert "Read-only file system" in denied.stderr


def test_a_build_that_leaves_a_closed_directory_and_its_removal(unprivileged: Magpkg) -> None:
    lines = ["mkdir -p /out/closed/deep", "touch /out/closed/deep/f", "chmod 0 /out/closed/deep/f /out/closed"]
    text = "\n".join(["#!/bin/busybox sh", "set -e", *lines])
    build = f"magpkg.package({{ name: 'closed', build: {text!r}, buildDeps: [core['busybox-static']] }})"
    manifest = f"{_LIBRARY}{{ packages: [core['busybox-static'], {build}] }}"
    done = unprivileged.venv(manifest, "/bin/busybox", "ls", "/closed/deep").checked()
    assert done.stdout == "f\n"
    unprivileged.run("cleanup", "--all", "--max-age-days", "0").checked()
    assert os.listdir(f"{unprivileged.store}/pkgs") == []


def test_what_a_failed_build_has_closed_is_removed(unprivileged: Magpkg) -> None:
    text = "#!/bin/busybox sh\nmkdir -p /build/a/b /out/c; touch /build/a/b/f; chmod 500 /build/a/b /out/c; exit 1\n"
    build = f"magpkg.package({{ name: 'closed', build: {text!r}, buildDeps: [core['busybox-static']] }})"
    done = unprivileged.venv(f"{_LIBRARY}{{ packages: [{build}] }}", "true")
    assert "failed with exit status 1" in done.stderr
    assert os.listdir(f"{unprivileged.store}/tmp") == []


def test_the_stores_of_two_users_do_not_touch(unprivileged: Magpkg, own_store: Magpkg) -> None:
    # Two users where the tests run as root, else one user with two homes. HOME alone says where the store is.
    users = [unprivileged, dataclasses.replace(own_store, store="")]
    stores = [f"{user.home}/.magpkg" for user in users]
    users = [dataclasses.replace(user, store="") for user in users]
    manifest = expression(["busybox-static"])
    for user in users:
        user.venv(manifest, "/bin/busybox", "true").checked()
    venvs = [{name for name in os.listdir(f"{store}/venv") if not name.endswith(".lock")} for store in stores]
    (common,) = venvs[1]
    assert common in venvs[0]
    for user, store in zip(users, stores, strict=True):
        own = os.getuid() if user.user is None else user.user
        assert {os.lstat(f"{path}").st_uid for path, _, _ in os.walk(store)} == {own}
        assert os.stat(store).st_mode & 0o077 == 0
    before = tree_digest(stores[0])
    assert common in users[1].run("cleanup", "--all", "--max-age-days", "0").checked().stdout
    assert os.listdir(f"{stores[1]}/pkgs") == []
    assert tree_digest(stores[0]) == before
    users[0].venv(manifest, "/bin/busybox", "true").checked()


def test_what_cannot_be_read_is_damage_and_can_be_repaired(unprivileged: Magpkg) -> None:
    manifest = expression(["busybox-static"])
    unprivileged.venv(manifest, "/bin/busybox", "true").checked()
    rootfs = pathlib.Path(json.loads(unprivileged.run("show", "-e", manifest, "--json").stdout)["rootfs"])
    (busybox,) = pathlib.Path(unprivileged.store, "pkgs").glob("busybox-static-" + "?" * 64)
    (rootfs / "bin/busybox").chmod(0)
    for closed in (rootfs / "var", busybox / "usr"):
        closed.chmod(0)
    told = unprivileged.run("verify", "-e", manifest, "--json")
    assert told.status == 1
    assert {item["kind"]: item["differences"] for item in json.loads(told.stdout)["damaged"]} == {
        "package": [
            {"path": "bin/busybox", "what": "has mode 0000, not 0755; cannot be read"},
            {"path": "usr", "what": "has mode 0000, not 0755; cannot be read"},
        ],
        "venv": [
            {"path": "rootfs/bin/busybox", "what": "has mode 0000, not 0755; cannot be read"},
            {"path": "rootfs/var", "what": "has mode 0000, not 0755; cannot be read"},
        ],
    }
    busybox.chmod(0)
    assert "  cannot be read: Permission denied\n" in unprivileged.run("verify", "-e", manifest).stdout
    unprivileged.run("verify", "-e", manifest, "--repair").checked()
    unprivileged.run("verify", "-e", manifest).checked()
    unprivileged.run("du").checked()
    unprivileged.run("cleanup", "--all", "--max-age-days", "0").checked()
    assert os.listdir(f"{unprivileged.store}/damaged") == []
