"""What goes on below the filter: debuggers, tracers and programs that make sandboxes of their own."""

import pathlib
import textwrap

import pytest

from tests.support.process import Magpkg

NAMES = ("gdb", "strace", "gcc", "libc6-dev", "fakeroot", "linux-perf", "runc", "bubblewrap", "util-linux")
SOURCE = "int twice(int n) { return 2 * n; } int main(void) { return twice(21); }\n"


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory, shared_store: str) -> str:
    """A lock of the programs."""
    directory = tmp_path_factory.mktemp("lock")
    made = Magpkg(shared_store, str(directory), str(directory))
    made.run("lock", "-q", "-o", "all.lock.json", *NAMES).checked()
    return str(directory / "all.lock.json")


@pytest.fixture
def project(magpkg: Magpkg, lock: str) -> Magpkg:
    """A project whose venv has the programs."""
    directory = pathlib.Path(magpkg.directory)
    (directory / "magpkg.yaml").write_text(f"packages: [{', '.join(NAMES)}]\nmounts: ['${{PWD}}']\n")
    (directory / "debian.lock.json").write_text(pathlib.Path(lock).read_text())
    (directory / "twice.c").write_text(SOURCE)
    return magpkg


def said(project: Magpkg, script: str) -> str:
    """What a shell in the venv prints."""
    done = project.run("venv", "-q", "--", "bash", "-euc", textwrap.dedent(script)).checked()
    return done.stdout + done.stderr


def test_gdb(project: Magpkg) -> None:
    shown = said(
        project,
        """
        gcc -g -o twice twice.c
        gdb -q -batch -ex 'break twice' -ex run -ex 'print n' -ex finish -ex kill ./twice
        sleep 600 & gdb -q -batch -p $! -ex detach; kill $!
        """,
    )
    assert "$1 = 21\n" in shown
    assert "Value returned is $2 = 42" in shown
    assert shown.rstrip().endswith("detached]")


def test_strace(project: Magpkg) -> None:
    shown = said(project, "strace -f -e trace=execve,exit_group sh -c '/bin/true; exit 4' 2>&1 || echo status $?")
    assert 'execve("/bin/true"' in shown
    assert shown.endswith("+++ exited with 4 +++\nstatus 4\n")


def test_perf(project: Magpkg) -> None:
    level = int(pathlib.Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    shown = said(project, "perf stat -e task-clock:u true 2>&1 || echo status $?")
    assert ("task-clock" in shown and "status" not in shown) or level > 2, shown


def test_fakeroot(project: Magpkg) -> None:
    shown = said(project, "fakeroot-sysv sh -c 'touch f; chown 12:34 f; mknod d c 1 3; stat -c %u:%g:%F f d'")
    assert shown == "12:34:regular empty file\n0:0:character special file\n"


@pytest.fixture(scope="module")
def boxes(unprivileged: Magpkg, lock: str) -> Magpkg:
    """A project of a user without rights: where root has a sandbox, no other proc file system can be mounted in it."""
    directory = pathlib.Path(unprivileged.directory)
    (directory / "magpkg.yaml").write_text("packages: [strace, runc, bubblewrap, util-linux]\nmounts: ['${PWD}']\n")
    (directory / "debian.lock.json").write_text(pathlib.Path(lock).read_text())
    return unprivileged


def test_a_sandbox_in_the_sandbox(boxes: Magpkg) -> None:
    assert said(boxes, "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc echo inside").endswith("inside\n")
    assert said(boxes, "unshare -rmpf --mount-proc sh -c 'echo $$'") == "1\n"


def test_a_container_without_root(boxes: Magpkg) -> None:
    # What podman runs: it takes a kernel without keyrings for what it is, and no other refusal.
    shown = said(
        boxes,
        """
        mkdir box; cd box
        runc spec --rootless
        sed -i 's/"terminal": true/"terminal": false/; s#"sh"$#"/usr/bin/id", "-u"#' config.json
        mkdir -p rootfs/usr/bin; ln -s usr/bin usr/lib usr/lib64 rootfs
        cp -L /usr/bin/id rootfs/usr/bin/
        ldd /usr/bin/id | grep -o '/[^ ]*' | while read path; do
            mkdir -p $(dirname rootfs/usr$path); cp -L $path rootfs/usr$path
        done
        strace -f -o trace -e trace=keyctl runc --root $PWD/run run it
        cat trace
        """,
    )
    assert shown.startswith("0\n"), shown
    assert "ENOSYS" in shown
