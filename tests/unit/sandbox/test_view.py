"""What paths inside a sandbox stand for."""

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.mount import Mount
from magpkg.sandbox.view import View
from tests.support.files import DictFiles

FILES = DictFiles(
    {
        "/r/usr/bin/bash": "exe",
        "/r/usr/bin/sh": "-> bash",
        "/r/usr/bin/data": "file",
        "/r/usr/bin/gone": "-> nowhere",
        "/r/usr/sbin/data": "exe",
        "/r/usr/lib": "dir",
        "/r/bin": "-> usr/bin",
        "/r/lib": "-> /usr/lib",
        "/r/up": "-> ../../../etc",
        "/r/etc/hosts": "file",
        "/r/etc/self": "-> /etc/self",
        "/r/etc/a": "-> b",
        "/r/etc/b": "-> a",
        "/r/evil": "-> /oldroot/home",
        "/r/home": "dir",
        "/etc/shadow": "file",
        "/host/project/src": "dir",
        "/host/project/run.sh": "exe",
        "/host/link": "-> project",
        "/host/absolute": "-> /etc",
    }
)


def view(*mounts: Mount) -> View:
    """The view of /r with mounts."""
    return View("/r", FILES, mounts)


@pytest.mark.parametrize(
    ("path", "resolved", "kind", "existing"),
    [
        ("/", "/", "directory", "/"),
        ("/usr/bin/bash", "/usr/bin/bash", "file", "/usr/bin/bash"),
        ("//usr/./bin/", "/usr/bin", "directory", "/usr/bin"),
        ("/bin/sh", "/usr/bin/bash", "file", "/usr/bin/bash"),
        ("/lib/x/y", "/usr/lib/x/y", "missing", "/usr/lib"),
        ("/up/hosts", "/etc/hosts", "file", "/etc/hosts"),
        ("/up/shadow", "/etc/shadow", "missing", "/etc"),
        ("/usr/bin/gone", "/usr/bin/nowhere", "missing", "/usr/bin"),
        ("/lib/../bin/bash", "/usr/bin/bash", "file", "/usr/bin/bash"),
        ("/../../etc/hosts", "/etc/hosts", "file", "/etc/hosts"),
        ("/opt/a/b", "/opt/a/b", "missing", "/"),
        ("/opt/a/../b", "/opt/b", "missing", "/"),
        ("/evil/x", "/oldroot/home/x", "missing", "/"),
    ],
)
def test_resolve(path: str, resolved: str, kind: str, existing: str) -> None:
    found = view().resolve(path, "here")
    assert (found.path, found.kind, found.existing) == (resolved, kind, existing)


@pytest.mark.parametrize("path", ["/etc/self", "/etc/a", "/etc/b/c"])
def test_a_loop_of_symlinks_is_an_error(path: str) -> None:
    with pytest.raises(MagpkgError, match=rf"^venv.mounts\[1\].target: {path} leads through too many symlinks$"):
        view().resolve(path, "venv.mounts[1].target")


def test_nothing_is_below_a_file() -> None:
    with pytest.raises(MagpkgError) as caught:
        view().resolve("/bin/sh/x", "here")
    assert caught.value.message == "here: /usr/bin/bash is a file in the venv, so /bin/sh/x cannot be below it"


def test_a_mount_covers_what_lies_below_it() -> None:
    seen = view(Mount("bind", "/host/project", "/usr/bin"))
    assert seen.resolve("/bin/run.sh", "x").kind == "file"
    assert seen.resolve("/bin/bash", "x").kind == "missing"
    assert seen.host_path("/usr/bin/run.sh") == "/host/project/run.sh"
    assert seen.host_path("/usr/binary") == "/r/usr/binary"


def test_the_mount_made_last_counts() -> None:
    outer, inner, later = Mount("tmpfs", "", "/a"), Mount("bind", "/x", "/a/b"), Mount("bind", "/y", "/a/b")
    assert view(inner, outer).covering("/a/b/c") is outer
    assert view(inner, later).covering("/a/b") is later
    assert view(outer).covering("/ab") is None


def test_what_is_in_a_mount_of_no_source_is_unknown() -> None:
    seen = view(Mount("tmpfs", "", "/usr"))
    assert seen.resolve("/usr", "x").kind == "directory"
    assert seen.resolve("/bin/sh", "x").kind == "unknown"
    assert seen.host_path("/usr/bin") is None


def test_a_symlink_in_a_mount_is_seen_from_the_sandboxs_root() -> None:
    seen = view(Mount("bind", "/host", "/h"))
    assert seen.resolve("/h/absolute/hosts", "x").path == "/etc/hosts"
    assert seen.resolve("/h/absolute/shadow", "x").kind == "missing"


@pytest.mark.parametrize(
    ("name", "search", "state", "path"),
    [
        ("bash", "/usr/bin", "executable", "/usr/bin/bash"),
        ("sh", "/none:/bin", "executable", "/usr/bin/bash"),
        ("data", "/bin", "not executable", "/usr/bin/data"),
        ("data", "/bin:/usr/sbin", "executable", "/usr/sbin/data"),
        ("gone", "/bin", "missing", ""),
        ("nosuch", "/bin", "missing", ""),
        ("/bin/sh", "", "executable", "/usr/bin/bash"),
        ("/usr/bin", "", "not executable", "/usr/bin"),
        ("./bash", "/none", "executable", "/usr/bin/bash"),
        ("bash", "", "executable", "/usr/bin/bash"),
        ("/etc/self", "", "missing", ""),
    ],
)
def test_find_command(name: str, search: str, state: str, path: str) -> None:
    found = view().find_command(name, search, "/usr/bin")
    assert found.state == state
    if path:
        assert found.path == path


def test_a_command_in_a_tmpfs_is_unknown_and_no_error() -> None:
    assert view(Mount("tmpfs", "", "/usr")).find_command("bash", "/bin", "/").state == "unknown"


@pytest.mark.parametrize(
    ("mounts", "directory", "inside"),
    [
        ((), "/host/project", None),
        ((), "/home", None),
        ((Mount("bind", "/host/project", "/host/project"),), "/host/project/src", "/host/project/src"),
        ((Mount("bind", "/host", "/h"),), "/host/project/src", "/h/project/src"),
        ((Mount("bind", "/host", "/h"), Mount("bind", "/host", "/host")), "/host/project", "/host/project"),
        ((Mount("bind", "/host/project", "/p"),), "/host/link/src", "/p/src"),
        ((Mount("bind", "/host", "/host"), Mount("tmpfs", "", "/host/project")), "/host/project/src", None),
        ((Mount("bind", "/host/project/src", "/s"),), "/host/project", None),
    ],
)
def test_inside_directory(mounts: tuple[Mount, ...], directory: str, inside: str | None) -> None:
    assert view(*mounts).inside_directory(directory) == inside
