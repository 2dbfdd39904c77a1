"""Packages with a build script, packages that are unpacked, and what many launches at once make."""

import dataclasses
import json
import os
import pathlib
import re
import secrets
import signal
import stat
import threading
import time

import pytest

from magpkg.launch.bwrap import find_bwrap
from magpkg.making.bounds import Bounds
from magpkg.making.room import Room
from magpkg.making.script import run
from tests.support.archives import sha256, tar_bytes
from tests.support.process import Magpkg, Outcome

LIBRARY = "local magpkg = import 'magpkg/magpkg.libsonnet'; local core = import 'magpkg/packages/core.libsonnet'; "
BUSYBOX = "core['busybox-static']"


def built(magpkg: Magpkg, script: str, *command: str, name: str = "mine", fields: str = "") -> Outcome:
    """Run busybox with a command in a venv of a package that a busybox script builds."""
    definition = f"{{ name: '{name}', build: {json.dumps(script)}, buildDeps: [{BUSYBOX}] {fields} }}"
    return magpkg.venv(f"{LIBRARY}{{ packages: [{BUSYBOX}, magpkg.package({definition})] }}", "/bin/busybox", *command)


def script(*lines: str) -> str:
    """A script for a root that has only busybox."""
    return "\n".join(("#!/bin/busybox sh", "set -e", *lines, ""))


def test_what_a_build_sees(own_store: Magpkg) -> None:
    data = tar_bytes({"x": "content"})
    pathlib.Path(own_store.directory, "data.tar").write_bytes(data)
    fetch = f", fetch: [{{ filename: 'data.tar', sha256: '{sha256(data)}', urls: ['{own_store.directory}/data.tar'] }}]"
    lines = [
        "exec >/out/seen",
        "pwd; echo $HOME; ls /fetch; tar xOf /fetch/data.tar x; echo",
        "ls /store | sed 's/-[0-9a-f]*$//'; ls /store/*/bin | grep -c '^busybox$'",
        'echo $PATH $SOURCE_DATE_EPOCH; test -n "$SHELL$CONFIG_SHELL" && test $BUILD_PARALLELISM -ge 1 && echo set',
        "echo ${SECRET-none}; grep -c : /proc/net/dev",
        "touch /tmp/x /build/x /out/x && echo writable",
        "touch /usr/x 2>/dev/null || echo read-only",
        "for tree in /store/*; do touch $tree/x 2>/dev/null || echo kept; done",
        "touch /fetch/data.tar 2>/dev/null || echo unchanged",
        "pattern=$(cat /proc/sys/kernel/core_pattern)",
        "echo $pattern 2>/dev/null >/proc/sys/kernel/core_pattern || echo the host\\'s",
        "grep ^Seccomp: /proc/self/status",
    ]
    own = Magpkg(own_store.store, own_store.home, own_store.directory, variables={"SECRET": "hush"})
    done = built(own, script(*lines), "cat", "/seen", fields=fetch)
    assert done.checked().stdout.splitlines() == [
        "/build",
        "/build",
        "data.tar",
        "content",
        "busybox-static",
        "1",
        "/usr/bin:/bin:/usr/sbin:/sbin 315532800",
        "set",
        "none",
        "1",
        "writable",
        "read-only",
        "kept",
        "unchanged",
        "the host's",
        "Seccomp:\t2",
    ]


def test_a_built_tree_has_no_setuid_and_fixed_times(own_store: Magpkg) -> None:
    lines = ["mkdir -p /out/bin", "echo x >/out/bin/a", "chmod 6755 /out/bin/a", "ln -s a /out/bin/b"]
    built(own_store, script(*lines), "true").checked()
    (tree,) = pathlib.Path(own_store.store, "pkgs").glob("mine-*[0-9a-f]/")
    status = os.lstat(tree / "bin/a")
    assert stat.S_IMODE(status.st_mode) == 0o755
    assert status.st_mtime == os.lstat(tree / "bin/b").st_mtime == 315532800


