"""The sandbox as bwrap sees it: whole argument lists, compared with tests/golden/sandbox/<name>.txt.

A golden file holds one option a line, with its values, quoted as for a shell.
"""

import os
import shlex
from collections.abc import Mapping, Sequence

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.mount import DEFAULT_MOUNTS, Mount
from magpkg.sandbox.sandbox import ARGUMENTS_MAX, draw, place_mounts, starting_directory
from tests.support.files import DictFiles
from tests.support.machine import GOLDEN

ROOT = "/store/venv/abc/rootfs"
SKELETON = {f"{ROOT}/{path}": "dir" for path in ("dev", "home", "opt", "proc", "root", "run", "sys", "tmp", "var/tmp")}
FILES = DictFiles(
    {
        **SKELETON,
        f"{ROOT}/bin": "-> usr/bin",
        f"{ROOT}/lib": "-> usr/lib",
        f"{ROOT}/usr/bin/bash": "exe",
        f"{ROOT}/usr/lib/libc.so.6": "file",
        f"{ROOT}/usr/share/doc": "dir",
        f"{ROOT}/usr/share/current": "-> doc",
        f"{ROOT}/etc/hosts": "file",
        f"{ROOT}/etc/resolv.conf": "file",
        f"{ROOT}/var/run": "-> /run",
        f"{ROOT}/evil": "-> /oldroot/home",
        "/dev": "dir",
        "/sys": "dir",
        "/tmp": "dir",
        "/etc/hosts": "file",
        "/etc/resolv.conf": "file",
        "/home/ada/project/sub": "dir",
        "/data/file": "file",
    },
    {f"{ROOT}/usr": 0o755, f"{ROOT}/usr/share": 0o750},
)
PLAIN_ENVIRONMENT = {"PATH": "/usr/bin", "HOME": "/home/ada"}


def bind(target: str, source: str = "/home/ada/project", kind: str = "bind", *, optional: bool = False) -> Mount:
    """A mount from the manifest's third place."""
    return Mount(kind, source, target, optional, "venv.mounts[2]")


def arguments(
    mounts: Sequence[Mount],
    *,
    defaults: bool = False,
    environment: Mapping[str, str] = PLAIN_ENVIRONMENT,
    isolation: Sequence[str] = (),
) -> list[str]:
    """The whole argument list for the rootfs above."""
    view = place_mounts(ROOT, mounts, FILES, defaults=defaults)
    return draw(view, ROOT, FILES, environment, "/", isolation).arguments()


CASES: dict[str, list[str]] = {
    "default-mounts": arguments([], defaults=True),
    "no-default-mounts": arguments([]),
    "nested-missing-target": arguments([bind("/opt/a/b")]),
    "missing-in-usr-share": arguments([bind("/usr/share/x", kind="ro-bind")]),
    "missing-top-level": arguments([bind("/project")]),
    "file-target": arguments([bind("/etc/app.conf", "/data/file", "ro-bind")]),
    "over-a-file": arguments([bind("/etc/hosts", "/data/file", "ro-bind")]),
    "through-a-symlink": arguments([bind("/lib/x")]),
    "through-an-absolute-symlink": arguments([bind("/var/run/x")]),
    "through-a-symlink-out-of-the-root": arguments([bind("/evil/x")]),
    "below-a-mount": arguments([bind("/opt"), bind("/opt/sub"), bind("/opt/new")]),
    "below-a-tmpfs": arguments([Mount("tmpfs", "", "/opt"), bind("/opt/a/b")]),
    "over-usr": arguments([bind("/usr")]),
    "optional-missing-source": arguments([bind("/opt/x", "/nowhere", optional=True)]),
    "own-types": arguments([Mount("tmpfs", "", "/scratch"), Mount("dev", "", "/dev"), Mount("tmpfs", "", "/dev/shm")]),
    "environment-and-isolation": arguments([], environment={"B": "two words", "A": ""}, isolation=["--unshare-net"]),
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_golden_arguments(name: str) -> None:
    with open(os.path.join(GOLDEN, "sandbox", f"{name}.txt"), encoding="utf-8") as file:
        golden = [word for line in file for word in shlex.split(line)]
    assert CASES[name] == golden


def test_every_golden_list_is_compared() -> None:
    assert {f"{name}.txt" for name in CASES} == set(os.listdir(os.path.join(GOLDEN, "sandbox")))


def test_the_root_is_made_read_only_after_everything_else() -> None:
    for words in CASES.values():
        assert words.index("--remount-ro") > max(i for i, word in enumerate(words) if word.endswith("bind"))
        assert words[words.index("--remount-ro") + 1] == "/"


ERRORS = [
    (
        bind("/etc", "/data/file"),
        "venv.mounts[2].target: /etc is a directory in the venv, not a file",
    ),
    (bind("/etc/hosts"), "venv.mounts[2].target: /etc/hosts is a file in the venv, not a directory"),
    (
        bind("/etc/hosts/x"),
        "venv.mounts[2].target: /etc/hosts is a file in the venv, so /etc/hosts/x cannot be below it",
    ),
    (Mount("tmpfs", "", "/etc/hosts", where="m"), "m.target: /etc/hosts is a file in the venv, not a directory"),
    (bind("/"), "venv.mounts[2].target: nothing can be mounted over /"),
    (bind("/var/.."), "venv.mounts[2].target: nothing can be mounted over /"),
    (bind("/x", "/nowhere"), "venv.mounts[2].source: /nowhere does not exist on this host"),
]


@pytest.mark.parametrize(("mount", "message"), ERRORS)
def test_a_mount_that_cannot_be(mount: Mount, message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, [mount], FILES, defaults=False)
    assert caught.value.message == message


def test_an_optional_mount_that_cannot_be_made_replaces_none() -> None:
    mounts = [bind("/opt/x", "/data/file", "ro-bind"), bind("/opt/x", "/nowhere", optional=True)]
    view = place_mounts(ROOT, mounts, FILES, defaults=False)
    assert [(mount.source, mount.target) for mount in view.mounts] == [("", "/tmp"), ("/data/file", "/opt/x")]


def test_built_in_mounts_come_first() -> None:
    view = place_mounts(ROOT, [bind("/home")], FILES, defaults=True)
    assert [mount.target for mount in view.mounts] == [*(mount.target for mount in DEFAULT_MOUNTS), "/home"]


@pytest.mark.parametrize("name", ["core", "fd", "stderr", "stdin", "stdout", "fd/3/x"])
def test_no_target_is_behind_a_link_of_bwraps_dev(name: str) -> None:
    mounts = [Mount("dev", "", "/dev"), Mount("tmpfs", "", f"/dev/{name}", where="m")]
    with pytest.raises(MagpkgError, match=f"^m.target: /dev/{name} leads into the dev mount at /dev$"):
        place_mounts(ROOT, mounts, FILES, defaults=False)
    mounts[1] = Mount("tmpfs", "", "/dev/fdx")
    assert place_mounts(ROOT, mounts, FILES, defaults=False).mounts[-1] == mounts[1]


def test_a_target_missing_in_a_read_only_mount_is_an_error_before_bwrap_fails() -> None:
    mounts = [bind("/opt", kind="ro-bind"), bind("/opt/new/x")]
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, mounts, FILES, defaults=False)
    missing = "venv.mounts[2].target: /opt/new/x is missing in /home/ada/project, which is mounted read-only"
    assert caught.value.message == missing
    assert caught.value.hint == "create /opt/new/x there"


