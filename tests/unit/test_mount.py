"""Mounts: merging with the built-in ones, and variables in their paths."""

import pytest

from magpkg.errors import MagpkgError
from magpkg.mount import DEFAULT_MOUNTS, SCRATCH_MOUNT, Mount, expand_mount, merge_mounts


def test_the_built_in_mounts_are_those_of_the_manual() -> None:
    assert [(mount.type, mount.source, mount.target, mount.optional) for mount in DEFAULT_MOUNTS] == [
        ("dev-bind", "/dev", "/dev", True),
        ("proc", "", "/proc", False),
        ("ro-bind", "/sys", "/sys", True),
        ("ro-bind", "/etc/resolv.conf", "/etc/resolv.conf", True),
        ("ro-bind", "/etc/hosts", "/etc/hosts", True),
        ("bind", "/tmp", "/tmp", True),
    ]


def test_built_in_mounts_come_first() -> None:
    mine = Mount("bind", "/home", "/home")
    assert merge_mounts((mine,), defaults=True) == (*DEFAULT_MOUNTS, mine)


def test_without_them_tmp_is_a_tmpfs() -> None:
    assert merge_mounts((), defaults=False) == (SCRATCH_MOUNT,)
    assert SCRATCH_MOUNT.type == "tmpfs"


def test_a_mount_on_tmp_of_ones_own_is_kept() -> None:
    mine = Mount("bind", "/scratch", "/tmp")
    assert merge_mounts((mine,), defaults=False) == (mine,)


def test_the_scratch_tmp_hides_no_mount_below_it() -> None:
    mine = Mount("bind", "/host", "/tmp/mine")
    merged = merge_mounts((mine,), defaults=False)
    assert merged.index(SCRATCH_MOUNT) < merged.index(mine)


def test_a_later_mount_replaces_an_earlier_one_of_its_target() -> None:
    first, second = Mount("bind", "/a", "/x"), Mount("tmpfs", "", "/x")
    other = Mount("bind", "/b", "/x/y")
    merged = merge_mounts((first, other, second), defaults=False)
    assert [mount for mount in merged if mount != SCRATCH_MOUNT] == [other, second]
    proc = Mount("ro-bind", "/proc", "/proc")
    merged = merge_mounts((proc,), defaults=True)
    assert merged[-1] is proc
    assert [mount.target for mount in merged].count("/proc") == 1


def test_variables_are_expanded_and_paths_made_plain() -> None:
    mount = Mount("bind", "${HOME}//.cache/", "/home/${USER}/./x")
    variables = {"HOME": "/home/ada", "USER": "ada", "PWD": "/src"}
    assert expand_mount(mount, variables) == Mount("bind", "/home/ada/.cache", "/home/ada/x")


def test_a_dollar_without_brace_is_a_dollar() -> None:
    assert expand_mount(Mount("bind", "/a$b", "/$HOME"), {}) == Mount("bind", "/a$b", "/$HOME")


@pytest.mark.parametrize(
    ("mount", "variables", "message"),
    [
        (Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"), {}, "${HOME} is not set in the environment"),
        (Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"), {"HOME": ""}, "${HOME} is not set in the environment"),
        (Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"), {"HOME": "me"}, 'must be an absolute path, got "me"'),
    ],
)
def test_bad_variable(mount: Mount, variables: dict[str, str], message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        expand_mount(mount, variables)
    assert caught.value.message == f"venv.mounts[3].source: {message}"