def test_a_build_has_a_session_of_its_own(own_store: Magpkg) -> None:
    # Without one it could push characters into the terminal that it was started from, ioctl_tty(2), TIOCSTI.
    done = built(own_store, script("cut -d' ' -f6 /proc/self/stat >/out/session"), "cat", "/session").checked()
    assert int(done.stdout) > 0, "the session is of another pid namespace, the host's"


def test_modes_do_not_depend_on_who_builds(own_store: Magpkg) -> None:
    before = os.umask(0o077)
    try:
        done = built(own_store, script("mkdir /out/d", "echo >/out/d/f"), "stat", "-c", "%a", "/d", "/d/f")
    finally:
        os.umask(before)
    assert done.checked().stdout == "755\n644\n"


def test_the_bounds_are_of_all_that_a_package_unpacks(own_store: Magpkg) -> None:
    fetch = []
    for name in ("one", "two"):
        data = tar_bytes({f"{name}/{index}": "x" for index in range(3)})
        pathlib.Path(own_store.directory, f"{name}.tar").write_bytes(data)
        fetch.append({"filename": f"{name}.tar", "sha256": sha256(data), "urls": [f"{name}.tar"]})
    manifest = json.dumps({"packages": [{"name": "mine", "build": "untar", "fetch": fetch}]})
    few, enough = ({"MAGPKG_MAX_UNPACKED_ENTRIES": number} for number in ("5", "8"))  # six files, two directories
    done = own_store.run("build", "-e", manifest, env=few)
    assert "package mine: two.tar: unpacks to more than 5 entries" in done.stderr
    own_store.run("build", "-e", manifest, env=enough).checked()


def test_a_failed_build_shows_its_last_lines_and_where_the_log_is(own_store: Magpkg) -> None:
    lines = ["i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line-$i; done", "echo wrong >&2", "exit 3"]
    done = built(own_store, script(*lines), "true")
    assert done.status == 125
    assert done.stdout == ""
    assert "package mine: build: failed with exit status 3" in done.stderr
    assert "line-100\nwrong\n" in done.stderr
    assert "line-1\n" not in done.stderr
    assert "Traceback" not in done.stderr
    match = re.search(r"the whole log is in (\S+)", done.stderr)
    assert match
    assert pathlib.Path(match.group(1)).read_text().startswith("line-1\nline-2\n")
    assert os.listdir(f"{own_store.store}/tmp") == []
    assert [name for name in os.listdir(f"{own_store.store}/pkgs") if re.fullmatch(r"mine-[0-9a-f]{64}", name)] == []


def test_a_script_without_a_first_line_is_a_shells_and_ends_at_the_first_failure(own_store: Magpkg) -> None:
    text = "mkdir /out/bin\nfalse\ntouch /out/never\n"
    definition = f"{{ name: 'mine', build: {json.dumps(text)}, buildDeps: core.base }}"
    manifest = f"{LIBRARY}{{ packages: [magpkg.package({definition})] }}"
    done = own_store.venv(manifest, "/bin/true")
    assert done.status == 125
    assert "package mine: build: failed with exit status 1" in done.stderr


def test_a_failed_download_of_a_package_is_one_line(own_store: Magpkg) -> None:
    pathlib.Path(own_store.directory, "a.tar").write_bytes(b"changed")
    fetch = {"filename": "a.tar", "sha256": "0" * 64, "urls": ["a.tar"]}
    manifest = json.dumps({"packages": [{"name": "mine", "build": "untar", "fetch": [fetch]}]})
    done = own_store.venv(manifest, "true")
    assert done.status == 125
    said = f"magpkg: error: package mine: a.tar cannot be fetched: a.tar: gave a file with SHA-256 {sha256(b'changed')}"
    assert said in done.stderr
    assert os.listdir(f"{own_store.store}/fetch") == []