def test_more_arguments_than_bwrap_takes_are_an_error() -> None:
    crowded = DictFiles({**{f"{ROOT}/usr/lib/{i}": "file" for i in range(ARGUMENTS_MAX // 3)}, "/src": "dir"})
    view = place_mounts(ROOT, [bind("/usr/lib/missing", "/src")], crowded, defaults=False)
    with pytest.raises(MagpkgError) as caught:
        draw(view, ROOT, crowded, {}, "/")
    expected = "venv.mounts: these 2 mounts come to more than the 9000 arguments that bwrap takes"
    assert caught.value.message == expected
    assert "fsEntries" in (caught.value.hint or "")


def test_a_crowded_directory_that_nothing_opens_costs_one_bind() -> None:
    crowded = DictFiles({**{f"{ROOT}/usr/lib/{i}": "file" for i in range(ARGUMENTS_MAX)}, "/src": "dir"})
    view = place_mounts(ROOT, [bind("/usr/share", "/src")], crowded, defaults=False)
    assert draw(view, ROOT, crowded, {}, "/").arguments().count("--ro-bind") == 1


def test_the_shown_command_can_be_pasted_and_keeps_secrets() -> None:
    view = place_mounts(ROOT, [bind("/a b")], FILES, defaults=False)
    environment = {"PATH": "/usr/bin", "TOKEN": "hush", "HOME": "/home/a b"}
    shown = draw(view, ROOT, FILES, environment, "/").shown_command("/usr/bin/bwrap", ["echo", "it's"])
    words = shlex.split(shown)
    assert words[0] == "/usr/bin/bwrap"
    assert words[-3:] == ["--", "echo", "it's"]
    assert "/a b" in words
    assert "--clearenv" in words, "else what is pasted has the whole environment of that shell"
    assert "/home/a b" in words
    assert '"${TOKEN-}"' in shown
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("mounts", "directory", "home", "start"),
    [
        ([bind("/home/ada/project")], "/home/ada/project/sub", "/home/ada", "/home/ada/project/sub"),
        ([bind("/p")], "/home/ada/project/sub", None, "/p/sub"),
        ([], "/home/ada/project", "/root", "/root"),
        ([], "/home/ada/project", "/home/ada", "/"),
        ([], "/home/ada/project", "root", "/"),
        ([], "/home/ada/project", "/etc/hosts/x", "/"),
        ([], "/home/ada/project", None, "/"),
        ([], "/etc", None, "/"),
    ],
)
def test_starting_directory(mounts: list[Mount], directory: str, home: str | None, start: str) -> None:
    view = place_mounts(ROOT, mounts, FILES, defaults=False)
    assert starting_directory(view, directory, home) == start
