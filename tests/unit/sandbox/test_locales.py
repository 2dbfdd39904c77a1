"""Locales are looked for where the C library does."""

import pathlib
import shutil
import subprocess

import pytest

from magpkg.sandbox.locales import has_locale


@pytest.mark.parametrize("name", ["", "C", "POSIX", "C.UTF-8", "C.utf8"])
def test_what_every_c_library_has(tmp_path: pathlib.Path, name: str) -> None:
    assert has_locale(str(tmp_path), name)


@pytest.mark.parametrize(
    "name", ["de_DE.UTF-8", "de_DE", "en_US.UTF-8", "../../etc", "x\n", "C.ISO-8859-1", "de_DE@euro"]
)
def test_what_is_not_there(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "usr/lib/locale").mkdir(parents=True)
    (tmp_path / "usr/lib/locale/locale-archive").write_bytes(b"no archive, but long enough to have a head of one")
    assert not has_locale(str(tmp_path), name)


@pytest.mark.parametrize(
    ("name", "filed"),
    [
        ("de_DE.UTF-8", "de_DE.utf8"),
        ("de_DE.utf8", "de_DE.utf8"),
        ("de_DE.ISO-8859-1", "de_DE.iso88591"),
        ("de_DE.88591", "de_DE.iso88591"),
        ("sr_RS.UTF-8@latin", "sr_RS.utf8@latin"),
        ("de_DE", "de_DE"),
    ],
)
def test_a_directory_of_that_locale(tmp_path: pathlib.Path, name: str, filed: str) -> None:
    (tmp_path / "usr/lib/locale" / filed).mkdir(parents=True)
    assert has_locale(str(tmp_path), name)


def test_an_archive_that_localedef_made(tmp_path: pathlib.Path) -> None:
    (tmp_path / "usr/lib/locale").mkdir(parents=True)
    localedef = shutil.which("localedef")
    assert localedef
    words = [localedef, "--prefix", str(tmp_path), "-i", "POSIX", "-f", "UTF-8", "xx_XX.UTF-8", "--quiet"]
    subprocess.run(words, check=False, capture_output=True)
    assert (tmp_path / "usr/lib/locale/locale-archive").exists()
    assert has_locale(str(tmp_path), "xx_XX.UTF-8")
    assert not has_locale(str(tmp_path), "xx_XX.ISO-8859-1")
