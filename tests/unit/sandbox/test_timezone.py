"""The time zone: the host's, wherever the rootfs has not one that somebody chose."""

import os
import pathlib

import pytest

from magpkg.making.rootfs import SKELETON_FILES
from magpkg.manifest.mount import Mount
from magpkg.sandbox.timezone import TimeZone, host_time_zone
from tests.support.files import DictFiles

ZONES = {"/usr/share/zoneinfo/Asia/Tokyo": "file", "/usr/share/zoneinfo/Etc/UTC": "file"}
TOKYO = DictFiles({**ZONES, "/etc/localtime": "-> /usr/share/zoneinfo/Asia/Tokyo"})
UTC = DictFiles({**ZONES, "/etc/localtime": "-> ../usr/share/zoneinfo/Etc/UTC"})
PLAIN = DictFiles({**ZONES, "/etc/localtime": "file"})
NOTHING = DictFiles({})

LOCAL = Mount("ro-bind", "/etc/localtime", "/etc/localtime", optional=True)
ALL = Mount("ro-bind", "/usr/share/zoneinfo", "/usr/share/zoneinfo", optional=True)
BESIDE = Mount("ro-bind", "/etc/localtime", "/run/localtime", optional=True)


def root(
    directory: pathlib.Path, *, zones: bool, link: str = "", content: bytes = SKELETON_FILES["etc/localtime"]
) -> str:
    """A rootfs with or without a database of time zones, and a time zone of its own."""
    (directory / "etc").mkdir()
    (directory / "usr/share/zoneinfo").mkdir(parents=True)
    if zones:
        (directory / "usr/share/zoneinfo/Asia").mkdir()
        (directory / "usr/share/zoneinfo/Asia/Tokyo").write_bytes(b"TZif")
    if link:
        os.symlink(link, directory / "etc/localtime")
    else:
        (directory / "etc/localtime").write_bytes(content)
    return str(directory)


@pytest.mark.parametrize(
    ("files", "zones", "name", "expected"),
    [
        (TOKYO, True, None, TimeZone((LOCAL,), "Asia/Tokyo")),
        (TOKYO, False, None, TimeZone((LOCAL, ALL), "Asia/Tokyo")),
        (TOKYO, True, "Etc/UTC", TimeZone((LOCAL,))),
        (TOKYO, True, "", TimeZone((LOCAL,))),
        (TOKYO, False, "JST-9", TimeZone((LOCAL,))),
        (UTC, True, None, TimeZone()),
        (UTC, False, "Asia/Tokyo", TimeZone((ALL,))),
        (UTC, False, ":Asia/Tokyo", TimeZone((ALL,))),
        (UTC, True, "Asia/Tokyo", TimeZone()),
        (UTC, False, "../../etc/shadow", TimeZone()),
        (UTC, False, "/etc/shadow", TimeZone()),
        (PLAIN, True, None, TimeZone((LOCAL,))),
        (NOTHING, True, None, TimeZone()),
        (NOTHING, False, "Asia/Tokyo", TimeZone()),
    ],
)
def test_a_rootfs_in_utc(
    tmp_path: pathlib.Path, files: DictFiles, zones: bool, name: str | None, expected: TimeZone
) -> None:
    assert host_time_zone(root(tmp_path, zones=zones), files, name=name) == expected


def test_a_link_to_utc_as_debian_makes_it_is_nobodys_choice(tmp_path: pathlib.Path) -> None:
    rootfs = root(tmp_path, zones=True, link="/usr/share/zoneinfo/Etc/UTC")
    assert host_time_zone(rootfs, TOKYO, name=None) == TimeZone((), "Asia/Tokyo")
    assert host_time_zone(rootfs, PLAIN, name=None) == TimeZone((BESIDE,), ":/run/localtime")


def test_a_zone_that_somebody_chose_stays(tmp_path: pathlib.Path) -> None:
    linked, plain = tmp_path / "linked", tmp_path / "plain"
    linked.mkdir()
    plain.mkdir()
    assert (
        host_time_zone(root(linked, zones=True, link="../usr/share/zoneinfo/Asia/Tokyo"), PLAIN, name=None)
        == TimeZone()
    )
    assert host_time_zone(root(plain, zones=True, content=b"TZif2 ... \nCET-1\n"), TOKYO, name=None) == TimeZone()
