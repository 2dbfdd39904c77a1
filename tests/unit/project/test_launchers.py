"""The text of launchers, and writing them."""

import os
import pathlib
import subprocess

import pytest

from magpkg.errors import MagpkgError
from magpkg.project.launchers import (
    Inside,
    check_place,
    hook,
    launcher,
    marker,
    offered_directory,
    program,
    withdraw,
    write,
)

INSIDE = Inside("/run/magpkg-0123456789abcdef", "/opt/a b/cc")


def text(machine: str = "x86_64", store: str = "") -> str:
    return launcher(["/opt/it's/magpkg"], ["-f", "/a b/$m.jsonnet"], "cc", store, machine, INSIDE)


def test_a_launcher_is_magpkg_venv_where_the_kernels_calls_are_not_known(tmp_path: pathlib.Path) -> None:
    assert "perl" not in text("riscv64")
    words = launcher(["/bin/echo"], ["-f", "/a b/$m.jsonnet"], "cc", "", "riscv64", INSIDE)
    write(str(tmp_path), {"cc": words})
    said = subprocess.run([tmp_path / "cc", "-c", "x y"], capture_output=True, text=True, check=True).stdout
    assert said == "venv -f /a b/$m.jsonnet -- cc -c x y\n"


def test_the_launcher_word_for_word() -> None:
    head, comment, own, words, *rest = text("riscv64", "/st}ore").splitlines()
    assert (head, comment.startswith("# A shim of magpkg")) == ("#!/bin/sh", True)
    assert own == """[ -d /run/magpkg-0123456789abcdef ] && exec '/opt/a b/cc' "$@\""""
    assert words == """set -- '/opt/it'"'"'s/magpkg' venv -f '/a b/$m.jsonnet' -- cc "$@\""""
    assert rest == ["[ \"${MAGPKG_STORE-}\" ] || export MAGPKG_STORE='/st}ore'", 'exec "$@"']
    assert "MAGPKG_STORE" not in text()


def test_magpkg_is_found_by_its_full_path(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "magpkg"
    script.write_text("")
    assert program(str(script), "/usr/bin/python3") == ["/usr/bin/python3", "-P", "-m", "magpkg"]
    script.chmod(0o755)
    assert program(os.path.relpath(script), "/usr/bin/python3") == [str(script)]


def test_only_shims_are_written_over(tmp_path: pathlib.Path) -> None:
    write(str(tmp_path), {"cc": text()})
    write(str(tmp_path), {"cc": text("riscv64")})
    assert (tmp_path / "cc").read_text() == text("riscv64")
    (tmp_path / "cc").write_text("mine")
    (tmp_path / "ld").symlink_to("nowhere")
    for name in ("cc", "ld"):
        with pytest.raises(MagpkgError, match=f"{name}: is there already and is no shim"):
            check_place(str(tmp_path), ["as", name], "/st")
        with pytest.raises(MagpkgError, match=f"{name}: is there already and is no shim"):
            write(str(tmp_path), {name: text()})
    assert sorted(os.listdir(tmp_path)) == ["cc", "ld"]


def test_what_is_removed_is_withdrawn(tmp_path: pathlib.Path) -> None:
    for place in ("project", "offered"):
        write(str(tmp_path / place), {"cc": text(), "ld": text()})
    (tmp_path / "project" / "cc").unlink()
    withdraw(str(tmp_path / "offered"), str(tmp_path / "project"))
    assert os.listdir(tmp_path / "offered") == ["ld"]


def test_where_shims_are_offered(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to("real")
    place = f"{tmp_path}/link/.magpkg/bin"
    assert offered_directory("/st/shims", place) == (f"/st/shims{tmp_path}/real/.magpkg/bin", "")
    assert offered_directory("/st/shims", f"{tmp_path}/bin") == (None, "")
    for store, path in (("/st/shims", f"{tmp_path}/a:b/.magpkg/bin"), ("/s:t/shims", place)):
        offered, reason = offered_directory(store, path)
        assert (offered, "cannot hold a colon" in reason) == (None, True)


@pytest.mark.parametrize("linked", [".magpkg", ".magpkg/bin"])
def test_where_a_symlink_leads_nothing_is_offered(tmp_path: pathlib.Path, linked: str) -> None:
    other = tmp_path / "other" / linked
    other.mkdir(parents=True)
    link = tmp_path / "repository" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(other)
    offered, reason = offered_directory("/st/shims", f"{tmp_path}/repository/.magpkg/bin")
    assert (offered, "a symlink leads" in reason) == (None, True)


def test_the_store_is_no_place_for_shims(tmp_path: pathlib.Path) -> None:
    store = tmp_path / ".magpkg"
    store.mkdir()
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / ".magpkg").symlink_to(store)
    for place in (store / "bin", store, tmp_path / "repository/.magpkg/bin"):
        with pytest.raises(MagpkgError, match="lies in the store"):
            check_place(str(place), ["cc"], str(store))
    check_place(f"{store}-other/bin", ["cc"], str(store))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "direnv"])
def test_a_store_that_path_cannot_hold_has_no_hook(shell: str) -> None:
    for store in ("/srv/st:c/shims", "/srv/st\nc/shims"):
        with pytest.raises(MagpkgError, match="cannot be in PATH"):
            hook(shell, store)


def test_a_marker_is_the_manifests_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    own = marker(f"{tmp_path}/magpkg.jsonnet", None)
    assert own == marker(f"{tmp_path}/link/magpkg.jsonnet", None)
    here = "an expression in /srv"
    assert len({own, marker(here, "{a}"), marker(here, "{b}"), marker("an expression in /", "{a}")}) == 4
    assert str(tmp_path) not in own


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MagpkgError, match="file/bin: cannot be written"):
        write(f"{tmp_path}/file/bin", {"cc": text()})
