"""What strangers pack, build or press must not get out, hang or stay behind."""

import os
import pathlib
import select
import signal
import subprocess
import sys

import pytest

from magpkg.launch.bwrap import find_bwrap
from tests.support.archives import sha256, tar_bytes
from tests.support.manifests import expression
from tests.support.process import Magpkg

OUTSIDE = "/proc/self/root/oldroot"


def archive_package(magpkg: Magpkg, content: bytes, name: str = "hostile") -> str:
    """A Jsonnet package that unpacks an archive with this content."""
    path = pathlib.Path(magpkg.directory, f"{name}.tar")
    path.write_bytes(content)
    fetch = f"[{{ filename: '{name}.tar', sha256: '{sha256(content)}', urls: ['{path}'] }}]"
    return f"magpkg.package({{ name: '{name}', build: 'untar', fetch: {fetch} }})"


def manifest(*packages: str, fields: str = "") -> str:
    """A manifest of the base and these Jsonnet packages."""
    head = "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "
    return head + f"{{ packages: [core.bash, core.coreutils, {', '.join(packages)}], {fields} }}"


@pytest.mark.parametrize("link", ["mnt", "opt"])
def test_no_mount_is_led_through_proc(magpkg: Magpkg, tmp_path: pathlib.Path, link: str) -> None:
    prey = tmp_path / "prey"
    shipped = archive_package(magpkg, tar_bytes({link: f"-> {OUTSIDE}{prey}"}))
    mounts = f"mounts: [{{ type: 'tmpfs', target: '/{link}/x' }}]"
    done = magpkg.venv(manifest(shipped, fields=mounts), "true")
    assert done.status == 125
    assert f"venv.mounts[0].target: /{link}/x leads into the proc mount at /proc" in done.stderr
    assert not prey.exists()


def test_no_mount_names_a_place_in_proc(magpkg: Magpkg, tmp_path: pathlib.Path) -> None:
    prey = tmp_path / "prey"
    done = magpkg.venv(expression(mounts=[{"type": "tmpfs", "target": f"{OUTSIDE}{prey}"}]), "true")
    assert done.status == 125
    assert not prey.exists()


def test_a_build_root_is_not_led_through_proc(magpkg: Magpkg, tmp_path: pathlib.Path) -> None:
    prey = tmp_path / "prey"
    shipped = archive_package(magpkg, tar_bytes({"fetch": f"-> {OUTSIDE}{prey}"}))
    source = archive_package(magpkg, tar_bytes({"a": "x"}), "plain")
    built = (
        "magpkg.package({ name: 'built', build: 'true', buildDeps: core.base + [hostile], "
        f"fetch: {source.partition('fetch: ')[2].partition(' })')[0]} }})"
    )
    text = manifest(built).replace("{ packages", f"local hostile = {shipped}; {{ packages", 1)
    done = magpkg.venv(text, "true")
    assert done.status == 125
    assert "leads into the proc mount" in done.stderr
    assert not prey.exists()


def test_a_signal_before_there_is_a_command_ends_the_launch(magpkg: Magpkg) -> None:
    folder = pathlib.Path(magpkg.directory, "bin")
    folder.mkdir()
    impostor = folder / "bwrap"
    impostor.write_text("#!/bin/sh\nkill -INT $$\n")
    impostor.chmod(0o755)
    magpkg.venv(expression(), "true").checked()  # made with the real one
    done = magpkg.run("venv", "-e", expression(), "--", "true", env={"PATH": f"{folder}:{os.environ['PATH']}"})
    assert done.status == -signal.SIGINT


