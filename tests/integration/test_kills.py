"""Killed at any moment, or started many times at once, magpkg leaves no half-made state that anything believes.

The suite takes a sample; MAGPKG_TEST_KILLS and MAGPKG_TEST_RACE_SECONDS ask for more.
"""

import gzip
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import time

import pytest

from magpkg.inspection.verify import everything, verify
from magpkg.store.store import Store
from tests.support.archives import sha256, tar_bytes
from tests.support.files import tree_digest
from tests.support.process import Magpkg

KILLS = int(os.environ.get("MAGPKG_TEST_KILLS", "20"))
RACE_SECONDS = float(os.environ.get("MAGPKG_TEST_RACE_SECONDS", "6"))
LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "
BUSYBOX = "core['busybox-static']"
KINDS = ("fetch", "pkgs", "venv")


def archive(magpkg: Magpkg, name: str) -> str:
    """A Jsonnet package that unpacks a few hundred files and links."""
    members: dict[str, str | bytes] = {
        f"srv/{name}/d{index % 9}/f{index}": f"{name} {index}" * 90 for index in range(300)
    }
    members |= {f"srv/{name}/l{index}": f"-> d1/f{index}" for index in range(20)}
    data = gzip.compress(tar_bytes(members), mtime=0)
    path = pathlib.Path(magpkg.directory, f"{name}.tar.gz")
    path.write_bytes(data)
    fetch = f"[{{ filename: '{name}.tar.gz', sha256: '{sha256(data)}', urls: ['{path}'] }}]"
    return f"magpkg.package({{ name: '{name}', build: 'untar', fetch: {fetch} }})"


def manifest(magpkg: Magpkg, *extra: str, packages: int = 3) -> str:
    """A file with a manifest of busybox, some archives, a package that is built, and what `extra` says."""
    script = (
        f"#!/bin/busybox sh\nset -e\necho $$ >>{magpkg.directory}/none || true\n/bin/busybox seq 3000 >/out/built\n"
    )
    built = f"magpkg.package({{ name: 'built', build: {json.dumps(script)}, buildDeps: [{BUSYBOX}] }})"
    names = [BUSYBOX, built, *(archive(magpkg, f"p{index}") for index in range(packages))]
    text = f"{LIBRARY}{{ packages: [{', '.join(names)}] }} {' '.join(extra)}"
    path = pathlib.Path(magpkg.directory, f"{sha256(text.encode())[:12]}.jsonnet")
    path.write_text(text)
    return str(path)


def _moves(path: str, kind: str) -> bool:
    return kind == "fetch" or os.path.islink(path) or os.path.isdir(path)


def published(store: str) -> dict[str, dict[str, object]]:
    """All that can be told of each finished thing in a store."""
    return {
        f"{kind}/{name}": {
            # The time of a directory or a symlink is when it was made, that of a download its last use.
            path: (mode, None if _moves(f"{store}/{kind}/{name}{path}", kind) else (mtime, size), owner, content)
            for path, (mode, mtime, size, owner, content) in tree_digest(f"{store}/{kind}/{name}").items()
            if kind != "venv" or path.startswith("/rootfs/srv")
        }
        for kind in KINDS
        if os.path.isdir(f"{store}/{kind}")
        for name in os.listdir(f"{store}/{kind}")
        if not name.endswith((".lock", ".log", ".digest"))
    }


def spawn(magpkg: Magpkg, *arguments: str) -> "subprocess.Popen[str]":
    """Start magpkg, its output in pipes."""
    return magpkg.spawn(magpkg.words(*arguments))


def launching(path: str) -> tuple[str, ...]:
    """The arguments of a launch that reads a file of each kind of package."""
    return ("venv", "-f", path, "--", "/bin/busybox", "sh", "-c", "wc -l </built; tail -c 4 /srv/p0/l1")


