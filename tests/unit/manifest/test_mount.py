"""Mounts: merging with the built-in ones, and variables in their paths."""

import pytest

from magpkg.errors import MagpkgError
from magpkg.manifest.mount import (
    DEFAULT_MOUNTS,
    SCRATCH_MOUNT,
    Mount,
    expand_mount,
    expand_mounts,
    host_variables,
    merge_mounts,
    read_mount,
)


def test_the_built_in_mounts_are_those_of_the_manual() -> None:
    assert [(mount.type, mount.source, mount.target, mount.optional) for mount in DEFAULT_MOUNTS] == [
        ("dev-bind", "/dev", "/dev", True),
        ("proc", "", "/proc", False),
        ("ro-bind", "/sys", "/sys", True),
        ("ro-bind", "/etc/resolv.conf", "/etc/resolv.conf", True),
        ("ro-bind", "/etc/hosts", "/etc/hosts", True),
        ("bind", "/tmp", "/tmp", True),
    ]


def test_without_them_tmp_is_a_tmpfs() -> None:
    assert merge_mounts(()) == (SCRATCH_MOUNT,)
    assert SCRATCH_MOUNT.type == "tmpfs"


def test_a_mount_on_tmp_of_ones_own_is_kept() -> None:
    mine = Mount("bind", "/scratch", "/tmp")
    assert merge_mounts((mine,)) == (mine,)


def test_the_scratch_tmp_hides_no_mount_below_it() -> None:
    mine = Mount("bind", "/host", "/tmp/mine")
    merged = merge_mounts((mine,))
    assert merged.index(SCRATCH_MOUNT) < merged.index(mine)


def test_a_later_mount_replaces_an_earlier_one_of_its_target() -> None:
    first, second = Mount("bind", "/a", "/x"), Mount("tmpfs", "", "/x")
    other = Mount("bind", "/b", "/x/y")
    merged = merge_mounts((first, other, second))
    assert [mount for mount in merged if mount != SCRATCH_MOUNT] == [other, second]
    proc = Mount("ro-bind", "/proc", "/proc")
    merged = merge_mounts((*DEFAULT_MOUNTS, proc))
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
        (
            Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"),
            {},
            "${HOME} is not set in the environment, or not to a directory of a user",
        ),
        (
            Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"),
            {"HOME": ""},
            "${HOME} is not set in the environment, or not to a directory of a user",
        ),
        (Mount("bind", "${HOME}", "/x", where="venv.mounts[3]"), {"HOME": "me"}, 'must be an absolute path, got "me"'),
    ],
)
def test_bad_variable(mount: Mount, variables: dict[str, str], message: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        expand_mount(mount, variables)
    assert caught.value.message == f"venv.mounts[3].source: {message}"


SOCKET = Mount("ro-bind", "${XDG_RUNTIME_DIR}/x", "${XDG_RUNTIME_DIR}/x", optional=True)


@pytest.mark.parametrize("value", ["", "wayland-0"])
def test_an_optional_mount_whose_variable_is_no_path_is_left_out(value: str) -> None:
    known = Mount("bind", "/a", "/a")
    assert expand_mounts([SOCKET, known], {"XDG_RUNTIME_DIR": value}) == [known]
    with pytest.raises(MagpkgError):
        expand_mounts([Mount("bind", "${XDG_RUNTIME_DIR}/x", "/x")], {"XDG_RUNTIME_DIR": value})


def test_the_variables_of_the_host_that_mounts_name() -> None:
    mounts = [SOCKET, Mount("bind", "${PWD}", "/x"), Mount("bind", "/x", "${SSH_AUTH_SOCK}")]
    assert host_variables(mounts) == ("XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")


@pytest.mark.parametrize("path", ["${STATE}", "${STATE}/a/b", "${STATE}/.", "${STATE}/${USER}", "/x/${STATE}/a"])
def test_state_is_a_directory_of_one_name(path: str) -> None:
    with pytest.raises(MagpkgError) as caught:
        read_mount(path, "m")
    assert caught.value.message == f'm: must be ${{STATE}}/NAME, got "{path}"'
    assert read_mount("${STATE}/.cache", "m").source == "${STATE}/.cache"
