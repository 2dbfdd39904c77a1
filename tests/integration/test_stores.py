"""Stores: nothing is made in another's, only its owner can change what is there, and others' work stays as it is."""

import json
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from magpkg.evaluation.program import CORE_LOCK
from tests.support.files import tree_digest
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.repository import Repository

MANIFEST = expression(["bash", "coreutils"])
STRANGER = 1007
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs files of several users")
# All that makes something in a store, or removes it.
MAKING = (
    ("venv", "-e", MANIFEST, "--", "true"),
    ("shim", "bin", "bash"),
    ("fetch",),
    ("build",),
    ("export", "-o", "x.tar"),
    ("graph", "--format", "svg"),
    ("lock", "dash", "-o", "x.json"),
    ("lock", "-f", "names.yaml"),
    ("add", "-f", "names.yaml", "dash"),
    ("remove", "-f", "names.yaml", "dash"),
    ("init",),
    ("search", "bash"),
    ("info", "bash"),
    ("run", "-p", "dash", "--", "true"),
    ("cleanup", "--all", "--max-age-days", "0"),
    ("verify", "--repair"),
)


def files(root: Path) -> dict[str, tuple[int, int, int]]:
    """Each path below the root, and it: inode, owner and mode."""
    found = {}
    for path in (root, *root.rglob("*")):
        status = path.lstat()
        found[str(path)] = (status.st_ino, status.st_uid, status.st_mode)
    return found


def project(magpkg: Magpkg) -> None:
    """Manifests for every command, but for `init`."""
    directory = Path(magpkg.directory)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    (directory / "names.yaml").write_text("packages: [dash, busybox-static]\n")


def tried(magpkg: Magpkg, words: tuple[str, ...]) -> tuple[int, str]:
    """How a command ended that should be refused, and what it said."""
    if words == ("init",):
        Path(magpkg.directory, "magpkg.jsonnet").unlink()
    done = magpkg.run(*words)
    return done.status, done.stderr


@pytest.mark.parametrize("words", MAKING, ids=lambda words: " ".join(words[:3]))
@pytest.mark.parametrize("whose", [pytest.param("a user's", marks=AS_ROOT), "everybody's"])
def test_nothing_is_made_in_a_store_of_others(own_store: Magpkg, whose: str, words: tuple[str, ...]) -> None:
    project(own_store)
    store = Path(own_store.store)
    store.mkdir()
    if whose == "everybody's":
        store.chmod(0o777)
    else:
        os.chown(store, STRANGER, STRANGER)
    before = files(store)
    status, said = tried(own_store, words)
    assert status in (1, 125), said
    assert ("belongs to user 1007" if whose == "a user's" else "can be written to by others") in said
    assert files(store) == before
    assert not Path(own_store.directory, "debian.lock.json").exists()


@AS_ROOT
def test_root_leaves_nothing_in_the_home_of_a_user(unprivileged: Magpkg, own_store: Magpkg) -> None:
    unprivileged.venv(MANIFEST, "true").checked()
    root = replace(own_store, store="", home=unprivileged.home)
    before = files(Path(unprivileged.home))
    for words in (("venv", "-e", MANIFEST, "--", "true"), ("list",), ("du",), ("verify",), ("search", "x")):
        root.run(*words)
        assert files(Path(unprivileged.home)) == before, words


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
def test_what_a_store_has_is_its_owners_whatever_the_umask(own_store: Magpkg, tmp_path: Path, umask: int) -> None:
    repository = Repository(str(tmp_path))
    repository.add_base()
    repository.write()
    magpkg = replace(own_store, variables=repository.magpkg.variables)
    project(magpkg)
    Path(magpkg.directory, "magpkg.jsonnet").write_text(expression())
    locked = ["lock", "-q", "--keyring", repository.key.path, "-o", "lock.json", "busybox-static"]
    magpkg.call(["sh", "-c", f'umask {umask:o}; "$@"', "sh", *magpkg.words(*locked)]).checked()
    magpkg = own_store
    run = ["sh", "-c", f'umask {umask:o}; "$@"', "sh"]
    inside = ("venv", "--", "sh", "-c", "umask")
    for _ in range(3):
        said = magpkg.call([*run, *magpkg.words(*inside)]).checked().stdout
        assert said == f"{umask:04o}\n"  # the command has its caller's
    kept = {path: mode for path, (_, uid, mode) in files(Path(magpkg.store)).items() if not stat.S_ISLNK(mode)}
    others = [path for path, mode in kept.items() if mode & 0o022]
    assert others == []
    modes = {stat.S_IMODE(mode) for path, mode in kept.items() if "/rootfs/" not in path and "/pkgs/" not in path}
    assert modes <= {0o755, 0o644, 0o444, 0o700, 0o600}, modes
    venvs = [path for path in Path(magpkg.store, "venv").iterdir() if path.is_dir()]
    assert venvs
    for venv in venvs:
        assert stat.S_IMODE(venv.stat().st_mode) == 0o755
        assert stat.S_IMODE((venv / "packages").stat().st_mode) == 0o644
        assert stat.S_IMODE((venv / "rootfs/tmp").stat().st_mode) == 0o755
        assert stat.S_IMODE((venv / "rootfs/var/tmp").stat().st_mode) == 0o755
    assert stat.S_IMODE(Path(magpkg.directory, "lock.json").stat().st_mode) == 0o666 & ~umask  # the user's, as ever
    magpkg.run("verify").checked()