RELAY = """#!{python} -IS
import fcntl, os, struct, sys, termios
words = sys.argv[1:]
at = words.index("--json-status-fd") + 1
told, (reading, writing) = int(words[at]), os.pipe()
if os.fork() == 0:
    os.set_inheritable(writing, True)
    words[at] = str(writing)
    os.execv("{bwrap}", ["bwrap", *words])
os.close(writing)
first = True  # the rest is read only when the monitor has ended
while byte := os.read(reading, 1):
    os.write(told, byte)
    first = first and byte != b"}}"
    while first and struct.unpack("i", fcntl.ioctl(told, termios.FIONREAD, b"----"))[0]:
        os.sched_yield()
os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_report_that_comes_byte_by_byte_is_read_whole(magpkg: Magpkg) -> None:
    folder = pathlib.Path(magpkg.directory, "bin")
    folder.mkdir()
    relay = folder / "bwrap"
    relay.write_text(RELAY.format(python=sys.executable, bwrap=find_bwrap(os.environ["PATH"])))
    relay.chmod(0o755)
    program = "trap 'echo trapped; exit 9' TERM; echo ready; read line"
    variables = {"PATH": f"{folder}:{os.environ['PATH']}"}
    with magpkg.start("venv", "-e", expression(), "--", "sh", "-c", program, env=variables) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        running.terminate()
        assert running.stdout.readline() == "trapped\n"
        assert running.wait(30) == 9


def test_what_nohup_ignores_stays_ignored(magpkg: Magpkg) -> None:
    words = magpkg.words(
        "venv", "-e", expression(["bash", "coreutils", "grep"]), "--", "grep", "SigIgn", "/proc/self/status"
    )
    program = f"import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv({words[0]!r}, {words!r})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=magpkg.environment(),
        cwd=magpkg.directory,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[1], 16) & 1


def children(pid: int) -> list[int]:
    """The pids of a process's children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]


def building(magpkg: Magpkg) -> tuple[subprocess.Popen[bytes], pathlib.Path, list[int]]:
    """A magpkg in the middle of a build that would take an hour, its log, and its worker processes."""
    slow = f"magpkg.package({{ name: 'slow', build: 'echo begun; sleep 3600 # {magpkg.home}', buildDeps: core.base }})"
    earlier = set(pathlib.Path(magpkg.store, "pkgs").glob("slow-*.log"))
    process = subprocess.Popen(
        magpkg.words("venv", "-e", manifest(slow), "--", "true"), env=magpkg.environment(), cwd=magpkg.directory
    )
    while True:
        for log in set(pathlib.Path(magpkg.store, "pkgs").glob("slow-*.log")) - earlier:
            if log.read_text() == "begun\n":
                return process, log, children(process.pid)
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_at_once_and_leaves_nothing(magpkg: Magpkg, number: signal.Signals) -> None:
    process, log, _ = building(magpkg)
    process.send_signal(number)
    assert process.wait(10) == -number
    assert os.listdir(f"{magpkg.store}/tmp") == []
    log.unlink()


def test_workers_end_with_the_process_they_work_for(magpkg: Magpkg) -> None:
    process, log, workers = building(magpkg)
    assert workers
    pending = list(workers)
    while pending:
        workers += (below := children(pending.pop()))
        pending += below
    watched = [os.pidfd_open(pid) for pid in workers]
    assert len(watched) >= 3, "there is no sandbox yet"
    process.kill()
    process.wait()
    for descriptor in watched:
        assert select.select([descriptor], [], [], 10)[0], "a worker outlives its parent"
        os.close(descriptor)
    log.unlink()
    magpkg.run("cleanup", "--packages", "--max-age-days", "9999").checked()
    assert os.listdir(f"{magpkg.store}/tmp") == []


def test_cleanup_leaves_what_a_build_stands_on(magpkg: Magpkg) -> None:
    process, log, _ = building(magpkg)
    kept = [sorted(os.listdir(f"{magpkg.store}/{kind}")) for kind in ("pkgs", "fetch")]
    done = magpkg.run("cleanup", "--packages", "--fetched", "--max-age-days", "0").checked()
    assert [sorted(os.listdir(f"{magpkg.store}/{kind}")) for kind in ("pkgs", "fetch")] == kept
    assert "package trees" in done.stdout
    process.terminate()
    process.wait(30)
    log.unlink()


def test_a_build_cannot_hide_behind_closed_directories(magpkg: Magpkg) -> None:
    script = "mkdir -p /out/d/e; echo hi >/out/d/e/f; chmod 4755 /out/d/e/f; chmod 000 /out/d/e /out/d"
    built = f"magpkg.package({{ name: 'closed', build: '{script}', buildDeps: core.base }})"
    done = magpkg.venv(manifest(built), "stat", "-c", "%a", "/d", "/d/e", "/d/e/f").checked()
    assert done.stdout == "700\n700\n755\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_endless_evaluation_can_be_interrupted(magpkg: Magpkg, number: signal.Signals) -> None:
    words = magpkg.words("venv", "-e", "local f(x) = f(x + 1) tailstrict; f(0)", "--", "true")
    with subprocess.Popen(words, env=magpkg.environment(), cwd=magpkg.directory) as process:
        while seconds_of_processor(process.pid) < 1:
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(10) == -number


def seconds_of_processor(pid: int) -> float:
    """How long a process has been computing."""
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[11]) / os.sysconf("SC_CLK_TCK")
