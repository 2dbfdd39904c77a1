"""Manifests: a table of what is wrong in them and the message for it; what is read; what the venv hash covers."""

from typing import Any

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.fsentry import FsEntry
from magpkg.manifest.manifest import Manifest, read_manifest, venv_hash
from magpkg.manifest.mount import VARIABLES, Mount
from magpkg.manifest.package import PackageGraph, runtime_closure
from tests.support.manifests import package

KNOWN = (
    "known fields: packages, suites, presets, envKeep, envSet, mountDefaults, hostDefaults, mounts, fsEntries, "
    "network, unshare, shims, seccomp, configure, configureSkip"
)
MOUNT_TYPES = "bind, ro-bind, dev-bind, tmpfs, proc, dev"
OCTAL = "a number is decimal and means other bits than it shows; write it as a string: "


def read(**fields: object) -> Manifest:
    """The manifest of these fields."""
    return read_manifest({"packages": [], **fields}, PackageGraph())


def entry(**fields: object) -> dict[str, object]:
    """fsEntries with one file that has these fields."""
    return {"fsEntries": [{"type": "file", "path": "/etc/motd", **fields}]}


def mount(**fields: object) -> dict[str, object]:
    """Mounts with one that has these fields."""
    return {"mounts": [fields]}


BAD: list[tuple[dict[str, Any], str, str | None]] = [
    # the manifest itself
    ({"packages": None}, "venv.packages: is required", None),
    ({"packages": {}}, "venv.packages: must be an array, got {}", None),
    ({"packages": "git"}, 'venv.packages: must be an array, got "git"', None),
    ({"packages": [1]}, "venv.packages[0]: must be an object, got 1", None),
    ({"package": []}, 'venv: unknown field "package"', "did you mean packages?"),
    ({"fsentries": []}, 'venv: unknown field "fsentries"', "did you mean fsEntries?"),
    ({"env": {}}, 'venv: unknown field "env"', None),
    ({"zzz": 1}, 'venv: unknown field "zzz"', KNOWN),
    ({"mountDefaults": "yes"}, 'venv.mountDefaults: must be true or false, got "yes"', None),
    ({"mountDefaults": 0}, "venv.mountDefaults: must be true or false, got 0", None),
    # namespaces
    ({"network": "no"}, 'venv.network: must be true or false, got "no"', None),
    ({"unshare": "pid"}, 'venv.unshare: must be an array, got "pid"', None),
    (
        {"unshare": ["pid", "nett"]},
        'venv.unshare[1]: must be one of pid, ipc, uts, cgroup, net; got "nett"',
        "did you mean net?",
    ),
    ({"unshare": ["user"]}, 'venv.unshare[0]: must be one of pid, ipc, uts, cgroup, net; got "user"', None),
    ({"seccomp": "off"}, 'venv.seccomp: must be one of default, none; got "off"', None),
    ({"seccomp": False}, "venv.seccomp: must be one of default, none; got false", None),
    ({"unshar": []}, 'venv: unknown field "unshar"', "did you mean unshare?"),
    # environment
    ({"envKeep": "HOME"}, 'venv.envKeep: must be an array, got "HOME"', None),
    ({"envKeep": [1]}, "venv.envKeep[0]: must be a string, got 1", None),
    ({"envKeep": ["A", "B=1"]}, 'venv.envKeep[1]: is no name of an environment variable: "B=1"', None),
    ({"envKeep": [""]}, "venv.envKeep[0]: must not be empty", None),
    ({"envSet": []}, "venv.envSet: must be an object, got []", None),
    ({"envSet": {"PORT": 80}}, "venv.envSet.PORT: must be a string, got 80", 'write "80"'),
    ({"envSet": {"DEBUG": True}}, "venv.envSet.DEBUG: must be a string, got true", 'write "true"'),
    ({"envSet": {"TOKEN": ["hush"]}}, "venv.envSet.TOKEN: must be a string", None),
    ({"envSet": {"TOKEN": "hush\0"}}, "venv.envSet.TOKEN: must not contain a NUL character", None),
    ({"envSet": {"TOKEN": "hush\ud800"}}, "venv.envSet.TOKEN: must be Unicode text", None),
    ({"envSet": {"A=B": "x"}}, 'venv.envSet: is no name of an environment variable: "A=B"', None),
    # mounts
    ({"mounts": {}}, "venv.mounts: must be an array, got {}", None),
    ({"mounts": [7]}, "venv.mounts[0]: must be an object, got 7", None),
    ({"mounts": ["/a", "etc"]}, 'venv.mounts[1]: must be an absolute path, got "etc"', None),
    ({"mounts": ["/a/../b"]}, 'venv.mounts[0]: must not contain .., got "/a/../b"', None),
    ({"mounts": [""]}, "venv.mounts[0]: must not be empty", None),
    (
        {"mounts": ["${CWD}"]},
        'venv.mounts[0]: unknown variable "${CWD}"',
        "known: " + ", ".join(f"${{{name}}}" for name in VARIABLES),
    ),
    ({"mounts": ["${HOME"]}, 'venv.mounts[0]: unknown variable "${HOME"', None),
    ({"mounts": ["${USER}/x"]}, 'venv.mounts[0]: must be an absolute path, got "${USER}/x"', None),
    (mount(source="/a", target="etc"), 'venv.mounts[0].target: must be an absolute path, got "etc"', None),
    (mount(source="/a", target="/../etc"), 'venv.mounts[0].target: must not contain .., got "/../etc"', None),
    (mount(source="a", target="/b"), 'venv.mounts[0].source: must be an absolute path, got "a"', None),
    (
        mount(source="/a\0", target="/b"),
        'venv.mounts[0].source: must not contain a NUL character, got "/a\\u0000"',
        None,
    ),
    (mount(target="/b"), "venv.mounts[0].source: is required", None),
    (mount(type="tmpfs"), "venv.mounts[0].target: is required", None),
    (mount(type="tmpfs", source="/a", target="/b"), "venv.mounts[0].source: a tmpfs mount has no source", None),
    (mount(src="/a", target="/b"), 'venv.mounts[0]: unknown field "src"', None),
    (mount(sources="/a", target="/b"), 'venv.mounts[0]: unknown field "sources"', "did you mean source?"),
    (
        mount(type="robind", source="/a", target="/b"),
        f'venv.mounts[0].type: must be one of {MOUNT_TYPES}; got "robind"',
        "did you mean ro-bind?",
    ),
    (mount(type=3, source="/a"), f"venv.mounts[0].type: must be one of {MOUNT_TYPES}; got 3", None),
    (
        mount(type="bind-try", source="/a"),
        'venv.mounts[0].type: "bind-try" is not a mount type',
        'write type: "bind", optional: true',
    ),
    (
        mount(type="ro-bind-try", source="/a"),
        'venv.mounts[0].type: "ro-bind-try" is not a mount type',
        'write type: "ro-bind", optional: true',
    ),
    (mount(source="/a", optional="yes"), 'venv.mounts[0].optional: must be true or false, got "yes"', None),
    # fsEntries
    ({"fsEntries": {}}, "venv.fsEntries: must be an array, got {}", None),
    ({"fsEntries": ["/srv"]}, 'venv.fsEntries[0]: must be an object, got "/srv"', None),
    ({"fsEntries": [{"path": "/srv"}]}, "venv.fsEntries[0].type: is required", None),
    (
        {"fsEntries": [{"type": "dir", "path": "/srv"}]},
        'venv.fsEntries[0].type: must be one of directory, file, symlink; got "dir"',
        None,
    ),
    ({"fsEntries": [{"type": "file"}]}, "venv.fsEntries[0].path: is required", None),
    ({"fsEntries": [{"type": "symlink", "path": "/a"}]}, "venv.fsEntries[0].target: is required", None),
    (
        {"fsEntries": [{"type": "symlink", "path": "/a", "target": "b", "mode": "777"}]},
        "venv.fsEntries[0].mode: a symlink has no mode",
        "its fields: type, path, target",
    ),
    (
        {"fsEntries": [{"type": "directory", "path": "/a", "contents": "x"}]},
        "venv.fsEntries[0].contents: a directory has no contents",
        None,
    ),
    (entry(content="x"), 'venv.fsEntries[0]: unknown field "content"', "did you mean contents?"),
    (entry(contents=1), "venv.fsEntries[0].contents: must be a string", None),
    (entry(path="etc/motd"), 'venv.fsEntries[0].path: must be an absolute path, got "etc/motd"', None),
    (entry(path="/etc/../motd"), 'venv.fsEntries[0].path: must not contain .., got "/etc/../motd"', None),
    (entry(path="/"), 'venv.fsEntries[0].path: must lie below /, got "/"', None),
    (entry(path="//."), 'venv.fsEntries[0].path: must lie below /, got "//."', None),
    (entry(mode=644), "venv.fsEntries[0].mode: must be an octal string, got the number 644", f'{OCTAL}"644"'),
    (entry(mode=0o644), "venv.fsEntries[0].mode: must be an octal string, got the number 420", None),
    (entry(mode="888"), 'venv.fsEntries[0].mode: must be octal, like "755", "0755" or "0o755"; got "888"', None),
    (entry(mode="rwx"), 'venv.fsEntries[0].mode: must be octal, like "755", "0755" or "0o755"; got "rwx"', None),
    (entry(mode="4755"), 'venv.fsEntries[0].mode: setuid, setgid and sticky bits are not kept, got "4755"', None),
    (entry(mode="755\n"), 'venv.fsEntries[0].mode: must be octal, like "755", "0755" or "0o755"; got "755\\n"', None),
    (entry(path="/" + "n" * 256), f'venv.fsEntries[0].path: is longer than a path can be, "/{"n" * 57}…', None),
    (entry(path="/n" * 1501), f'venv.fsEntries[0].path: is longer than a path can be, "{"/n" * 29}…', None),
    (entry(path="/a\0"), 'venv.fsEntries[0].path: must not contain a NUL character, got "/a\\u0000"', None),
    (entry(contents="hush\0"), "venv.fsEntries[0].contents: must not contain a NUL character", None),
    (entry(mode=True), "venv.fsEntries[0].mode: must be a string, got true", None),
    (
        {"fsEntries": [{"type": "file", "path": "/a"}, {"type": "directory", "path": "//a/."}]},
        'venv.fsEntries[1].path: "/a" stands in fsEntries twice',
        None,
    ),
]


