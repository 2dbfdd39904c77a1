"""`magpkg lock` against a small signed repository, and against the real mirror."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import magpkg
from magpkg.debian import base_names

DATA = Path(magpkg.__file__).parent / "data/magpkg"


class Repository:
    def __init__(self, root: Path) -> None:
        self.root, self.home, self.keyring = root / "mirror", root / "gpg", root / "key.pgp"
        self.home.mkdir(mode=0o700)
        make = ["--passphrase", "", "--quick-generate-key", "test <test@invalid>", "ed25519", "sign", "never"]
        self._gpg(*make)
        self.keyring.write_bytes(self._gpg("--export"))

    def _gpg(self, *arguments: str, text: bytes = b"") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, input=text, capture_output=True, check=True).stdout

    def write(self, *extra: str, more: str = "") -> None:
        folder = self.root / "dists/bookworm/main/binary-amd64"
        folder.mkdir(parents=True, exist_ok=True)
        names = [*base_names(), "busybox-static", *extra]
        known = "Version: 1\nArchitecture: amd64\nSize: 1\nFilename: pool/x.deb\nSHA256: " + "0" * 64
        index = "".join(f"Package: {name}\n{known}\n\n" for name in names).encode()
        (folder / "Packages").write_bytes(index)
        release = f"Suite: oldstable\nCodename: bookworm\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n{more}"
        release += "Components: main\nArchitectures: amd64\nSHA256:\n"
        release += f" {hashlib.sha256(index).hexdigest()} {len(index)} main/binary-amd64/Packages\n"
        self.inrelease.write_bytes(self._gpg("--clearsign", text=release.encode()))

    @property
    def inrelease(self) -> Path:
        return self.root / "dists/bookworm/InRelease"

    def lock(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "MAGPKG_DEBIAN_MIRROR": f"file:{self.root}"}
        return run(self.root.parent, environment, "lock", "--keyring", str(self.keyring), *arguments)


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "magpkg", *arguments]
    environment = {**environment, "MAGPKG_STORE": str(folder / "store")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path)
    made.write("tool")
    return made


def test_a_yaml_manifest_is_locked_checked_and_never_locked_by_check(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    lock = tmp_path / "debian.lock.json"
    assert repository.lock("--check").returncode == 1
    assert not lock.exists()
    assert repository.lock().returncode == 0, repository.lock().stderr
    first = lock.read_bytes()
    assert json.loads(first)["names"] == ["tool"]
    assert repository.lock("--check").returncode == 0
    (tmp_path / "magpkg.yaml").write_text("packages: [tool, tol]\n")
    refused = repository.lock("--check")
    assert refused.returncode == 1
    assert "lacks tol" in refused.stderr
    assert lock.read_bytes() == first


def test_a_jsonnet_manifest_says_what_it_wants_by_using_it(repository: Repository, tmp_path: Path) -> None:
    lockset = "(import 'magpkg/debian.libsonnet').lockset(importstr 'debian.lock.json')"
    (tmp_path / "magpkg.jsonnet").write_text(f"local set = {lockset}; {{ packages: set.base + [set.tool] }}")
    result = repository.lock()
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "debian.lock.json").read_text())["names"] == ["tool"]


def test_recommends_are_remembered(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    lock = tmp_path / "debian.lock.json"
    remembered = []
    for arguments in ([], ["--recommends"], [], ["--no-recommends"]):
        assert repository.lock(*arguments).returncode == 0
        remembered.append(json.loads(lock.read_text()).get("recommends", False))
    assert remembered == [False, True, True, False]


def test_names_do_not_replace_what_a_manifest_wants(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    assert repository.lock().returncode == 0
    before = (tmp_path / "debian.lock.json").read_bytes()
    refused = repository.lock("bash")
    assert (refused.returncode, "is the lock of" in refused.stderr) == (1, True)
    assert (tmp_path / "debian.lock.json").read_bytes() == before
    assert repository.lock("bash", "-o", "own.json").returncode == 0


def test_a_changed_release_is_refused(repository: Repository) -> None:
    repository.inrelease.write_bytes(repository.inrelease.read_bytes().replace(b"oldstable", b"newstable"))
    refused = repository.lock("tool")
    assert (refused.returncode, "signature does not hold" in refused.stderr) == (1, True)


def test_an_expired_release_is_refused_unless_allowed(repository: Repository) -> None:
    repository.write("tool", more="Valid-Until: Sat, 18 Jul 2020 10:16:37 UTC\n")
    refused = repository.lock("tool")
    assert (refused.returncode, "was valid until 2020-07-18" in refused.stderr) == (1, True)
    assert repository.lock("--allow-expired", "tool").returncode == 0


def test_an_index_that_differs_from_the_release_is_refused(repository: Repository) -> None:
    index = repository.root / "dists/bookworm/main/binary-amd64/Packages"
    index.write_bytes(index.read_bytes().replace(b"Version: 1", b"Version: 2"))
    refused = repository.lock("tool")
    assert (refused.returncode, "InRelease says" in refused.stderr) == (1, True)


def test_a_foreign_key_is_refused(repository: Repository, tmp_path: Path) -> None:
    environment = {**os.environ, "MAGPKG_DEBIAN_MIRROR": f"file:{repository.root}"}
    refused = run(tmp_path, environment, "lock", "tool")
    assert (refused.returncode, "signature does not hold" in refused.stderr) == (1, True)


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
