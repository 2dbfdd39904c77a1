"""`magpkg lock` against a small signed repository, and against the real mirror."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import magpkg
from tests.support.process import Magpkg, Outcome
from tests.support.repository import Key, Repository

INRELEASE = "dists/bookworm/InRelease"
MANY = (Path(__file__).parent / "many.names").read_text().split()
DATA = Path(magpkg.__file__).parent / "data/magpkg"


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "magpkg", *arguments]
    environment = {**environment, "MAGPKG_STORE": str(folder / "store")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    made.add("tool")
    made.write()
    return made


def test_a_yaml_manifest_is_locked_checked_and_never_locked_by_check(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    lock = tmp_path / "debian.lock.json"
    assert repository.lock("--check").status == 1
    assert not lock.exists()
    assert repository.lock().status == 0, repository.lock().stderr
    first = lock.read_bytes()
    assert json.loads(first)["names"] == ["tool"]
    assert repository.lock("--check").status == 0
    (tmp_path / "magpkg.yaml").write_text("packages: [tool, tol]\n")
    refused = repository.lock("--check")
    assert refused.status == 1
    assert "lacks tol" in refused.stderr
    assert lock.read_bytes() == first


def test_a_jsonnet_manifest_says_what_it_wants_by_using_it(repository: Repository, tmp_path: Path) -> None:
    lockset = "(import 'magpkg/debian.libsonnet').lockset(importstr 'debian.lock.json')"
    (tmp_path / "magpkg.jsonnet").write_text(f"local set = {lockset}; {{ packages: set.base + [set.tool] }}")
    result = repository.lock()
    assert result.status == 0, result.stderr
    assert json.loads((tmp_path / "debian.lock.json").read_text())["names"] == ["tool"]


def test_recommends_are_remembered(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    lock = tmp_path / "debian.lock.json"
    remembered = []
    for arguments in ([], ["--recommends"], [], ["--no-recommends"]):
        assert repository.lock(*arguments).status == 0
        remembered.append(json.loads(lock.read_text()).get("recommends", False))
    assert remembered == [False, True, True, False]


def test_names_do_not_replace_what_a_manifest_wants(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    assert repository.lock().status == 0
    before = (tmp_path / "debian.lock.json").read_bytes()
    refused = repository.lock("bash")
    assert (refused.status, "is the lock of" in refused.stderr) == (1, True)
    assert (tmp_path / "debian.lock.json").read_bytes() == before
    assert repository.lock("bash", "-o", "own.json").status == 0


def test_a_changed_release_is_refused(repository: Repository) -> None:
    repository.put(INRELEASE, repository.get(INRELEASE).replace(b"oldstable", b"newstable"))
    refused = repository.lock("tool")
    assert (refused.status, "signature does not hold" in refused.stderr) == (1, True)


def test_an_expired_release_is_refused_unless_allowed(repository: Repository) -> None:
    repository.write("Valid-Until: Sat, 18 Jul 2020 10:16:37 UTC\n")
    refused = repository.lock("tool")
    assert (refused.status, "was valid until 2020-07-18" in refused.stderr) == (1, True)
    assert repository.lock("--allow-expired", "tool").status == 0


def test_an_index_that_differs_from_the_release_is_refused(repository: Repository) -> None:
    index = repository.index_path()
    repository.put(index, repository.get(index).replace(b"Version: 1", b"Version: 2"))
    refused = repository.lock("tool")
    assert (refused.status, "InRelease says" in refused.stderr) == (1, True)


def test_a_foreign_key_is_refused(repository: Repository, tmp_path: Path) -> None:
    refused = repository.magpkg.run("lock", "--keyring", Key(str(tmp_path / "other.pgp")).path, "tool")
    assert (refused.status, "signature does not hold" in refused.stderr) == (1, True)


def test_the_core_lock_is_what_its_names_come_to(tmp_path: Path) -> None:
    names = (DATA / "packages/core.names").read_text().split()
    made = run(tmp_path, dict(os.environ), "lock", "-o", "core.lock.json", *names)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "core.lock.json").read_bytes() == (DATA / "packages/core.lock.json").read_bytes()


def test_fetch_then_offline_without_a_network(tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [jq]\n")
    for command in ("lock", "fetch"):
        done = run(tmp_path, dict(os.environ), command)
        assert done.returncode == 0, done.stderr
    words = ["unshare", "-rn", sys.executable, "-m", "magpkg", "venv", "--offline", "--", "jq", "--version"]
    environment = {**os.environ, "MAGPKG_STORE": str(tmp_path / "store")}
    ran = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.strip()) == (0, "jq-1.6"), ran.stderr


def refuses(outcome: Outcome, *words: str) -> bool:
    return outcome.status == 1 and "Traceback" not in outcome.stderr and all(word in outcome.stderr for word in words)


def test_an_unsigned_release_is_refused_unless_no_verify(repository: Repository) -> None:
    repository.write(keys=[])
    assert refuses(repository.lock("tool"), "is not signed")
    assert repository.magpkg.run("lock", "--no-verify", "tool").status == 0
    assert refuses(repository.lock("--no-verify", "tool"), "contradict")


def test_one_known_signature_of_two_is_enough(repository: Repository, tmp_path: Path) -> None:
    repository.write(keys=[Key(str(tmp_path / "other.pgp")), repository.key])
    repository.lock("tool").checked()


def test_a_release_of_another_suite_is_refused(repository: Repository) -> None:
    repository.put("dists/trixie/InRelease", repository.get(INRELEASE))
    assert refuses(repository.lock("--suite", "trixie", "tool"), "not of trixie")


def test_an_expiry_without_a_time_zone_is_read_as_utc(repository: Repository) -> None:
    repository.write("Valid-Until: Sat, 18 Jul 2020 10:16:37 -0000\n")
    assert refuses(repository.lock("tool"), "was valid until 2020-07-18")


def test_an_index_that_unpacks_to_more_than_it_may_is_refused(repository: Repository, tmp_path: Path) -> None:
    repository.ending = ".xz"
    repository.paragraph(b"X: " + bytes(600 << 20))
    repository.write()
    assert refuses(repository.lock("tool"), "unpacks to more than")


def test_a_checksum_that_is_a_path_is_refused(repository: Repository) -> None:
    # It names the index's file in the store.
    content = repository.get(repository.index_path())
    repository.sign_again("bookworm", hashlib.sha256(content).hexdigest().encode(), b"../../elsewhere")
    assert refuses(repository.lock("tool"), "../../elsewhere is no SHA-256")


def test_the_lock_file_follows_the_umask(repository: Repository, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        repository.lock("tool").checked()
    finally:
        os.umask(before)
    assert (tmp_path / "debian.lock.json").stat().st_mode & 0o777 == 0o640


def test_trixie_is_locked_and_used_as_well(tmp_path: Path, shared_store: str) -> None:
    magpkg = Magpkg(shared_store, str(tmp_path), str(tmp_path))
    (tmp_path / "magpkg.yaml").write_text("packages: [git, python3]\n")
    magpkg.run("lock", "-q", "--suite", "trixie").checked()
    done = magpkg.run("venv", "--", "sh", "-c", "git --version; python3 --version; awk 'BEGIN { print 42 }'").checked()
    assert re.fullmatch(r"git version 2\.47.*\nPython 3\.13.*\n42\n", done.stdout)
    assert "warning" not in done.stderr


def test_a_hundred_names_are_resolved_within_the_bounds(tmp_path: Path) -> None:
    """10 s and 500 MB, where it takes about one second and 120 MB: room for machines of every kind."""
    names = [*(DATA / "packages/core.names").read_text().split(), *MANY]
    assert len(names) >= 100
    assert run(tmp_path, dict(os.environ), "lock", "-o", "x.json", "jq").returncode == 0  # for the index
    measured = (
        "import resource, subprocess, sys, time; started = time.monotonic(); subprocess.run(sys.argv[1:], check=True);"
        "print(time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    words = [sys.executable, "-c", measured, sys.executable, "-m", "magpkg", "lock", "-q", "-o", "all.json", *names]
    environment = {**os.environ, "MAGPKG_STORE": str(tmp_path / "store")}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    seconds, megabytes = done.stdout.split()
    assert float(seconds) < 10
    assert int(megabytes) < 500
    assert len(json.loads((tmp_path / "all.json").read_text())["packages"]) > 1000