@pytest.mark.parametrize(("fields", "message", "hint"), BAD)
def test_bad_manifest(fields: dict[str, Any], message: str, hint: str | None) -> None:
    with pytest.raises(MagpkgError) as caught:
        read(**fields)
    assert caught.value.message == message
    if hint is not None:
        assert caught.value.hint == hint


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_a_manifest_is_an_object(value: object) -> None:
    with pytest.raises(MagpkgError, match=r"^venv: must be an object, got "):
        read_manifest(value, PackageGraph())


def test_a_secret_is_not_shown_in_an_error() -> None:
    with pytest.raises(MagpkgError) as caught:
        read(envSet={"TOKEN": ["hush"]})
    assert "hush" not in str(caught.value)


def test_defaults() -> None:
    assert read() == Manifest(())
    assert read(envKeep=None, envSet=None, mountDefaults=None, mounts=None, fsEntries=None) == Manifest(())
    assert Manifest(()).mount_defaults is True


def test_what_is_read() -> None:
    manifest = read(
        packages=[{"name": "zlib"}],
        envKeep=["USER"],
        envSet={"B": "2", "A": ""},
        mountDefaults=False,
        mounts=[
            "/home",
            {"type": "tmpfs", "target": "/scratch"},
            {"type": "ro-bind", "source": "/a", "optional": True},
        ],
        fsEntries=[
            {"type": "file", "path": "/b", "contents": "x", "mode": "0o600"},
            {"type": "directory", "path": "/a"},
        ],
    )
    assert [member.name for member in manifest.packages] == ["zlib"]
    assert manifest.env_keep == ("USER",)
    assert manifest.env_set == (("A", ""), ("B", "2"))
    assert manifest.mount_defaults is False
    assert manifest.mounts == (
        Mount("bind", "/home", "/home", where="venv.mounts[0]"),
        Mount("tmpfs", "", "/scratch", where="venv.mounts[1]"),
        Mount("ro-bind", "/a", "/a", True, "venv.mounts[2]"),
    )
    assert manifest.fs_entries == (FsEntry("directory", "/a", 0o755), FsEntry("file", "/b", 0o600, "x"))


