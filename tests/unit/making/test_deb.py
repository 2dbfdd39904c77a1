"""Debian packages: an ar archive that is not as deb(5) has it is none."""

import gzip
import lzma
import pathlib

import pytest

from magpkg.errors import MagpkgError
from magpkg.making.archive import read_entries
from tests.support.archives import ar_bytes, tar_bytes

FORMAT = {"debian-binary": b"2.0\n"}
CONTROL = {"control.tar.xz": b"anything"}
DATA = {"data.tar.xz": lzma.compress(tar_bytes({"a": "x"}), preset=0)}
PLAIN = tar_bytes({"a": "x"})


def read(path: pathlib.Path, data: bytes) -> list[str]:
    """The paths in a package."""
    path.write_bytes(data)
    return [entry.path for entry in read_entries(str(path), "a.deb")]


PACKAGES = {
    "as it should be": {**FORMAT, **CONTROL, **DATA},
    "a later format 2": {"debian-binary": b"2.7\nmore\n", **CONTROL, **DATA},
    "private members between": {**FORMAT, "_a": b"x", **CONTROL, "_b": b"y", **DATA},
    "anything afterwards": {**FORMAT, **CONTROL, **DATA, "_gpgorigin": b"", "more": b"", "control.tar": b""},
    "names with slashes": {"debian-binary/": b"2.0\n", "control.tar/": b"", "data.tar/": PLAIN},
    "plain": {**FORMAT, "control.tar": b"", "data.tar": PLAIN},
}


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_packages(tmp_path: pathlib.Path, name: str) -> None:
    assert read(tmp_path / "a", ar_bytes(PACKAGES[name])) == ["a"]


OTHERS = {
    "no format": ({**CONTROL, **DATA}, "is no Debian package of format 2"),
    "the format not first": ({"_a": b"", **FORMAT, **CONTROL, **DATA}, "is no Debian package of format 2"),
    "a format to come": ({"debian-binary": b"3.0\n", **CONTROL, **DATA}, "is no Debian package of format 2"),
    "an old format": ({"debian-binary": b"0.939000\n", **CONTROL, **DATA}, "is no Debian package of format 2"),
    "a format without a line's end": ({"debian-binary": b"2.0", **CONTROL, **DATA}, "is no Debian package of format 2"),
    "no control": ({**FORMAT, **DATA}, "has the member 'data.tar.xz' where control.tar must be, deb(5)"),
    "data before control": ({**FORMAT, **DATA, **CONTROL}, "has the member 'data.tar.xz' where control.tar must be"),
    "control twice": ({**FORMAT, **CONTROL, "control.tar": b"", **DATA}, "has the member 'control.tar' where data.tar"),
    "another member": ({**FORMAT, **CONTROL, "extra": b"", **DATA}, "has the member 'extra' where data.tar must be"),
    "another before": ({**FORMAT, "extra": b"", **CONTROL, **DATA}, "has the member 'extra' where control.tar"),
    "another compression": ({**FORMAT, **CONTROL, "data.tar.lzma": b""}, "has the member 'data.tar.lzma' where"),
    "a name that goes on": ({**FORMAT, **CONTROL, "data.tar.xz.old": b""}, "has the member 'data.tar.xz.old' where"),
    "no data": ({**FORMAT, **CONTROL, "_a": b""}, "is an ar archive without data.tar, so no Debian package"),
    "nothing": ({}, "is an ar archive without debian-binary, so no Debian package"),
    "a name that is not true": ({**FORMAT, **CONTROL, "data.tar.xz": gzip.compress(PLAIN)}, "is damaged: "),
    "a name that is true of the inside": ({**FORMAT, **CONTROL, "data.tar": gzip.compress(PLAIN)}, "is damaged: "),
}


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_what_is_no_package(tmp_path: pathlib.Path, name: str) -> None:
    members, said = OTHERS[name]
    with pytest.raises(MagpkgError) as caught:
        read(tmp_path / "a", ar_bytes(members))
    assert caught.value.message.startswith(f"a.deb: {said}")
