"""`magpkg verify`: whatever is done to a store is told by path, and repaired where that can be done."""

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest

from magpkg.inspection.verify import Thing, everything, verify
from magpkg.store.store import Store
from tests.support.archives import sha256, tar_bytes
from tests.support.process import Magpkg

MANIFEST = """
local magpkg = import 'magpkg/magpkg.libsonnet';
local core = import 'magpkg/packages/core.libsonnet';
local busybox = core['busybox-static'];
local mine = magpkg.package({ name: 'mine', build: 'untar',
  fetch: [{ filename: 'mine.tar', sha256: '%s', urls: ['mine.tar'] }] });
local built = magpkg.package({ name: 'built', buildDeps: [busybox],
  build: '#!/bin/busybox sh\\necho built >/out/built; ln /out/built /out/again; ln -s built /out/link' });
{ packages: [busybox, mine, built], fsEntries: [
    { path: '/etc/mine', type: 'file', contents: 'entry', mode: '640' },
    { path: '/opt/dir', type: 'directory', mode: '750' },
    { path: '/opt/link', type: 'symlink', target: '/etc/mine' },
] }
"""
MEMBERS = {"srv/": "", "srv/file": "content", "srv/other": "other", "srv/deep/file": "deep", "srv/link": "-> file"}
SH = ("/bin/busybox", "sh", "-c")


@dataclass(frozen=True)
class Place:
    """A store with the manifest's venv, and the program that uses it."""

    magpkg: Magpkg
    store: Store

    @property
    def mine(self) -> pathlib.Path:
        """The package tree that was unpacked."""
        return self._one("pkgs", "mine-" + "?" * 64)

    @property
    def venv(self) -> pathlib.Path:
        """The venv."""
        return self._one("venv", "?" * 64)

    @property
    def download(self) -> pathlib.Path:
        """What the unpacked package was made from."""
        return self._one("fetch", sha256(tar_bytes(MEMBERS)))

    def _one(self, kind: str, pattern: str) -> pathlib.Path:
        (found,) = pathlib.Path(self.store.root, kind).glob(pattern)
        return found

    def told(self, *arguments: str, status: int) -> dict[str, list[str]]:
        """What `magpkg verify --json` says is damaged: "path: what" by kind."""
        done = self.magpkg.run("verify", "--json", *arguments)
        assert done.status == status, done.stdout + done.stderr
        damaged = json.loads(done.stdout)["damaged"]
        return {item["kind"]: [f"{d['path']}: {d['what']}" for d in item["differences"]] for item in damaged}

    def sound(self) -> bool:
        """Whether nothing is damaged and the four packages, the configuration among them, with their venv are there."""
        report = verify(self.store, everything(self.store))
        assert report.findings == ()
        return report.checked == {"fetched": 2, "package": 4, "venv": 1}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Magpkg:
    """The program with a store in which the manifest's venv was made."""
    directory = tmp_path_factory.mktemp("verify")
    (directory / "home").mkdir()
    data = tar_bytes(MEMBERS)
    (directory / "mine.tar").write_bytes(data)
    (directory / "magpkg.jsonnet").write_text(MANIFEST % sha256(data))
    made = Magpkg(str(directory / "store"), str(directory / "home"), str(directory))
    made.run("venv", "-q", "--", *SH, ":").checked()
    return made


@pytest.fixture
def place(original: Magpkg, tmp_path: pathlib.Path) -> Place:
    """A copy of that store, links and times included."""
    subprocess.run(["cp", "-a", original.store, tmp_path / "store"], check=True)
    shutil.rmtree(tmp_path / "store/eval")  # which leads to the original
    return Place(replace(original, store=str(tmp_path / "store")), Store(str(tmp_path / "store")))


def rewritten(path: pathlib.Path, text: str) -> None:
    """Change a file where it stands, so that all its names have the change, and leave its time."""
    status = path.stat()
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def swapped(path: pathlib.Path, make: Callable[[pathlib.Path], object]) -> None:
    """Put something else in a file's place."""
    path.unlink()
    make(path)