def test_a_damaged_archive_is_an_error_and_no_traceback(own_store: Magpkg) -> None:
    whole = tar_bytes({f"f{index}": bytes(range(256)) * 40 for index in range(4)})
    for name, data in (("cut.tar", whole[:5000]), ("bad.zst", b"\x28\xb5\x2f\xfd" + b"nonsense" * 9)):
        pathlib.Path(own_store.directory, name).write_bytes(data)
        fetch = {"filename": name, "sha256": sha256(data), "urls": [name]}
        manifest = json.dumps({"packages": [{"name": "mine", "build": "untar", "fetch": [fetch]}]})
        done = own_store.venv(manifest, "true")
        assert done.status == 125
        assert f"package mine: {name}" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_long_chain_of_packages_is_made(own_store: Magpkg) -> None:
    link = "function(p, n) magpkg.package({ name: 'p%d' % n, runDeps: if p == null then [] else [p] })"
    manifest = f"{LIBRARY}{{ packages: [{BUSYBOX}, std.foldl({link}, std.range(1, 400), null)] }}"
    with own_store.start("venv", "-q", "-e", manifest, "--", "/bin/busybox", "true") as running:
        assert running.wait(60) == 0


def test_many_first_launches_at_once_make_one_venv(own_store: Magpkg) -> None:
    text = script("echo built >/out/once", "echo run >>/out/log")
    definition = f"{{ name: 'mine', build: {json.dumps(text)}, buildDeps: [{BUSYBOX}] }}"
    manifest = f"{LIBRARY}{{ packages: [{BUSYBOX}, magpkg.package({definition})] }}"
    words = own_store.words("venv", "-e", manifest, "--", "/bin/busybox", "cat", "/once", "/log")
    running = [own_store.spawn(words) for _ in range(8)]
    ended = [(*process.communicate(timeout=120), process.returncode) for process in running]
    assert [(out, status) for out, _, status in ended] == [("built\nrun\n", 0)] * 8, ended
    assert sum("making" in said for _, said, _ in ended) == 1
    assert len([name for name in os.listdir(f"{own_store.store}/venv") if not name.endswith(".lock")]) == 1
    assert os.listdir(f"{own_store.store}/tmp") == []


# ---- the end of a build

KEPT = "while :; do echo x >>/out/late; done"
ENDS = {
    "a daemon": f"(setsid sh -c '{KEPT}' >/dev/null 2>&1 </dev/null &) ; sleep 0.1",
    "one that ignores signals": f"(trap '' HUP INT TERM QUIT; {KEPT}) & sleep 0.1",
    "one that holds the log": "sleep 600 & sleep 0.1",
    "one that is another process each time": "on() { usleep 1000; on & }; on & on & on & sleep 0.2",
}


