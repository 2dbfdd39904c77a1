"""Lock sets become packages: circles, fix-ups, errors."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from magpkg.debian.lockset import FIXUP_DIRECTORY, lockset
from magpkg.errors import MagpkgError
from magpkg.manifest.package import Package, runtime_closure


def pin(name: str, *depends: str) -> dict[str, Any]:
    """A pin as it stands in a lock."""
    return {
        "version": "1",
        "architecture": "amd64",
        "path": f"pool/main/{name[0]}/{name}/{name}_1_amd64.deb",
        "sha256": (name.encode().hex() + "0" * 64)[:64],
        "size": 1,
        "depends": list(depends),
    }


def lock(**depends: tuple[str, ...]) -> dict[str, Any]:
    """A lock of these packages and the tools of the fix-ups; `_` in a name stands for -."""
    packages = {name.replace("_", "-"): pin(name.replace("_", "-"), *below) for name, below in depends.items()}
    packages["busybox-static"] = pin("busybox-static")
    return {"version": 1, "packages": packages}


def made(**depends: tuple[str, ...]) -> Mapping[str, Package]:
    """The packages of such a lock."""
    return lockset(json.dumps(lock(**depends))).packages


def names(packages: tuple[Package, ...]) -> list[str]:
    """Their names."""
    return [package.name for package in packages]


def test_a_pin_becomes_a_package_that_is_unpacked_from_the_pool() -> None:
    zlib = made(zlib=())["zlib"]
    assert zlib.build == "undeb"
    assert [(source.filename, source.urls) for source in zlib.fetch] == [
        ("zlib.deb", ("debian:pool/main/z/zlib/zlib_1_amd64.deb",))
    ]


def test_every_package_stands_on_the_merged_usr_links() -> None:
    assert names(runtime_closure([made(zlib=(), top=("zlib",))["top"]])) == ["merged-usr-fixup", "zlib", "top"]


def test_the_tools_of_the_fixups_stand_on_nothing() -> None:
    assert names(runtime_closure([made()["busybox-static"]])) == ["busybox-static"]


def test_a_circle_becomes_one_package_under_each_name() -> None:
    packages = made(libc6=("libgcc-s1",), libgcc_s1=("libc6", "base"), base=(), top=("libc6", "libgcc-s1"))
    assert packages["libc6"] is packages["libgcc-s1"]
    assert packages["libc6"].name == "libc6+libgcc-s1"
    assert [source.filename for source in packages["libc6"].fetch] == ["libc6.deb", "libgcc-s1.deb"]
    assert names(packages["libc6"].run_deps) == ["base"]
    assert names(packages["top"].run_deps) == ["libc6+libgcc-s1"]


def test_a_large_circle_has_a_name_that_fits() -> None:
    packages = made(a=("b",), b=("c",), c=("d",), d=("a",))
    assert len({package.hash for package in packages.values()}) == 2
    assert packages["d"].name == "a+b+2"


def test_a_package_that_names_itself_is_no_circle() -> None:
    assert made(a=("a",))["a"].name == "a"


def test_a_fixup_is_attached_to_its_package_and_built_from_its_deb() -> None:
    name = "ca-certificates"
    packages = made(**{name: (), "top": (name,)})
    whole = packages[name]
    assert whole.name == name
    assert sorted(names(whole.run_deps)) == [name, f"{name}-fixup"]
    fixup = next(package for package in whole.run_deps if package.name == f"{name}-fixup")
    with open(f"{FIXUP_DIRECTORY}/{name}.sh", encoding="utf-8") as file:
        assert fixup.build == file.read()
    assert [source.filename for source in fixup.fetch] == [f"{name}.deb"]
    assert names(fixup.build_deps) == ["busybox-static"]
    assert packages["top"].run_deps == (whole,)


def test_a_fixup_of_links_is_made_from_the_table() -> None:
    fixup = next(part for part in made(gawk=())["gawk"].run_deps if part.name == "gawk-fixup")
    assert fixup.build.splitlines()[-2:] == ["ln -s 'gawk' '/out/usr/bin/awk'", "ln -s 'gawk' '/out/usr/bin/nawk'"]
    assert names(fixup.build_deps) == ["busybox-static"]


def test_a_fixup_that_needs_the_package_is_built_with_it_and_the_base() -> None:
    packages = made(graphviz=(), bash=(), other=())
    shipped, fixup = sorted(packages["graphviz"].run_deps, key=lambda package: len(package.name))
    assert sorted(names(fixup.build_deps)) == ["bash", "graphviz"]
    assert shipped in fixup.build_deps
    assert fixup.fetch == ()


def test_the_order_of_a_lock_does_not_count() -> None:
    one = made(a=("b",), b=("c",), c=("b",), d=("a", "c"))
    other = made(d=("c", "a"), c=("b",), b=("c",), a=("b",))
    assert {name: package.hash for name, package in one.items()} == {n: p.hash for n, p in other.items()}


def test_a_long_chain_is_no_recursion_error() -> None:
    chain = {f"p{i}": ((f"p{i + 1}",) if i < 3000 else ()) for i in range(3001)}
    assert len(runtime_closure([made(**chain)["p0"]])) == 3002


def _changed(**changes: object) -> dict[str, Any]:
    value = lock(a=())
    value["packages"]["a"].update(changes)
    return value


BAD: list[tuple[object, str]] = [
    ("nonsense", "lock: must be an object, got "),
    ({"version": 2, "packages": {}}, "lock.version: this magpkg reads version 1, got 2"),
    ({"version": 1}, "lock.packages: is required"),
    ({"version": 1, "packages": []}, "lock.packages: must be an object"),
    ({"version": 1, "package": {}}, 'lock: unknown field "package"'),
    (_changed(depends=["b"]), "lock.packages.a.depends: b is not in the lock"),
    (_changed(depends="b"), 'lock.packages.a.depends: must be an array, got "b"'),
    (_changed(path=None), "lock.packages.a.path: is required"),
    (_changed(path="pool/../../x.deb"), "lock.packages.a.path: must be the path of a .deb below pool/"),
    (_changed(path="https://x.example/a.deb"), "lock.packages.a.path: must be the path of a .deb below pool/"),
    (_changed(sha256=None), "lock.packages.a.sha256: is required"),
    (_changed(sha265="x"), 'lock.packages.a: unknown field "sha265"'),
    (_changed(sha256="../../../etc/passwd"), "lock.packages.a.sha256: must be 64 lower-case hexadecimal digits"),
    ({"version": 1, "packages": {"a": pin("a")}}, "the lock set has no busybox-static, which its fix-ups need"),
    ({"version": 1, "packages": {"../a": pin("a"), "busybox-static": pin("busybox-static")}}, "lock.packages"),
]


@pytest.mark.parametrize(("value", "message"), BAD)
def test_bad_lock(value: object, message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        lockset(json.dumps(value))
    assert caught.value.message.startswith(message)


def test_a_lock_that_is_no_json() -> None:
    with pytest.raises(MagpkgError, match=r"^lock: is not JSON: "):
        lockset("{")


def test_a_lock_says_what_its_base_is() -> None:
    assert lockset(json.dumps(lock(bash=(), tool=()) | {"base": ["tool"]})).base == ("tool",)
    # Locks that were made before they said so keep the base that all had.
    assert lockset(json.dumps(lock(bash=(), tool=(), tar=(), ncurses_base=()))).base == ("bash", "tar")
    with pytest.raises(MagpkgError, match=r"lock.base\[0\]: \"tool\" is not in the lock"):
        lockset(json.dumps(lock(bash=()) | {"base": ["tool"]}))