def replaced(tree: pathlib.Path) -> None:
    """Put a file in a tree's place."""
    shutil.rmtree(tree)
    tree.write_text("")


DAMAGES: dict[str, tuple[Callable[[Place], object], dict[str, list[str]]]] = {
    "content": (
        lambda place: rewritten(place.mine / "srv/file", "CONTENT"),
        {"package": ["srv/file: has another content"], "venv": ["rootfs/srv/file: has another content"]},
    ),
    "mode": (
        lambda place: (place.mine / "srv/file").chmod(0o600),
        {"package": ["srv/file: has mode 0600, not 0644"], "venv": ["rootfs/srv/file: has mode 0600, not 0644"]},
    ),
    "missing": (lambda place: (place.mine / "srv/file").unlink(), {"package": ["srv/file: is missing"]}),
    "missing directory": (
        lambda place: shutil.rmtree(place.venv / "rootfs/srv/deep"),
        {"venv": ["rootfs/srv/deep: is missing"]},
    ),
    "additional": (
        lambda place: (place.venv / "rootfs/bin/new").write_text(""),
        {"venv": ["rootfs/bin/new: does not belong here"]},
    ),
    "target": (
        lambda place: swapped(place.venv / "rootfs/srv/link", lambda path: path.symlink_to("other")),
        {"venv": ["rootfs/srv/link: leads to other, not to file"]},
    ),
    "directory": (
        lambda place: swapped(place.mine / "srv/file", pathlib.Path.mkdir),
        {"package": ["srv/file: is a directory, not a file"]},
    ),
    "fifo": (lambda place: swapped(place.mine / "srv/file", os.mkfifo), {"package": ["srv/file: is no file"]}),
    "entry": (
        lambda place: (place.venv / "rootfs/etc/mine").write_text("ENTRY"),
        {"venv": ["rootfs/etc/mine: has another content"]},
    ),
    "directory's mode": (
        lambda place: (place.venv / "rootfs/opt/dir").chmod(0o755),
        {"venv": ["rootfs/opt/dir: has mode 0755, not 0750"]},
    ),
    "mount point": (
        lambda place: (place.venv / "rootfs/etc/machine-id").write_text("x"),
        {"venv": ["rootfs/etc/machine-id: has 1 bytes, not 0"]},
    ),
    "tree": (
        lambda place: replaced(place.mine),
        {"package": [": NAME is not a directory"]},
    ),
    "stray": (lambda place: (place.venv / "x").write_text(""), {"venv": ["x: does not belong here"]}),
    "record": (
        lambda place: (place.venv / "packages").write_text("mine-0\n"),
        {"venv": [": what it was made of cannot be told: its record is damaged or older than these checks"]},
    ),
    "record of fsEntries": (
        lambda place: (place.venv / "fsEntries").write_text("[{}]"),
        {"venv": [": fsEntries is damaged"]},
    ),
    "cut digest": (
        lambda place: os.truncate(f"{place.mine}.digest", 200),
        {kind: [": the digest of package NAME: is damaged"] for kind in ("package", "venv")},
    ),
    "no digest": (
        lambda place: os.unlink(f"{place.mine}.digest"),
        {
            kind: [": there is no digest of package NAME: an older magpkg made it, or the digest was removed"]
            for kind in ("package", "venv")
        },
    ),
    "record that is no text": (
        lambda place: (place.venv / "packages").write_bytes(b"\xff\0/../x\n"),
        {"venv": [": what it was made of cannot be told: its record is damaged or older than these checks"]},
    ),
    "record without an end": (
        lambda place: swapped(place.venv / "packages", os.mkfifo),
        {"venv": [": what it was made of cannot be told: its record is damaged or older than these checks"]},
    ),
    "digest without an end": (
        lambda place: swapped(pathlib.Path(f"{place.mine}.digest"), os.mkfifo),
        {
            kind: [": there is no digest of package NAME: an older magpkg made it, or the digest was removed"]
            for kind in ("package", "venv")
        },
    ),
    "download": (lambda place: rewritten(place.download, "x"), {"fetched": [": has another content"]}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_told_by_path_and_repaired(place: Place, name: str) -> None:
    damage, expected = DAMAGES[name]
    package = place.mine.name
    damage(place)
    expected = {kind: [item.replace("NAME", package) for item in items] for kind, items in expected.items()}
    assert place.told(status=1) == expected
    assert place.told("-f", "magpkg.jsonnet", "--repair", "--offline" if name != "download" else "-q", status=0) == (
        expected
    )
    if name == "download":  # which nothing asks for until its package is to be made
        assert not list(pathlib.Path(place.store.fetch_directory).glob(sha256(tar_bytes(MEMBERS))))
        place.magpkg.run("verify").checked()
        return
    assert place.sound()
    moved = [path.name for path in pathlib.Path(place.store.damaged_directory).glob("*/*")]
    assert len(moved) == len(expected)


def test_a_sound_store_is_told_so_and_nothing_is_used(place: Place) -> None:
    os.utime(f"{place.venv}.lock", (1, 1))
    os.utime(f"{place.mine}.lock", (1, 1))
    assert place.magpkg.run("verify").checked().stdout == (
        "checked 4 package trees, 1 venvs, 2 downloads: nothing damaged\n"
    )
    assert place.magpkg.run("verify", "-q").checked().stdout == ""
    place.magpkg.run("verify", "-f", "magpkg.jsonnet", "--repair").checked()
    assert [os.stat(f"{path}.lock").st_mtime for path in (place.venv, place.mine)] == [1, 1]
    assert not os.path.exists(place.store.damaged_directory)


def test_an_empty_store_is_sound(own_store: Magpkg) -> None:
    assert "0 package trees" in own_store.run("verify", "--repair").checked().stdout


def test_without_a_manifest_the_next_launch_makes_it_again(place: Place) -> None:
    rewritten(place.mine / "srv/file", "CONTENT")
    done = place.magpkg.run("verify", "--repair").checked().stdout
    assert "srv/file: has another content" in done
    assert done.count("what needs it next makes it again") == 2
    assert [name for name in os.listdir(place.store.venv_directory) if len(name) == 64] == []
    assert place.magpkg.run("verify").checked().stdout.startswith("checked 3 package trees, 0 venvs")
    told = json.loads(place.magpkg.run("du", "--json").checked().stdout)
    assert [kind["count"] for kind in told["kinds"] if kind["kind"] == "damaged"] == [1]
    assert place.magpkg.run("venv", "-q", "--", *SH, "cat /srv/file").checked().stdout == "content"
    assert place.sound()


def test_a_venv_outlives_the_tree_that_was_moved_aside(place: Place) -> None:
    (place.mine / "srv/more").write_text("")
    assert place.told("--repair", status=0) == {"package": ["srv/more: does not belong here"]}
    assert place.told(status=0) == {}
    (place.venv / "rootfs/srv/file").unlink()
    assert place.told(status=1) == {"venv": ["rootfs/srv/file: is missing"]}


def test_an_export_makes_again_what_was_moved_aside(place: Place) -> None:
    written = place.magpkg.run("export", "-o", "before.tar").checked()
    (place.mine / "srv/more").write_text("")
    assert place.told("--repair", status=0) == {"package": ["srv/more: does not belong here"]}
    assert place.magpkg.run("export", "-o", "after.tar").checked().stdout == written.stdout
    before, after = (pathlib.Path(place.magpkg.directory, f"{name}.tar").read_bytes() for name in ("before", "after"))
    assert before == after
    assert place.sound()


def test_a_running_venv_is_told_and_not_touched(place: Place) -> None:
    with place.magpkg.start("venv", "-q", "--", *SH, "echo up; read x; cat /srv/file") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up\n"
        rewritten(place.mine / "srv/file", "CONTENT")
        done = place.magpkg.run("verify", "-f", "magpkg.jsonnet", "--repair")
        assert done.status == 1
        assert f"venv {place.venv.name}, which runs:\n  rootfs/srv/file: has another content\n" in done.stdout
        assert f"{place.mine.name}; made again" in done.stdout
        assert (place.mine / "srv/file").read_text() == "content"
        assert place.told(status=1).keys() == {"venv"}
        out, _ = running.communicate("\n", timeout=30)
        assert (out, running.returncode) == ("CONTENT", 0)
    assert place.told("-f", "magpkg.jsonnet", "--repair", status=0).keys() == {"venv"}
    assert place.sound()


def test_what_is_being_made_is_left_out(place: Place) -> None:
    (place.venv / "rootfs/srv/file").unlink()
    with place.store.exclusive(str(place.venv)):
        report = verify(place.store, everything(place.store))
        assert (report.findings, report.busy, report.checked["venv"]) == ((), (place.venv.name,), 0)
        assert "being made or removed" in place.magpkg.run("verify").checked().stdout
    assert [finding.thing.kind for finding in verify(place.store, everything(place.store)).findings] == ["venv"]


def test_repair_waits_for_who_makes_packages(place: Place) -> None:
    (place.mine / "srv/file").unlink()
    (place.venv / "rootfs/srv/other").unlink()
    with ExitStack() as making:
        making.enter_context(place.store.reading())
        with place.magpkg.start("verify", "--repair", "--json") as repairing:
            assert repairing.stderr is not None
            assert repairing.stderr.readline() == "magpkg: waiting for another magpkg that makes packages\n"
            # What is sound again by the time that nobody makes anything is no damage.
            (place.mine / "srv/file").hardlink_to(place.venv / "rootfs/srv/file")
            making.close()
            told = json.loads(repairing.communicate(timeout=60)[0])
    assert [item["kind"] for item in told["damaged"]] == ["venv"]
    assert place.mine.is_dir()


def test_json_names_what_was_done(place: Place) -> None:
    (place.mine / "srv/file").unlink()
    told = json.loads(place.magpkg.run("verify", "--json", "-f", "magpkg.jsonnet", "--repair").checked().stdout)
    assert list(told) == ["version", "checked", "damaged", "busy"]
    (item,) = told["damaged"]
    assert list(item) == ["kind", "name", "running", "movedTo", "madeAgain", "differences"]
    assert (item["kind"], item["name"], item["running"], item["madeAgain"]) == ("package", place.mine.name, False, True)
    assert os.path.isdir(item["movedTo"])
    assert told["checked"] == {"fetched": 2, "package": 4, "venv": 1}


def test_a_manifest_is_asked_about_alone(place: Place) -> None:
    (place.mine / "srv/file").unlink()
    other = "{ packages: [(import 'magpkg/packages/core.libsonnet')['busybox-static']] }"
    assert place.told("-e", other, status=0) == {}
    assert Thing("package", place.mine.name) in everything(place.store)


def test_many_differences_are_cut_short_for_people(place: Place) -> None:
    for number in range(30):
        (place.mine / f"x{number:02}\n").write_text("")
    done = place.magpkg.run("verify")
    assert done.status == 1
    assert "  x00\N{REPLACEMENT CHARACTER}: does not belong here\n" in done.stdout
    assert "  and 10 more, which --json shows\n" in done.stdout
    quiet = place.magpkg.run("verify", "-q")
    assert (quiet.status, quiet.stdout) == (1, "")
    assert quiet.stderr == "magpkg: error: 1 of what the store holds is damaged\n"


def test_cleanup_takes_listings_and_what_was_moved_aside(place: Place) -> None:
    (place.mine / "srv/file").unlink()
    place.magpkg.run("verify", "--repair").checked()
    (aside,) = pathlib.Path(place.store.damaged_directory).iterdir()
    assert "removed 0" in place.magpkg.run("cleanup", "--all").checked().stdout
    assert aside.is_dir()
    os.utime(aside, (1, 1))
    assert f"removed leftover {aside.name}" in place.magpkg.run("cleanup", "--packages").checked().stdout
    dry = json.loads(place.magpkg.run("cleanup", "--all", "--max-age-days", "0", "--dry-run", "--json").stdout)
    done = json.loads(place.magpkg.run("cleanup", "--all", "--max-age-days", "0", "--json").checked().stdout)
    assert dry["freedBytes"] == done["freedBytes"]
    assert os.listdir(place.store.packages_directory) == os.listdir(place.store.damaged_directory) == []
