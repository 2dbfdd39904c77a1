"""`magpkg config`: the mirror of a machine that has no apt sources of Debian."""

import os
from pathlib import Path

import pytest

from magpkg.fetch.mirror import SETTING, mirrors
from magpkg.manifest.owners import setting_path
from tests.support.process import Magpkg

URL = "https://mirror.example/debian"


def known(magpkg: Magpkg, **variables: str) -> tuple[str, ...]:
    """The mirrors that a user with this home has, on a machine whose apt names none."""
    return mirrors({"HOME": magpkg.home, **variables}, "/nonexistent", required=False)


def test_a_mirror_is_kept_until_it_is_taken_back(magpkg: Magpkg) -> None:
    assert known(magpkg) == ()
    magpkg.run("config", "mirror", f"{URL}/", "file:///srv/debian", env={"MAGPKG_DEBIAN_MIRROR": ""}).checked()
    assert known(magpkg) == (URL, "file:///srv/debian")
    assert known(magpkg, MAGPKG_DEBIAN_MIRROR="https://other.example") == ("https://other.example",)
    assert magpkg.run("config", "mirror").checked().stdout.split() == [URL, "file:///srv/debian"]
    magpkg.run("config", "--unset", "mirror").checked()
    assert known(magpkg) == ()


def test_what_others_could_have_written_is_not_believed(magpkg: Magpkg) -> None:
    magpkg.run("config", "-q", "mirror", URL).checked()
    path = setting_path({"HOME": magpkg.home}, SETTING)
    assert path is not None and os.stat(path).st_mode & 0o777 == 0o600
    Path(path).chmod(0o606)
    assert known(magpkg) == ()


@pytest.mark.parametrize("value", ["mirror.example", "ftp://mirror.example", "https://a b", "", "https://a\nhttps://b"])
def test_what_is_no_address_is_refused(magpkg: Magpkg, value: str) -> None:
    done = magpkg.run("config", "mirror", value)
    assert done.status == 1 and "is no address of a mirror" in done.stderr
    assert not Path(magpkg.home, ".config/magpkg").exists()


def test_what_is_no_address_is_named_without_its_password(magpkg: Magpkg) -> None:
    for words in (("ftp://user:geheim@mirror.example/debian",), ("--unset", "http://user:geheim@mirror.example/")):
        done = magpkg.run("config", "mirror", *words)
        assert done.status == 1 and "mirror.example" in done.stderr and "geheim" not in done.stderr


def test_without_a_mirror_each_command_says_so_first(magpkg: Magpkg, tmp_path: Path) -> None:
    # A root of its own in which apt has no sources: what another distribution's machine looks like to magpkg.
    (tmp_path / "apt").mkdir()
    Path(magpkg.directory, "magpkg.yaml").write_text("packages: [jq]\n")
    hidden = ["bwrap", "--dev-bind", "/", "/", "--bind", str(tmp_path / "apt"), "/etc/apt"]
    hidden += ["--setenv", "MAGPKG_DEBIAN_MIRROR", "", "--setenv", "MAGPKG_STORE", str(tmp_path / "store"), "--"]
    example = "(import 'magpkg/examples/core-venv.jsonnet')"
    for words in (
        ("init",),
        ("lock",),
        ("add", "jq"),
        ("search", "jq"),
        ("info", "jq"),
        ("run", "-p", "jq", "--", "true"),
        ("venv", "-e", example, "--", "true"),
    ):
        directory = tmp_path / words[0]
        directory.mkdir()
        if words[0] in ("lock", "add"):
            (directory / "magpkg.yaml").write_text("packages: [make]\n")
        done = magpkg.call([*hidden, *magpkg.words(*words)], cwd=str(directory))
        first, *_ = (line for line in done.stderr.splitlines() if "error" in line)
        assert first.startswith("magpkg: error: no Debian mirror is known"), (words, done.stderr)
        assert "magpkg config mirror URL" in done.stderr, (words, done.stderr)