def test_directories_of_a_store_that_others_could_write_to_are_closed(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, "true").checked()
    for name in ("venv", "pkgs", "tmp"):
        Path(own_store.store, name).chmod(0o777)
    own_store.run("fetch", "-e", expression(["dash"])).checked()
    assert {stat.S_IMODE(Path(own_store.store, name).stat().st_mode) for name in ("venv", "pkgs", "tmp")} == {0o755}


@pytest.fixture
def baked(magpkg: Magpkg) -> Iterator[Magpkg]:
    """The program with a store of root's that everybody can read, as in an image, and a venv in it."""
    directory = tempfile.mkdtemp(prefix="magpkg-test-", dir="/tmp")
    os.chmod(directory, 0o755)  # noqa: S103 - others look into it
    made = replace(magpkg, store=f"{directory}/store")
    os.mkdir(made.store, 0o755)
    made.venv(MANIFEST, "true").checked()
    yield made
    shutil.rmtree(directory)


WHO = (
    "bash",
    "-c",
    "id -u; while IFS=: read -r name _ uid _; do [ $uid = $EUID ] && echo $name; done </etc/passwd; true",
)


@AS_ROOT
@pytest.mark.parametrize("uid", [pwd.getpwnam("nobody").pw_uid, 12345])
def test_roots_store_can_be_entered_by_any_user(unprivileged: Magpkg, baked: Magpkg, uid: int) -> None:
    before = files(Path(baked.store))
    home = tempfile.mkdtemp(prefix="magpkg-test-", dir="/tmp")
    os.chown(home, uid, uid)
    user = replace(unprivileged, store=baked.store, user=uid, home=home, directory=home)
    for _ in range(2):
        done = user.venv(MANIFEST, *WHO).checked()
        name = "nobody" if uid != 12345 else "user12345"
        assert (done.stdout, done.stderr) == (f"{uid}\n{name}\n", "")
    done = user.venv(expression(["dash"]), "true")
    assert (done.status, "belongs to user 0" in done.stderr) == (125, True)
    shutil.rmtree(home)
    assert files(Path(baked.store)) == before


@AS_ROOT
def test_a_strangers_store_can_not(unprivileged: Magpkg, baked: Magpkg) -> None:
    os.chown(baked.store, STRANGER, STRANGER)
    for user in (replace(unprivileged, store=baked.store), baked):
        done = user.run("venv", "--offline", "-e", MANIFEST, "--", "true")
        assert (done.status, "belongs to user 1007" in done.stderr) == (125, True)


@AS_ROOT
def test_a_store_that_cannot_be_written_to_can_be_entered(unprivileged: Magpkg) -> None:
    # One's own, made read-only: as on a file system that is, and for a name that no text was kept for.
    unprivileged.venv(MANIFEST, "true").checked()
    store = Path(unprivileged.store)
    shutil.rmtree(store / "shown")
    subprocess.run(["chmod", "-R", "a-w", str(store)], check=True)
    done = unprivileged.venv(MANIFEST, *WHO)
    subprocess.run(["chmod", "-R", "u+w", str(store)], check=True)
    assert (done.status, done.stdout.split()[1:], done.stderr) == (0, ["nobody"], "")


def others_store(store: Path) -> None:
    """What another program of the name magpkg could have left in ~/.magpkg."""
    for name in ("venv/0123456789abcdef/rootfs/usr/bin", "pkgs/bash-5.2", "tmp/build.1", "fetch"):
        (store / name).mkdir(parents=True)
    (store / "venv/0123456789abcdef/rootfs/usr/bin/bash").write_text("#!/bin/sh\n")
    (store / "fetch" / ("0" * 64)).write_text("downloaded")
    (store / "config.json").write_text("{}")


def test_what_another_program_of_the_name_has_made_stays(own_store: Magpkg) -> None:
    store = Path(own_store.store)
    others_store(store)
    before = tree_digest(str(store))
    project(own_store)
    for words in (*MAKING, ("list",), ("du",), ("verify",)):
        status, said = tried(own_store, words)
        assert status in (1, 125), (words, said)
        assert f"{store} is not a store of this magpkg: another program has filled it" in said, (words, said)
        assert tree_digest(str(store)) == before
        project(own_store)
    own_store.run("show").checked()
    done = own_store.run("doctor", "--json")
    (finding,) = [item for item in json.loads(done.stdout)["findings"] if item["name"] == "store"]
    assert (done.status, finding["passed"], finding["fix"]) == (1, False, "set MAGPKG_STORE to another directory")


def test_a_store_of_a_version_without_marks_is_ones_own_and_gets_one(own_store: Magpkg) -> None:
    own_store.venv(MANIFEST, "true").checked()
    mark = Path(own_store.store, "format")
    assert mark.read_text() == "magpkg store 1\n"
    mark.unlink()
    own_store.run("list").checked()
    own_store.run("verify").checked()
    own_store.venv(expression(["dash"]), "true")
    assert mark.exists()
    mark.write_text("magpkg store 99\n")
    assert "a format that this version of magpkg does not know" in own_store.run("cleanup", "--all").stderr


def test_a_store_that_a_kill_left_half_made_is_ones_own(own_store: Magpkg) -> None:
    store = Path(own_store.store)
    store.mkdir(mode=0o700)
    (store / "format").write_text("magpkg store 1\n")
    (store / "fetch").mkdir()
    (store / "bin").mkdir()
    own_store.venv(MANIFEST, "true").checked()
    assert shutil.which("true") and Path(CORE_LOCK).exists()