@pytest.mark.parametrize("mode", ["755", "0755", "0o755", "00755"])
def test_the_spellings_of_a_mode_are_one(mode: str) -> None:
    assert read(**entry(mode=mode)).fs_entries[0].mode == 0o755


def test_the_venv_hash_covers_packages_and_fs_entries_alone() -> None:
    zlib, less = package("zlib"), package("less")

    def hashed(**fields: object) -> str:
        manifest = read(**fields)
        return venv_hash(runtime_closure(manifest.packages or (zlib, less)), manifest.fs_entries)

    plain = hashed()
    assert hashed(envSet={"A": "1"}, envKeep=["B"], mounts=["/a"], mountDefaults=False) == plain
    assert hashed(network=False, unshare=["pid"]) == plain
    assert hashed(seccomp="none") == plain
    assert hashed(packages=[{"name": "less"}, {"name": "zlib"}]) == plain
    assert hashed(packages=[{"name": "zlib"}]) != plain


def test_any_change_of_an_fs_entry_changes_the_venv_hash_and_their_order_does_not() -> None:
    file = {"type": "file", "path": "/a", "contents": "x", "mode": "644"}
    link = {"type": "symlink", "path": "/b", "target": "a"}

    def hashed(*entries: object) -> str:
        return venv_hash((), read(fsEntries=list(entries)).fs_entries)

    hashes = [
        hashed(),
        hashed(file),
        hashed(file, link),
        hashed({**file, "mode": "600"}),
        hashed({**file, "contents": "y"}),
        hashed({**file, "path": "/c"}),
        hashed({**link, "target": "b"}),
        hashed(link),
        hashed({"type": "directory", "path": "/a"}),
    ]
    assert len(set(hashes)) == len(hashes)
    assert hashed(link, file) == hashed(file, link)
    assert hashed({**file, "mode": "0o644", "path": "/./a"}) == hashed(file)


def test_the_network_is_one_of_the_namespaces() -> None:
    assert read().unshare == read(network=True, unshare=None).unshare == ()
    assert read(network=False).unshare == read(unshare=["net"]).unshare == ("net",)
    assert read(network=False, unshare=["uts", "pid", "uts"]).unshare == ("pid", "uts", "net")
