"""The sandbox as bwrap sees it: whole argument lists, compared with tests/golden/sandbox/<name>.txt.

A golden file holds one option a line, with its values, quoted as for a shell.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.mount import DEFAULT_MOUNTS, SCRATCH_MOUNT, Mount, expand_mount
from magpkg.sandbox.placing import ARGUMENTS_MAX, place_mounts
from magpkg.sandbox.sandbox import draw, starting_directory
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
    placed = place_mounts(ROOT, mounts, FILES, defaults=defaults)
    return draw(placed, ROOT, FILES, environment, "/", isolation).arguments()


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
    "below-home": arguments([bind("/home/ada/project")], defaults=True),
    "beside-what-is-mounted-in-a-tmpfs": arguments(
        [
            Mount("tmpfs", "", "/home/ada"),
            bind("/home/ada/src/notes", "/data/file"),
            bind("/home/ada/src/deep/project"),
            bind("/home/ada/.cache/tool"),
            bind("/home/ada/bin/tool", "/data/file"),
            bind("/home/ada/top"),
        ]
    ),
    "opened-and-covered-later": arguments([bind("/opt/a/b"), bind("/opt"), bind("/usr/share/x"), bind("/usr")]),
    "in-a-tmpfs-and-covered-later": arguments(
        [
            Mount("tmpfs", "", "/opt"),
            bind("/opt/a/b"),
            bind("/opt/c/d"),
            bind("/opt/a"),
            bind("/opt/e/f"),
            bind("/opt/e/g"),
        ]
    ),
    "several-below-home": arguments(
        [bind("/home/ada/a"), bind("/home/ada/b"), bind("/home/bob/c/d"), bind("/x/y"), bind("/x/z")]
    ),
    "opened-in-opened": arguments([bind("/top"), bind("/usr/share/x"), bind("/usr/x")]),
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


def test_whatever_of_the_root_is_no_mount_is_read_only() -> None:
    for name, words in CASES.items():
        options = [name_ for name_ in words if name_.startswith("--")]
        tmpfs = {words[i + 1] for i, word in enumerate(words) if word == "--tmpfs"}
        closed = [words[i + 1] for i, word in enumerate(words) if word == "--remount-ro"]
        whole = words[words.index("--ro-bind") + 1 :][:2] == [ROOT, "/"] if "--ro-bind" in words else False
        assert whole or "/" in closed, name
        assert set(closed) <= tmpfs, name
        if closed:  # after everything else: bwrap makes the mount points as it comes to them
            assert options.index("--remount-ro") > max(i for i, word in enumerate(options) if word.endswith("bind"))


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


def chosen(variable: str, path: str, *, optional: bool = False) -> Mount:
    """A mount of `${variable}`, which is `path`, as the manifest's third."""
    given = Mount("bind", f"${{{variable}}}", f"${{{variable}}}", optional, "venv.mounts[2]")
    return expand_mount(given, {variable: path})


CHOSEN = DictFiles(
    {**FILES.nodes, f"{ROOT}/root/.bashrc": "file", **{f"/{name}": "dir" for name in ("usr", "etc", "proc")}}
)


@pytest.mark.parametrize("path", ["/usr", "/usr/share", "/etc", "/dev", "/sys", "/proc", "/bin"])
@pytest.mark.parametrize("variable", ["PWD", "PROJECT", "XDG_CONFIG_HOME"])
def test_a_place_that_the_caller_happens_to_be_in_hides_nothing_of_the_venv(variable: str, path: str) -> None:
    files = DictFiles({**CHOSEN.nodes, path: "dir"})
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, [chosen(variable, path)], files, defaults=True)
    real = "/usr/bin" if path == "/bin" else path
    expected = f"venv.mounts[2].target: ${{{variable}}} makes this {path}, which would hide the venv's own {real}"
    assert caught.value.message == expected
    assert caught.value.hint
    without = place_mounts(ROOT, [chosen(variable, path, optional=True)], files, defaults=True)
    assert without.view.mounts == place_mounts(ROOT, [], files, defaults=True).view.mounts


@pytest.mark.parametrize("path", ["/home", "/home/ada", "/root", "/tmp", "/srv/p", "/usr/src/p", "/etc/nixos", "/opt"])
def test_a_place_of_the_users_own_is_shown_wherever_it_is(path: str) -> None:
    files = DictFiles({**CHOSEN.nodes, path: "dir"})
    placed = place_mounts(ROOT, [chosen("PWD", path)], files, defaults=True)
    assert placed.view.mounts[-1].target == path


