"""Why bwrap failed, by what it says and what the host tells: for hosts that a test cannot become."""

import pathlib
import shlex
from collections.abc import Mapping

import pytest

from magpkg.errors import MagpkgError
from magpkg.sandbox.kernel import Kernel
from magpkg.sandbox.namespaces import check, namespaces

MOUNTINFO = "22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:21 / /proc rw - proc proc rw\n"
UBUNTU = {"proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"}
FILTERED = {"proc/self/status": "Name:\tx\nSeccomp:\t2\n"}
NO_PERMISSION = "bwrap: No permissions to create new namespace, likely because the kernel does not allow it"
UID_MAP = "bwrap: setting up uid map: Permission denied"
PROC = "bwrap: Can't mount proc on /newroot/proc: Operation not permitted"


def kernel(root: pathlib.Path, files: Mapping[str, str], environment: Mapping[str, str] | None = None) -> Kernel:
    """A host with these files."""
    for name, text in ({"proc/self/mountinfo": MOUNTINFO} | dict(files)).items():
        path = root / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Kernel(f"{root}/host", dict(environment or {}))


def bwrap(root: pathlib.Path, said: str, where: str = "*") -> str:
    """A bwrap of the right version that fails with these words wherever its options match the shell pattern."""
    path = root / "bwrap"
    fails = f"{where}) echo {shlex.quote(said)} >&2; exit 1;;"
    path.write_text(f'#!/bin/sh\ncase "$*" in --version) echo bubblewrap 0.9.0;; {fails} esac\n')
    path.chmod(0o755)
    return str(path)


