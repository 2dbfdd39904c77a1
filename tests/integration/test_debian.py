"""The packages that docs/debian.md says work: each command of its table, run in a venv."""

import json
import re
from pathlib import Path

import pytest

from magpkg.debian.lockset import lockset
from magpkg.manifest.package import FIXUP_ENDING, runtime_closure
from tests.support.process import Magpkg

PAGE = Path(__file__).resolve().parents[2] / "docs/debian.md"
ROWS = [
    match.groups()
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if (match := re.fullmatch(r"\| `([^`]+)` \| `([^|]+)` \| ([^|]+) \|", line))
]
NAMES = sorted({"util-linux", *(name for name, _, _ in ROWS)})
# What refuses to be root is run as nobody where the tests are root's: in a user namespace of its own, since that of
# root's sandbox has root alone.
START = """set -e
chmod 1777 /tmp
cd /tmp
as_user() { if [ "$(id -u)" = 0 ]; then unshare -U --map-user 65534 --map-group 65534 "$@"; else "$@"; fi; }
"""


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory, shared_store: str) -> str:
    """A lock of all the packages, of which the trees are made."""
    directory = tmp_path_factory.mktemp("lock")
    made = Magpkg(store=shared_store, home=str(directory), directory=str(directory))
    made.run("lock", "-q", "-o", "all.lock.json", *NAMES).checked()
    return str(directory / "all.lock.json")


def manifest(lock: str, name: str) -> str:
    read = f"local p = (import 'magpkg/debian.libsonnet').lockset(importstr {json.dumps(lock)});"
    packages = f"p.base + [p[{json.dumps(name)}], p['util-linux']]"
    return f"{read} {{ packages: {packages}, mounts: [{{ type: 'tmpfs', target: '/tmp' }}] }}"


def test_the_table_is_read() -> None:
    assert len(ROWS) >= 40
    assert len(ROWS) == sum(line.startswith("| `") for line in PAGE.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(("name", "command"), [row[:2] for row in ROWS], ids=[row[0] for row in ROWS])
def test_it_works(magpkg: Magpkg, lock: str, name: str, command: str) -> None:
    magpkg.venv(manifest(lock, name), "bash", "-c", START + command).checked()


def test_what_is_said_of_fixups(lock: str) -> None:
    packages = lockset(Path(lock).read_text(encoding="utf-8")).packages
    for name, _, how in ROWS:
        own = [dependency.name for dependency in packages[name].run_deps]
        if how.startswith("as it is"):
            assert f"{name}{FIXUP_ENDING}" not in own, name
        else:
            needed = {package.name for package in runtime_closure([packages[name]])}
            assert how.startswith("fix-up"), name
            assert any(other.endswith(FIXUP_ENDING) for other in needed), name


def test_a_fixup_gives_the_same_files_each_time(magpkg: Magpkg, lock: str) -> None:
    """TeX formats and the key store of Java have a time in them, which must not be today's."""
    for name, path in (
        ("texlive-base", "/var/lib/texmf/web2c/tex/tex.fmt"),
        ("openjdk-17-jdk", "/etc/ssl/certs/java/cacerts"),
    ):
        seen = set()
        for store in (magpkg.store, f"{magpkg.home}/other"):
            other = Magpkg(store=store, home=magpkg.home, directory=magpkg.directory)
            seen.add(other.venv(manifest(lock, name), "sha256sum", path).checked().stdout)
        assert len(seen) == 1, name