def test_the_root_is_no_place_to_be_shown() -> None:
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, [chosen("PWD", "/")], FILES, defaults=True)
    assert caught.value.message == "venv.mounts[2].target: ${PWD} is / here, and nothing can be mounted over that"
    assert "${PROJECT}" in (caught.value.hint or "")
    placed = place_mounts(ROOT, [chosen("PWD", "/", optional=True)], FILES, defaults=True)
    assert all(mount.target != "/" for mount in placed.view.mounts)


def confined(source: str, *, follow: bool = False, optional: bool = False) -> Mount:
    """A mount whose source begins with the project."""
    given = Mount("bind", source, "/x", optional, "venv.mounts[2]", follow)
    return expand_mount(given, {"PROJECT": "/p/link"})


LINKS = DictFiles(
    {
        **FILES.nodes,
        "/p/link": "-> real",
        "/p/real/inside": "-> data",
        "/p/real/data": "dir",
        "/p/real/up": "-> ..",
        "/p/real/out": "-> /home/ada",
        "/p/real/dangling": "-> /nowhere",
        "/p/real/loop": "-> loop",
        "/p/real-too": "dir",
        "/p/real/beside": "-> ../real-too",
    }
)


def test_a_source_may_move_within_its_place() -> None:
    placed = place_mounts(ROOT, [confined("${PROJECT}/inside")], LINKS, defaults=False)
    assert placed.view.mounts[-1].source == "/p/real/data", "bwrap gets what was looked at"


@pytest.mark.parametrize(
    ("name", "real"),
    [("out", "/home/ada"), ("up", "/p"), ("out/project", "/home/ada/project"), ("beside", "/p/real-too")],
)
@pytest.mark.parametrize("optional", [False, True])
def test_no_symlink_leads_a_source_out_of_its_place_unless_the_manifest_says_so(
    name: str, real: str, *, optional: bool
) -> None:
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, [confined(f"${{PROJECT}}/{name}", optional=optional)], LINKS, defaults=False)
    message = f"venv.mounts[2].source: /p/link/{name} leads to {real}, out of /p/link, through a symlink"
    assert caught.value.message == message
    assert "follow: true" in (caught.value.hint or "")
    placed = place_mounts(ROOT, [confined(f"${{PROJECT}}/{name}", follow=True)], LINKS, defaults=False)
    assert placed.view.mounts[-1].source == real


def test_an_optional_mount_may_be_a_loop_or_have_no_place() -> None:
    with pytest.raises(MagpkgError, match="leads through too many symlinks"):
        place_mounts(ROOT, [confined("${PROJECT}/loop")], LINKS, defaults=False)
    mounts = [
        confined("${PROJECT}/loop", optional=True),
        confined("${PROJECT}/dangling", optional=True),
        bind("/etc/hosts", optional=True),
        bind("/etc/hosts/x", optional=True),
        bind("/", optional=True),
        Mount("tmpfs", "", "/etc/hosts", optional=True),
    ]
    assert place_mounts(ROOT, mounts, LINKS, defaults=False).view.mounts == [SCRATCH_MOUNT]


def test_what_is_missing_below_a_writable_mount_is_told_and_not_left_to_bwrap() -> None:
    mounts = [bind("/w"), bind("/w/a/b", "/data/file"), bind("/w/sub/c"), bind("/w/sub")]
    placed = place_mounts(ROOT, mounts, FILES, defaults=False)
    told = [(point.root, point.path, point.is_directory) for point in placed.points]
    assert told == [("/home/ada/project", "a/b", False), ("/home/ada/project", "sub/c", True)]
    assert placed.opened == ("/",)


def test_a_home_in_the_store_is_closed_towards_the_project_where_nothing_is_hidden() -> None:
    home = Mount("bind", "/state/home", "/home/ada", where="m", kept=True)
    files = DictFiles({**FILES.nodes, "/state/home/taken/x": "file", "/state/home/empty": "dir"})
    mounts = [
        home,
        bind("/home/ada/src/p"),
        bind("/home/ada/taken/p"),
        bind("/home/ada/empty/p"),
        bind("/home/ada/.c/p"),
    ]
    placed = place_mounts(ROOT, mounts, files, defaults=False)
    assert [way.target for way in placed.ways] == ["/home/ada/src", "/home/ada/empty"]
    assert [point.path for point in placed.points] == ["src", "taken/p", ".c/p"]
    assert [
        point.path
        for point in place_mounts(ROOT, [replace(home, kept=False), *mounts[1:]], files, defaults=False).points
    ] == [
        "src/p",
        "taken/p",
        "empty/p",
        ".c/p",
    ]
    words = draw(placed, ROOT, files, {}, "/").options
    assert [words[i + 1] for i, word in enumerate(words) if word == "--remount-ro"] == [
        "/home",
        "/home/ada/src",
        "/home/ada/empty",
    ]