CASES = [
    (UBUNTU, UID_MAP, "AppArmor keeps user namespaces from it", ["profile magpkg-bwrap", "userns,", "apparmor_parser"]),
    (UBUNTU, "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "AppArmor", ["/etc/apparmor.d/"]),
    (
        {"proc/sys/kernel/unprivileged_userns_clone": "0\n"},
        NO_PERMISSION,
        "kernel.unprivileged_userns_clone is 0",
        ["sysctl -w kernel.unprivileged_userns_clone=1"],
    ),
    (
        {"proc/sys/user/max_user_namespaces": "0\n"},
        "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
        "user.max_user_namespaces is 0",
        ["sysctl -w user.max_user_namespaces="],
    ),
    (
        {"proc/sys/user/max_user_namespaces": "9\n"},
        "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
        "too many namespaces, or too deep",
        ["raise user.max_user_namespaces, which is 9"],
    ),
    (
        {".dockerenv": "", **FILTERED, **UBUNTU, "proc/self/attr/current": "docker-default (enforce)\n"},
        NO_PERMISSION,
        "the container's seccomp filter refuses it",
        ["--security-opt seccomp=unconfined --security-opt apparmor=unconfined"],
    ),
    (
        {".dockerenv": "", "proc/self/attr/current": "docker-default (enforce)\n"},
        "bwrap: Failed to make / slave: Permission denied",
        "the container does not allow it",
        ["start the container with: --security-opt apparmor=unconfined"],
    ),
    (
        {"run/.containerenv": ""},
        "bwrap: Failed to mount tmpfs: Permission denied",
        "the container does not allow it",
        ["--security-opt label=disable"],
    ),
    (
        {"var/run/secrets/kubernetes.io": "", **FILTERED},
        NO_PERMISSION,
        "the container's seccomp filter",
        ["securityContext.seccompProfile.type: Unconfined"],
    ),
    (
        FILTERED,
        NO_PERMISSION,
        "a seccomp filter refuses it, which what started this has set",
        ["start magpkg outside it"],
    ),
    # A filter of a unit need not be about namespaces.
    ({**FILTERED, **UBUNTU}, UID_MAP, "AppArmor keeps user namespaces from it", ["profile magpkg-bwrap"]),
    ({**FILTERED, **UBUNTU}, NO_PERMISSION, "a seccomp filter refuses it", ["outside"]),
    (
        {},
        "bwrap: Creating new namespace failed, likely because the kernel does not support user namespaces",
        "the kernel has no user namespaces",
        ["CONFIG_USER_NS"],
    ),
]


@pytest.mark.parametrize(("files", "said", "reason", "fixes"), CASES)
def test_reason_and_fix(
    tmp_path: pathlib.Path, files: Mapping[str, str], said: str, reason: str, fixes: list[str]
) -> None:
    version, sandbox = namespaces(bwrap(tmp_path, said), kernel(tmp_path, files))
    assert version.passed
    assert not sandbox.passed
    assert sandbox.message.startswith(f"bwrap cannot make a sandbox: {reason}")
    assert sandbox.message.endswith(said)
    assert [fix for fix in fixes if fix not in (sandbox.fix or "")] == []
    # The narrowest: nothing that would open the host, or the container, to all programs.
    for wide in ("apparmor_restrict_unprivileged_userns=0", "--privileged", "SYS_ADMIN"):
        assert wide not in (sandbox.fix or "")


@pytest.mark.parametrize(
    ("environment", "reason", "fix"),
    [
        ({"FLATPAK_ID": "org.example.Terminal"}, "the Flatpak org.example.Terminal refuses it", "flatpak-spawn --host"),
        ({"SNAP": "/snap/code/172"}, "the snap code refuses it", "outside"),
        ({"container": "firejail"}, "firejail's seccomp filter refuses it", "outside"),
        ({"INVOCATION_ID": "1f"}, "the systemd unit (INVOCATION_ID is set)", "RestrictNamespaces=no"),
    ],
)
def test_who_set_a_filter(tmp_path: pathlib.Path, environment: Mapping[str, str], reason: str, fix: str) -> None:
    _, sandbox = namespaces(bwrap(tmp_path, NO_PERMISSION), kernel(tmp_path, FILTERED, environment))
    assert reason in sandbox.message
    assert fix in (sandbox.fix or "")
    assert "container" not in sandbox.message + (sandbox.fix or "")


def test_the_filter_of_a_venv_is_no_reason(tmp_path: pathlib.Path) -> None:
    files = {"proc/self/status": "Seccomp:\t2\nSeccomp_filters:\t1\n"}
    _, sandbox = namespaces(bwrap(tmp_path, NO_PERMISSION), kernel(tmp_path, files, {"MAGPKG_VENV": "x"}))
    assert "filter" not in sandbox.message
    files = {"proc/self/status": "Seccomp:\t2\nSeccomp_filters:\t2\n"}
    _, sandbox = namespaces(bwrap(tmp_path, NO_PERMISSION), kernel(tmp_path, files, {"MAGPKG_VENV": "x"}))
    assert "filter" in sandbox.message


def test_what_nobody_knows_is_told_in_bwraps_own_words(tmp_path: pathlib.Path) -> None:
    _, sandbox = namespaces(bwrap(tmp_path, "bwrap: something new"), kernel(tmp_path, {}))
    assert (sandbox.message, sandbox.fix) == ("bwrap cannot make a sandbox: bwrap: something new", None)


@pytest.mark.parametrize(
    ("mark", "fix"),
    [
        (".dockerenv", "--security-opt systempaths=unconfined"),
        ("run/.containerenv", "--security-opt unmask=ALL"),
        ("var/run/secrets/kubernetes.io", "procMount: Unmasked"),
        ("elsewhere", "unmount what lies over it"),
    ],
)
def test_a_proc_that_is_hidden_in_part(tmp_path: pathlib.Path, mark: str, fix: str) -> None:
    host = kernel(tmp_path, {mark: "", "proc/self/mountinfo": f"{MOUNTINFO}24 23 0:5 / /proc/keys rw - tmpfs t rw\n"})
    _, sandbox, *_, proc = namespaces(bwrap(tmp_path, PROC, "*--unshare-pid*"), host)
    assert sandbox.passed
    assert not proc.passed
    assert "/proc/keys" in proc.message
    assert fix in (proc.fix or "")


def test_a_profile_is_for_the_real_path_and_comes_through_the_shell_whole(tmp_path: pathlib.Path) -> None:
    made = bwrap(tmp_path, UID_MAP)
    (tmp_path / "link").symlink_to(made)
    _, sandbox = namespaces(f"{tmp_path}/link", kernel(tmp_path, UBUNTU))
    words = shlex.split((sandbox.fix or "").partition(": ")[2])
    assert words[:4] == ["printf", "%s\\n", "abi <abi/4.0>,", "include <tunables/global>"]
    assert words[4] == f'profile magpkg-bwrap "{made}" flags=(unconfined) {{ userns, }}'


def test_only_what_is_asked_for_must_be_possible(tmp_path: pathlib.Path) -> None:
    made = bwrap(tmp_path, PROC, "*--unshare-pid*")
    assert check(made, filtered=False, builds=False).passed
    with pytest.raises(MagpkgError) as caught:
        check(made, filtered=False, builds=True)
    assert "no new /proc" in caught.value.message


def test_a_bwrap_that_is_no_bwrap(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "bwrap"
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    version, sandbox = namespaces(str(path), kernel(tmp_path, {}))
    assert not version.passed
    assert "says no version" in version.message
    assert not sandbox.passed
