"""Why a command was not started: each reason has words of its own, and bwrap's are never the last."""

import os
import pathlib
import shutil

import pytest

from tests.support.launchers import KINDS, prepared
from tests.support.manifests import expression
from tests.support.process import Magpkg

MANIFEST = expression(mounts=["${PWD}"])


def other_loader(path: pathlib.Path) -> None:
    """A copy of a dynamic program whose loader is of another C library."""
    data = bytearray(pathlib.Path(shutil.which("true") or "/bin/true").read_bytes())
    at = data.index(b"/lib")
    end = data.index(b"\0", at)
    data[at:end] = b"/lib/ld-other.so"[: end - at].ljust(end - at, b"x")
    path.write_bytes(data)


FILES = {
    "missing": ("#!/usr/bin/nonexistent\n", 126, "its interpreter, /usr/bin/nonexistent, is not in the venv"),
    "windows": ("#!/bin/sh\r\necho\r\n", 126, "its interpreter, /bin/sh\\r, is not in the venv"),
    "nested": ("#!{directory}/missing\n", 126, "its interpreter, /usr/bin/nonexistent, is not in the venv"),
    "loader": (None, 126, "its loader, /lib/ld-other.so"),
    "folder": ("#!/usr\n", 126, "nor can its interpreter, /usr"),
    "plain": ("text", 126, "cannot be executed"),
    "gone": ("", 127, "command not found in the venv"),
}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "shim"])
@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_missing_is_named(magpkg: Magpkg, kind: str, name: str) -> None:
    for each, (text, _, _) in FILES.items():
        path = pathlib.Path(magpkg.directory, each)
        if text is None:
            other_loader(path)
        elif text:
            path.write_text(text.format(directory=magpkg.directory))
        if text != "":
            path.chmod(0o644 if each == "plain" else 0o755)
    _, status, said = FILES[name]
    done = magpkg.call(prepared(magpkg, kind, MANIFEST, f"./{name}").words())
    assert (done.status, said in done.stderr) == (status, True), done
    assert done.stderr.count("bwrap: ") <= 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("magpkg: ")


def test_a_path_of_the_host_that_the_venv_does_not_show(magpkg: Magpkg) -> None:
    path = pathlib.Path(magpkg.home, "tool")
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    done = magpkg.venv(expression(mountDefaults=False, mounts=["${PWD}"]), str(path))
    assert (done.status, "the venv shows nothing of this host there" in done.stderr) == (127, True), done


def test_bwrap_is_not_run_twice_to_fail(magpkg: Magpkg) -> None:
    """Of more interpreters of interpreters than it goes through only the kernel knows that they are too many."""
    launcher = prepared(magpkg, "warm", MANIFEST, "./odd-8")
    for number in range(9):
        path = pathlib.Path(magpkg.directory, f"odd-{number}")
        path.write_text(f"#!{magpkg.directory}/odd-{number - 1}\n" if number else "#!/bin/sh\n")
        path.chmod(0o755)
    done = magpkg.call(launcher.words())
    assert done.status == 125
    assert done.stderr.count("bwrap: ") == 1
    assert "Traceback" not in done.stderr


def test_the_same_bytes_in_every_locale(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    """`LOCPATH` has a locale whose encoding is not UTF-8: names and values of a manifest are UTF-8 all the same."""
    locale = tmp_path / "de_DE.ISO-8859-1"
    made = own_store.call(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", str(locale)])
    assert locale.is_dir(), made
    foreign = {"LOCPATH": str(tmp_path), "LC_ALL": "de_DE.ISO-8859-1"}
    manifest = expression(
        ["busybox-static"],
        envSet={"A": "\N{EURO SIGN}ü"},
        fsEntries=[{"type": "file", "path": "/etc/Öl", "contents": "x"}],
    )
    look = ["venv", "-e", manifest, "--", "/bin/busybox", "sh", "-c", "cat /etc/Öl; echo; echo $A | od -An -tx1"]
    for env in (foreign, foreign, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C"}):
        done = own_store.run(*look, env=env).checked()
        assert done.stdout.split() == ["x", "e2", "82", "ac", "c3", "bc", "0a"]
    own_store.run("verify", env=foreign).checked()
    assert os.listdir(f"{own_store.store}/venv")
