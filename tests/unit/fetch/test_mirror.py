"""Which mirrors `debian:` urls are looked up at."""

import os

import pytest

from magpkg.errors import MagpkgError
from magpkg.fetch.mirror import mirrors


def apt(directory: str, **files: str) -> str:
    """An apt directory with these files; `__` in a name stands for a slash, `_` for a dot."""
    for name, text in files.items():
        path = os.path.join(
            directory, name.replace("__", "/").replace("_", ".").replace("sources.list.d", "sources.list.d")
        )
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return directory


def test_the_variable_counts_alone_and_may_name_several(tmp_path: str) -> None:
    directory = apt(str(tmp_path), sources_list="deb http://apt.example/debian bookworm main\n")
    named = {
        "MAGPKG_DEBIAN_MIRROR": " https://one.example/debian/, http://two.example/debian https://one.example/debian"
    }
    assert mirrors(named, directory) == ("https://one.example/debian", "http://two.example/debian")


def test_an_empty_variable_counts_as_none(tmp_path: str) -> None:
    directory = apt(str(tmp_path), sources_list="deb http://apt.example/debian bookworm main\n")
    assert mirrors({"MAGPKG_DEBIAN_MIRROR": " "}, directory) == ("http://apt.example/debian",)


def test_one_line_sources(tmp_path: str) -> None:
    text = """
# deb http://comment.example/debian bookworm main
deb http://mirror.example/debian/ bookworm main contrib
deb-src http://source.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/a.gpg arch=amd64] https://security.example/debian-security bookworm-security main
deb https://packages.vendor.example/apt stable-cloud main
deb https://node.vendor.example/node_20.x nodistro main
deb cdrom:[Debian]/ bookworm main
deb file:/srv/mirror trixie-updates main
deb http://mirror.example/debian bookworm-updates main
"""
    assert mirrors({}, apt(str(tmp_path), sources_list=text)) == (
        "http://mirror.example/debian",
        "https://security.example/debian-security",
        "file:/srv/mirror",
    )


def test_deb822_sources(tmp_path: str) -> None:
    text = """
Types: deb deb-src
# a comment
URIs: http://mirror.example/debian http://other.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm

Types: deb
URIs: https://vendor.example/apt
Suites: nodistro

Types: deb
Enabled: no
URIs: http://disabled.example/debian
Suites: bookworm
"""
    directory = apt(str(tmp_path), sources_list_d__debian_sources=text)
    assert mirrors({}, directory) == ("http://mirror.example/debian", "http://other.example/debian")


def test_files_of_other_kinds_are_not_read(tmp_path: str) -> None:
    text = "deb http://old.example/debian bookworm main\n"
    directory = apt(str(tmp_path), sources_list_d__a_list_save=text, sources_list_d__b_list=text.replace("old", "new"))
    assert mirrors({}, directory) == ("http://new.example/debian",)


def test_no_mirror_is_an_error_that_says_how_to_name_one(tmp_path: str) -> None:
    directory = apt(str(tmp_path), sources_list="deb https://vendor.example/apt nodistro main\n")
    with pytest.raises(MagpkgError) as caught:
        mirrors({}, directory)
    message = f"no Debian mirror is known: none is set, and {directory} names none"
    assert caught.value.message == message
    assert "MAGPKG_DEBIAN_MIRROR" in (caught.value.hint or "")


def test_no_apt_directory_is_no_crash(tmp_path: str) -> None:
    with pytest.raises(MagpkgError, match="no Debian mirror is known"):
        mirrors({}, os.path.join(str(tmp_path), "none"))