def marked(mark: str) -> list[str]:
    """The processes of this machine that have a text in their environment."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("status", [0, 3])
@pytest.mark.parametrize("kind", sorted(ENDS))
def test_nothing_of_a_build_outlives_it(own_store: Magpkg, kind: str, status: int) -> None:
    mark = f"BUILD_OF_TEST={secrets.token_hex(8)}"
    lines = [f"export {mark}", "echo early >/out/early", ENDS[kind], f"exit {status}"]
    done = built(own_store, script(*lines), "cat", "/early")
    assert marked(mark) == []
    assert (done.status, done.stdout) == ((0, "early\n") if status == 0 else (125, ""))
    assert os.listdir(f"{own_store.store}/tmp") == []


def test_when_a_script_has_run_its_many_processes_have_ended(tmp_path: pathlib.Path) -> None:
    mark = f"BUILD_OF_TEST={secrets.token_hex(8)}"
    options = ["--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    options += ["--bind", str(tmp_path), str(tmp_path)]
    begin = f"export {mark}; cd {tmp_path}; mkfifo end; i=0"
    text = f"{begin}; while [ $i -lt 400 ]; do i=$((i+1)); sleep 600 & done; read line <end; exit 7"
    seen: list[str] = []

    def end() -> None:
        while len(seen) < 400:
            seen[:] = marked(mark)
        (tmp_path / "end").write_text("\n")

    ending = threading.Thread(target=end)
    ending.start()
    status = run(
        find_bwrap(os.environ["PATH"]), options, ["/bin/sh", "-c", text], Room("it", (), f"{tmp_path}/log", Bounds())
    )
    left = [process for process in seen if os.path.exists(f"/proc/{process}")]
    ending.join()
    assert (status, left) == (7, [])


def test_ctrl_c_ends_a_build_that_ignores_it(own_store: Magpkg) -> None:
    mark = f"BUILD_OF_TEST={secrets.token_hex(8)}"
    text = script(f"export {mark}", "trap '' HUP INT TERM QUIT", "sh -c 'while :; do sleep 1; done' &", "cat /dev/zero")
    definition = f"{{ name: 'mine', build: {json.dumps(text)}, buildDeps: [{BUSYBOX}] }}"
    manifest = f"{LIBRARY}{{ packages: [magpkg.package({definition})] }}"
    with own_store.start("venv", "-e", manifest, "--", "true") as running:
        log = pathlib.Path(own_store.store, "pkgs")
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in log.glob("mine-*.log")):
            assert time.monotonic() < deadline
        began = time.monotonic()
        os.killpg(running.pid, signal.SIGINT)
        assert running.wait(30) == -signal.SIGINT  # what a shell tells as 130
        assert time.monotonic() - began < 5
    assert marked(mark) == []
    assert os.listdir(f"{own_store.store}/tmp") == []


ENDLESS = {
    "one file of /out": ("cat /dev/zero >/out/large", "bytes in one file"),
    "one file of /build": ("cat /dev/zero >/build/large", "bytes in one file"),
    "the log": ("cat /dev/zero", "bytes in one file"),
    "many files": ("i=0; while :; do i=$((i+1)); head -c 500000 /dev/zero >/build/$i; done", "bytes"),
    "many files that are there in the end": ("for i in 1 2 3 4 5; do head -c 500000 /dev/zero >/out/$i; done", "bytes"),
    "empty files": ("i=0; while :; do i=$((i+1)); mkdir /out/$i; done", "entries"),
}


@pytest.mark.parametrize("kind", sorted(ENDLESS))
def test_a_build_has_bounds(own_store: Magpkg, kind: str) -> None:
    text, what = ENDLESS[kind]
    variables = {"MAGPKG_MAX_UNPACKED_BYTES": "2000000", "MAGPKG_MAX_UNPACKED_ENTRIES": "500"}
    magpkg = dataclasses.replace(own_store, variables=variables)
    own_store.run("fetch", "-e", f"{LIBRARY}{{ packages: [{BUSYBOX}] }}").checked()
    own_store.run("build", "-e", f"{LIBRARY}{{ packages: [{BUSYBOX}] }}").checked()
    done = built(magpkg, script(text), "true")
    assert done.status == 125
    limit = "500" if what == "entries" else "2,000,000"
    assert f"error: package mine: build: takes more than {limit} {what}" in done.stderr
    assert "MAGPKG_MAX_UNPACKED_" in done.stderr
    assert os.listdir(f"{own_store.store}/tmp") == []


def test_only_the_end_of_a_log_is_read(own_store: Magpkg) -> None:
    lines = ["head -c 300000000 /dev/zero | tr '\\0' x", "echo; echo last", "exit 1"]
    definition = f"{{ name: 'mine', build: {json.dumps(script(*lines))}, buildDeps: [{BUSYBOX}] }}"
    manifest = f"{LIBRARY}{{ packages: [magpkg.package({definition})] }}"
    own_store.run("build", "-e", f"{LIBRARY}{{ packages: [{BUSYBOX}] }}").checked()
    done = own_store.call(["sh", "-c", 'ulimit -v 500000; exec "$@"', "sh", *own_store.words("venv", "-e", manifest)])
    assert done.status == 125, done.stderr
    assert f"\n{'x' * 500}...\nlast\n" in done.stderr
    assert len(done.stderr) < 2000
