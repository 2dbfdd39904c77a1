"""Full and read-only disks: a clear error, nothing half-made, and the next run succeeds once there is room."""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

from tests.support.archives import sha256, tar_bytes
from tests.support.process import Magpkg

LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet'; "
SIZE = 1_500_000


@pytest.fixture
def manifest(own_store: Magpkg) -> str:
    """A manifest of two unpacked packages of which each comes to 1.5 MB, and of one shell, static and real."""
    packages = ["core['busybox-static']"]
    for name in ("one", "two"):
        data = tar_bytes({f"srv/{name}": os.urandom(SIZE)})
        path = pathlib.Path(own_store.directory, f"{name}.tar")
        path.write_bytes(data)
        fetch = f"[{{ filename: '{name}.tar', sha256: '{sha256(data)}', urls: ['{path}'] }}]"
        packages.append(f"magpkg.package({{ name: '{name}', build: 'untar', fetch: {fetch} }})")
    text = f"{LIBRARY}local core = import 'magpkg/packages/core.libsonnet'; {{ packages: [{', '.join(packages)}] }}"
    path = pathlib.Path(own_store.directory, "magpkg.jsonnet")
    path.write_text(text)
    own_store.run("fetch", "-f", str(path)).checked()
    return str(path)


def mounted(magpkg: Magpkg, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script in new user and mount namespaces, in which anybody may mount."""
    words = ["unshare", "-rm", "sh", "-euc", script]
    return subprocess.run(
        words, env=magpkg.environment(), cwd=magpkg.directory, capture_output=True, text=True, check=False, timeout=200
    )


def launch(magpkg: Magpkg, manifest: str) -> str:
    """The shell's words for a launch that reads what both packages ship, its status printed."""
    words = magpkg.words("venv", "-f", manifest, "--", "/bin/busybox", "wc", "-c", "/srv/one", "/srv/two")
    return f"{shlex.join(words)} && status=0 || status=$?; echo status $status"


@pytest.mark.parametrize("room", range(600, 9600, 900))
def test_a_full_disk_at_any_stage(own_store: Magpkg, manifest: str, room: int, tmp_path: pathlib.Path) -> None:
    # The rooms end in fetching, in unpacking or in merging, as `room` has it; the last is enough.
    store = tmp_path / "small"
    store.mkdir()
    run = launch(own_store, manifest)
    script = f"""
        mount -t tmpfs -o size={room}k small {store}
        export MAGPKG_STORE={store}/store
        {run}
        echo left: $(ls {store}/store/tmp)
        for tree in {store}/store/pkgs/*-????????????????????????????????????????????????????????????????; do
            test ! -d $tree || find $tree -type f -size -2 | sed 's/^/half: /'
        done
        mount -i -o remount,size=40m small {store}
        {run}
        echo left: $(ls {store}/store/tmp)
    """
    done = mounted(own_store, script)
    statuses = re.findall(r"status (\d+)", done.stdout)
    assert statuses[1:] == ["0"], done.stdout + done.stderr
    assert done.stdout.count(f"{SIZE} /srv/two") == statuses.count("0")
    assert re.findall("left:(.*)", done.stdout) == ["", ""]
    assert "half" not in done.stdout
    assert "Traceback" not in done.stderr
    if statuses[0] != "0":
        assert statuses[0] == "125"
        (line,) = [line for line in done.stderr.splitlines() if "error:" in line]
        assert "No space left on device" in line
        assert "/" in line
        assert "MAGPKG_STORE" in done.stderr, done.stderr


@pytest.mark.parametrize("state", ["empty", "fetched", "made"])
def test_a_read_only_store(own_store: Magpkg, manifest: str, state: str) -> None:
    store = own_store.store
    if state == "empty":
        own_store = Magpkg(f"{own_store.store}/other", own_store.home, own_store.directory)
        os.makedirs(own_store.store)
        store = own_store.store
    run = launch(own_store, manifest)
    ready = f"{run} >&2" if state == "made" else ":"
    script = f"{ready}; mount --bind {store} {store}; mount -o remount,ro,bind {store}; {run}; {run}"
    done = mounted(own_store, script)
    assert "Traceback" not in done.stderr, done.stderr
    statuses = re.findall(r"status (\d+)", done.stdout)
    if state == "made":
        # What is complete is of use wherever it lies: nothing can remove it, so there is no use to note.
        assert statuses == ["0", "0"], done.stderr
        return
    assert statuses == ["125", "125"]
    assert "Read-only file system" in done.stderr
    assert store in done.stderr
    assert "MAGPKG_STORE" in done.stderr, done.stderr


def test_trees_on_another_device_are_copied(own_store: Magpkg, manifest: str, tmp_path: pathlib.Path) -> None:
    run = launch(own_store, manifest)
    script = f"""
        mkdir -p {own_store.store}/tmp {own_store.store}/venv
        {shlex.join(own_store.words("build", "-q", "-f", manifest))}
        mount --bind {own_store.store}/pkgs {own_store.store}/pkgs
        {run}
        find {own_store.store}/venv {own_store.store}/pkgs -name two -type f -links 1 | wc -l
    """
    done = mounted(own_store, script)
    assert "status 0" in done.stdout, done.stderr
    assert done.stdout.splitlines()[-1] == "2", done.stdout
    assert done.stderr.count("copied") == 1, done.stderr


@pytest.mark.parametrize("part", ["fetch", "pkgs", "venv", "shown", "pkgs of the same disk, mounted elsewhere"])
def test_a_part_of_the_store_on_another_disk(own_store: Magpkg, manifest: str, part: str) -> None:
    store = own_store.store
    part, _, bound = part.partition(" ")
    os.mkdir(f"{own_store.directory}/other")
    mount = f"--bind {own_store.directory}/other" if bound else "-t tmpfs -o mode=755 none"
    script = f"""
        mv {store}/fetch {own_store.directory}/kept
        mkdir -p {store}/{part}
        mount {mount} {store}/{part}
        {launch(own_store, manifest)}
        pkg=$(ls -d {store}/pkgs/one-*[0-9a-f])
        chmod u+w $pkg/srv/one; echo x >>$pkg/srv/one
        {shlex.join(own_store.words("verify", "-q", "-f", manifest, "--repair"))} && echo repaired
        {launch(own_store, manifest)}
        {shlex.join(own_store.words("cleanup", "--all", "--max-age-days", "0"))}
        find {store}/fetch {store}/pkgs {store}/venv {store}/shown -mindepth 1 -not -name '.*' | wc -l
        find {store} -mindepth 2 -path '*/.*/*' | wc -l
    """
    done = mounted(own_store, script)
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("status")] == ["status 0", "status 0"], done.stderr
    assert "repaired" in lines, done.stderr
    assert lines[-1] == "0", done.stdout
    copied = part in ("pkgs", "venv")
    assert ("files were copied" in done.stderr) == copied, done.stderr
