"""Hashes are golden: a change of one is a change of a tag or of LAYOUT_VERSION, on purpose."""

import json
import os

import pytest

from magpkg.manifest.digest import PACKAGE_TAG, VENV_TAG, Canonical, digest
from magpkg.manifest.fsentry import read_fs_entries
from magpkg.manifest.manifest import venv_hash
from magpkg.manifest.package import runtime_closure
from tests.support.archives import sha256
from tests.support.machine import GOLDEN
from tests.support.manifests import package

with open(os.path.join(GOLDEN, "hashes.json"), encoding="utf-8") as _file:
    _HASHES: dict[str, str] = json.load(_file)


def test_the_form_that_is_hashed() -> None:
    form = b'magpkg package 1\0{"a":["\\u00e9"],"b":""}'
    assert digest(PACKAGE_TAG, {"b": "", "a": ["é"]}) == sha256(form)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["a", "b"], ["ab"]),
        (["a", "b"], ["b", "a"]),
        ([["a"], "b"], ["a", ["b"]]),
        ({"a": "b"}, ["a", "b"]),
        ("", []),
        ({"a": ""}, {}),
    ],
)
def test_different_values_have_different_hashes(one: Canonical, other: Canonical) -> None:
    assert digest(VENV_TAG, one) != digest(VENV_TAG, other)


def test_the_tag_counts() -> None:
    assert digest(PACKAGE_TAG, []) != digest(VENV_TAG, [])


def _golden() -> dict[str, str]:
    libc = package("libc")
    zlib = package("zlib", libc)
    compiler = package("cc", zlib)
    tool = package("tool", zlib, libc, build="make install", make=[compiler])
    entries = [
        {"type": "directory", "path": "/srv/data", "mode": "750"},
        {"type": "file", "path": "/etc/motd", "contents": "Grüße\n"},
        {"type": "symlink", "path": "/etc/localtime", "target": "/usr/share/zoneinfo/UTC"},
    ]
    fs_entries = read_fs_entries(entries, "venv.fsEntries")
    return {
        "a package of nothing": libc.hash,
        "a package with a dependency": zlib.hash,
        "a package with runDeps, buildDeps and a script": tool.hash,
        "the empty venv": venv_hash((), ()),
        "a venv of three packages": venv_hash(runtime_closure([tool]), ()),
        "a venv with fsEntries": venv_hash(runtime_closure([tool]), fs_entries),
    }


@pytest.mark.parametrize("name", sorted(_HASHES))
def test_golden_hash(name: str) -> None:
    assert _golden()[name] == _HASHES[name]


def test_every_golden_hash_is_checked() -> None:
    assert _golden().keys() == _HASHES.keys()