def test_a_kill_at_any_moment_leaves_nothing_that_is_believed(own_store: Magpkg) -> None:
    path = manifest(own_store)
    begun = time.monotonic()
    expected = own_store.run(*launching(path)).checked().stdout
    whole = time.monotonic() - begun
    undisturbed = published(own_store.store)
    assert len([name for name in undisturbed if name.startswith("pkgs/")]) == 6
    download = next(pathlib.Path(own_store.store, "fetch").iterdir())
    assert download.stat().st_mode & 0o222 == 0
    choose = random.Random(4)  # noqa: S311 - to be repeated, not to be secret
    landed = 0
    for turn in range(KILLS):
        if turn % 4 == 0:
            keep = [f"{own_store.store}/{kind}" for kind in ("pkgs", "venv", "eval")]
            for directory in keep + ([f"{own_store.store}/fetch"] if turn % 8 == 0 and KILLS > 20 else []):
                shutil.rmtree(directory, ignore_errors=True)
        cleaning = turn % 4 == 3
        arguments = ("cleanup", "--venvs", "--packages", "--max-age-days", "0") if cleaning else launching(path)
        process = spawn(own_store, *arguments)
        try:
            process.wait(choose.uniform(0.1, 0.4 if cleaning else whole))
        except subprocess.TimeoutExpired:
            landed += 1
        process.kill()
        process.communicate()
        for name, state in published(own_store.store).items():
            assert state == undisturbed[name], f"turn {turn}: {name} is not as it should be"
        store = Store(own_store.store)
        assert verify(store, everything(store)).findings == (), f"turn {turn}"
    assert landed > KILLS // 3
    done = own_store.run(*launching(path)).checked()
    assert done.stdout == expected
    assert published(own_store.store) == undisturbed
    own_store.run("cleanup", "--venvs").checked()
    assert os.listdir(f"{own_store.store}/tmp") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_moment_leaves_nothing_behind(own_store: Magpkg, number: signal.Signals) -> None:
    path = manifest(own_store)
    begun = time.monotonic()
    own_store.run(*launching(path)).checked()
    whole = time.monotonic() - begun
    choose = random.Random(5)  # noqa: S311 - likewise
    for turn in range(max(5, KILLS // 10)):
        for kind in ("pkgs", "venv", "eval"):
            shutil.rmtree(f"{own_store.store}/{kind}", ignore_errors=True)
        process = spawn(own_store, *launching(path))
        try:
            process.wait(choose.uniform(0.25, whole))
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert os.listdir(f"{own_store.store}/tmp") == [], f"turn {turn}: {said}"
    own_store.run(*launching(path)).checked()


def test_32_first_launches_at_once_make_everything_once(own_store: Magpkg) -> None:
    path = manifest(own_store)
    running = [spawn(own_store, *launching(path)) for _ in range(32)]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert {(out, status) for out, _, status in ended} == {(ended[0][0], 0)}, ended
    assert sum("making" in said for _, said, _ in ended) == 1
    assert sum("fetching" in said for _, said, _ in ended) == 1
    assert os.listdir(f"{own_store.store}/tmp") == []


def test_8_manifests_that_share_packages_are_made_at_once(own_store: Magpkg) -> None:
    paths = [
        manifest(own_store, f"{{ fsEntries: [{{ type: 'directory', path: '/srv/x{index}' }}] }}") for index in range(8)
    ]
    running = [spawn(own_store, *launching(path)) for path in paths]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert {(out, status) for out, _, status in ended} == {(ended[0][0], 0)}, ended
    assert len([name for name in published(own_store.store) if name.startswith("venv/")]) == 8
    assert len([name for name in published(own_store.store) if name.startswith("pkgs/")]) == 6
    assert os.listdir(f"{own_store.store}/tmp") == []


def test_launches_and_cleanups_do_not_meet(own_store: Magpkg) -> None:
    paths = [manifest(own_store, f"{{ envSet: {{ N: '{index}' }} }}", packages=1 + index) for index in range(2)]
    watcher = "n=0; while test $n -lt 40; do test -e /srv/p0/d1/f1 || exit 9; n=$((n + 1)); done"
    loop = ("cleanup", "--all", "--max-age-days", "0", "-q")
    end = time.monotonic() + RACE_SECONDS
    launches = cleanups = 0
    while time.monotonic() < end:
        running = [spawn(own_store, "venv", "-f", path, "--", "/bin/busybox", "sh", "-c", watcher) for path in paths]
        while any(process.poll() is None for process in running):
            done = own_store.run(*loop)
            assert done.status == 0, done.stderr
            cleanups += 1
        for process in running:
            _, said = process.communicate()
            assert process.returncode == 0, said
            launches += 1
    assert launches >= 4
    assert cleanups >= 4, (launches, cleanups)
    own_store.run(*loop).checked()
    assert [os.listdir(f"{own_store.store}/{kind}") for kind in (*KINDS, "tmp")] == [[], [], [], []]