def test_an_optional_mount_that_cannot_be_made_replaces_none() -> None:
    mounts = [bind("/opt/x", "/data/file", "ro-bind"), bind("/opt/x", "/nowhere", optional=True)]
    view = place_mounts(ROOT, mounts, FILES, defaults=False).view
    assert [(mount.source, mount.target) for mount in view.mounts] == [("", "/tmp"), ("/data/file", "/opt/x")]


def test_built_in_mounts_come_first() -> None:
    view = place_mounts(ROOT, [bind("/home")], FILES, defaults=True).view
    assert [mount.target for mount in view.mounts] == [*(mount.target for mount in DEFAULT_MOUNTS), "/home"]


@pytest.mark.parametrize("name", ["core", "fd", "stderr", "stdin", "stdout", "fd/3/x"])
def test_no_target_is_behind_a_link_of_bwraps_dev(name: str) -> None:
    mounts = [Mount("dev", "", "/dev"), Mount("tmpfs", "", f"/dev/{name}", where="m")]
    with pytest.raises(MagpkgError, match=f"^m.target: /dev/{name} leads into the dev mount at /dev$"):
        place_mounts(ROOT, mounts, FILES, defaults=False)
    mounts[1] = Mount("tmpfs", "", "/dev/fdx")
    assert place_mounts(ROOT, mounts, FILES, defaults=False).view.mounts[-1] == mounts[1]


def test_a_target_missing_in_a_read_only_mount_is_an_error_before_bwrap_fails() -> None:
    mounts = [bind("/opt", kind="ro-bind"), bind("/opt/new/x")]
    with pytest.raises(MagpkgError) as caught:
        place_mounts(ROOT, mounts, FILES, defaults=False)
    missing = "venv.mounts[2].target: /opt/new/x is missing in /home/ada/project, which is mounted read-only"
    assert caught.value.message == missing
    assert caught.value.hint == "create /opt/new/x there"


def test_more_arguments_than_bwrap_takes_are_an_error() -> None:
    crowded = DictFiles({**{f"{ROOT}/usr/lib/{i}": "file" for i in range(ARGUMENTS_MAX // 3)}, "/src": "dir"})
    placed = place_mounts(ROOT, [bind("/usr/lib/missing", "/src")], crowded, defaults=False)
    with pytest.raises(MagpkgError) as caught:
        draw(placed, ROOT, crowded, {}, "/")
    expected = "venv.mounts: these 2 mounts come to more than the 9000 arguments that bwrap takes"
    assert caught.value.message == expected
    assert "fsEntries" in (caught.value.hint or "")


def test_a_crowded_directory_that_nothing_opens_costs_one_bind() -> None:
    crowded = DictFiles({**{f"{ROOT}/usr/lib/{i}": "file" for i in range(ARGUMENTS_MAX)}, "/src": "dir"})
    placed = place_mounts(ROOT, [bind("/usr/share", "/src")], crowded, defaults=False)
    assert draw(placed, ROOT, crowded, {}, "/").arguments().count("--ro-bind") == 1


def test_the_shown_command_can_be_pasted_and_keeps_secrets() -> None:
    placed = place_mounts(ROOT, [bind("/a b")], FILES, defaults=False)
    environment = {"PATH": "/usr/bin", "TOKEN": "hush", "HOME": "/home/a b"}
    shown = draw(placed, ROOT, FILES, environment, "/").shown_command("/usr/bin/bwrap", ["echo", "it's"])
    words = shlex.split(shown)
    assert words[0] == "/usr/bin/bwrap"
    assert words[-3:] == ["--", "echo", "it's"]
    assert "/a b" in words
    assert "--clearenv" in words, "else what is pasted has the whole environment of that shell"
    assert "/home/a b" in words
    assert '"${TOKEN-}"' in shown
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("mounts", "directory", "project", "home", "start"),
    [
        ([bind("/home/ada/project")], "/home/ada/project/sub", "", "/home/ada", "/home/ada/project/sub"),
        ([bind("/p")], "/home/ada/project/sub", "", None, "/p/sub"),
        ([], "/home/ada/project", "/home/ada/project", "/root", "/root"),
        ([], "/home/ada/project", "/home/ada/project", "/home/ada", "/"),
        ([], "/home/ada/project", "/home/ada/project", "root", "/"),
        ([], "/home/ada/project", "/home/ada/project", "/etc/hosts/x", "/"),
        ([], "/home/ada/project", "/home/ada/project", None, "/"),
        ([], "/etc", "/etc", None, "/"),
        ([bind("/p")], "/etc", "/home/ada/project", "/home/ada", "/p"),
    ],
)
def test_starting_directory(mounts: list[Mount], directory: str, project: str, home: str | None, start: str) -> None:
    view = place_mounts(ROOT, mounts, FILES, defaults=False).view
    assert starting_directory(view, directory, project, home) == start
