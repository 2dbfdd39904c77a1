"""Lock files: the one text of a lock, and what no lock may say."""

import json
from dataclasses import replace

import pytest

from magpkg.debian.lockfile import Lock, LockedSuite, Pin, changes, lock_text, read_lock
from magpkg.errors import MagpkgError


def pin(name: str, version: str = "1", *depends: str, sha256: str = "0" * 64) -> Pin:
    return Pin(name, version, "amd64", f"pool/main/{name}.deb", sha256, 7, depends)


LOCK = Lock(
    "amd64",
    (LockedSuite("bookworm", ("main", "contrib"), "Sat, 11 Jul 2026 10:16:37 UTC", "f" * 64),),
    ("a",),
    True,
    {"a": pin("a", "1", "b"), "b": pin("b")},
)


def test_a_lock_is_what_its_text_says() -> None:
    assert read_lock(lock_text(LOCK)) == LOCK


def test_the_text_is_sorted_whatever_the_order() -> None:
    turned = Lock("amd64", LOCK.suites, ("a",), True, {"b": pin("b"), "a": pin("a", "1", "b")})
    assert lock_text(turned) == lock_text(LOCK)
    assert lock_text(LOCK).index('"a": {') < lock_text(LOCK).index('"b": {')


def test_a_moved_pin_is_a_change_of_few_lines() -> None:
    moved = Lock("amd64", LOCK.suites, ("a",), True, {**LOCK.pins, "b": pin("b", "2")})
    before, after = lock_text(LOCK).splitlines(), lock_text(moved).splitlines()
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_changes_are_told_old_to_new() -> None:
    old = {"a": pin("a"), "b": pin("b", "1"), "c": pin("c"), "d": pin("d"), "e": pin("e"), "g": pin("g")}
    new = {
        "g": replace(pin("g"), path="pool/updates/main/g/g.deb", size=7),
        "b": pin("b", "2"),
        "c": pin("c", sha256="1" * 64),
        "d": pin("d", "1", "b"),
        "e": pin("e"),
        "f": pin("f"),
    }
    assert changes(old, new) == [
        "a: removed, 1",
        "b: 1 -> 2",
        "c: 1, another file of the same version",
        "d: 1, other dependencies",
        "f: added, 1",
    ]


def changed(path: str, value: object) -> str:
    """The lock's text with the value at a dotted path replaced."""
    whole = json.loads(lock_text(LOCK))
    *parents, last = path.split(".")
    place = whole
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    return json.dumps(whole)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "lock.version: this magpkg reads version 1, got 2"),
        ("version", True, "lock.version: this magpkg reads version 1, got true"),
        ("more", 1, 'lock: unknown field "more"'),
        ("architecture", 1, "lock.architecture: must be"),
        ("names", "a", "lock.names: must be"),
        ("recommends", "yes", "lock.recommends: must be"),
        ("suites.0.suite", 1, "lock.suites[0].suite: must be"),
        ("suites.0.date", None, "lock.suites[0].date: is required"),
        ("suites.0.components", "main", "lock.suites[0].components: must be"),
        ("packages", [], "lock.packages: must be an object"),
        ("packages.A", {}, 'lock.packages: "A" is no name of a Debian package'),
        ("packages.a/b", {}, 'lock.packages: "a/b" is no name of a Debian package'),
        ("packages.a\n", {}, 'lock.packages: "a\\n" is no name of a Debian package'),
        ("packages.a", 1, "lock.packages.a: must be"),
        ("packages.a.path", "/etc/passwd", "lock.packages.a.path: must be the path of a .deb below pool/"),
        ("packages.a.path", "pool/../x.deb", "lock.packages.a.path: must be the path of a .deb below pool/"),
        ("packages.a.path", "pool/x.deb\n", "lock.packages.a.path: must be the path of a .deb below pool/"),
        ("packages.a.path", "pool/x.deb?y", "lock.packages.a.path: must be the path of a .deb below pool/"),
        ("packages.a.sha256", "0" * 63, "lock.packages.a.sha256: must be 64"),
        ("packages.a.size", -1, "lock.packages.a.size: must be a number of bytes, got -1"),
        ("packages.a.size", True, "lock.packages.a.size: must be a number of bytes, got true"),
        ("packages.a.depends", ["c"], "lock.packages.a.depends: c is not in the lock"),
        ("packages.a.depends", [1], "lock.packages.a.depends[0]: must be"),
        ("packages.a.depends", ["b c"], "lock.packages.a.depends[0]: must be the name of a Debian package"),
        ("names", ["a", "\x1b[31m"], "lock.names[1]: must be the name of a Debian package"),
        ("architecture", "x'; touch /out/INJECTED; '", "lock.architecture: must be the name of an architecture"),
        ("architecture", "amd64\n", "lock.architecture: must be the name of an architecture"),
        ("packages.a.architecture", "../x", "lock.packages.a.architecture: must be the name of an architecture"),
        ("packages.a.version", "", "lock.packages.a.version: must not be empty"),
        ("packages.a.version", "1 2", "lock.packages.a.version: must be a version as Debian has them"),
        ("packages.a.version", "1.0$(x)", "lock.packages.a.version: must be a version"),
        ("packages.a.version", "a:1", "lock.packages.a.version: must be a version"),
        ("packages.a.version", "1\n", "lock.packages.a.version: must be a version"),
        ("packages.a.version", "1" * 5000, "lock.packages.a.version: must be a version"),
        ("suites.0.suite", "../x", "lock.suites[0].suite: must be the name of a suite"),
        ("suites.0.components", ["main", "a b"], "lock.suites[0].components[1]: must be the name of a suite"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: object, message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        read_lock(changed(path, value))
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '"a"', "\0", '{"version": 1}'])
def test_what_is_no_lock_is_an_error(text: str) -> None:
    with pytest.raises(MagpkgError):
        read_lock(text)


@pytest.mark.parametrize(
    "version", ["1", "1:2.36-9+deb12u10", "1.0~rc1", "2:8.2.3995-1+b3", "0~20171227.0+dfsg", "1:a:b"]
)
def test_versions_of_debian(version: str) -> None:
    assert read_lock(changed("packages.a.version", version)).pins["a"].version == version
