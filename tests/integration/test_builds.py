"""Packages with a build script, packages that are unpacked, and what many launches at once make."""

import json
import os
import pathlib
import re
import stat

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
    few, enough = ({"MAGPKG_MAX_UNPACKED_ENTRIES": number} for number in ("5", "6"))
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
