"""What installing Debian's packages as a whole makes: dpkg's database, the library cache, what scripts leave."""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.archives import ar_bytes, tar_bytes
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.users import user_without_rights

BASE = expression()
CORE = "local core = import 'magpkg/packages/core.libsonnet';"


def deb(directory: str, name: str, files: dict[str, str] | None = None, **scripts: str) -> str:
    """A .deb in `directory` with these files and maintainer scripts, as a Jsonnet package that stands on the base."""
    control = {"./control": f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: t\nDescription: of a test\n"}
    control |= {f"./{member}": text for member, text in scripts.items()}
    content = ar_bytes(
        {
            "debian-binary": b"2.0\n",
            "control.tar.xz": tar_bytes(control, "w:xz"),
            "data.tar.xz": tar_bytes(files or {f"./usr/share/{name}": "\n"}, "w:xz"),
        }
    )
    Path(directory, f"{name}.deb").write_bytes(content)
    fetch = {"filename": f"{name}.deb", "urls": [f"{directory}/{name}.deb"]}
    fetch["sha256"] = hashlib.sha256(content).hexdigest()
    definition = json.dumps({"name": name, "build": "undeb", "fetch": [fetch]})
    return f"(import 'magpkg/magpkg.libsonnet').package({definition} + {{ runDeps: core.base }})"


def manifest(*packages: str, **fields: object) -> str:
    """A manifest of the base and these packages."""
    return f"{CORE} {{ packages: core.base + [{', '.join(packages)}] }} + {json.dumps(fields)}"


def note(magpkg: Magpkg, text: str) -> dict[str, object]:
    """What the venv says of its configuration."""
    made: dict[str, object] = json.loads(
        magpkg.venv(text, "cat", "/var/lib/magpkg/configuration.json").checked().stdout
    )
    return made


def test_dpkg_knows_what_is_there(magpkg: Magpkg) -> None:
    seen = magpkg.venv(
        BASE,
        "bash",
        "-ec",
        "dpkg -S /usr/bin/ls /bin/ls; dpkg -L bash | grep -x /bin/bash; dpkg -l | grep -c ^ii; dpkg -C",
    ).checked()
    lines = seen.stdout.splitlines()
    assert lines[:3] == ["coreutils: /usr/bin/ls", "coreutils: /bin/ls", "/bin/bash"]
    assert int(lines[3]) >= 60
    assert lines[4:] == []
    # Checksums, settings' too: all is as it was shipped.
    wrong = magpkg.venv(BASE, "dpkg", "-V", "bash", "coreutils", "libc6", "base-passwd", "gawk").checked()
    assert wrong.stdout + wrong.stderr == ""


def test_an_export_tells_scanners_what_it_holds(magpkg: Magpkg) -> None:
    path = f"{magpkg.directory}/a.tar"
    magpkg.run("export", "-q", "-e", BASE, "--format", "tar", "-o", path).checked()
    with tarfile.open(path) as archive:
        status = archive.extractfile("var/lib/dpkg/status")
        assert status is not None
        text = status.read().decode()
        assert "Package: bash\nStatus: install ok installed\n" in text
        assert "var/lib/dpkg/info/bash.list" in archive.getnames()
        assert not any(".wh." in name for name in archive.getnames())


def test_libraries_are_found_by_their_cache(magpkg: Magpkg) -> None:
    script = "import ctypes.util as u; print(u.find_library('c'), u.find_library('ssl'))"
    text = expression(["python3", "libc-bin", "libssl3"])
    assert magpkg.venv(text, "python3", "-c", script).checked().stdout == "libc.so.6 libssl.so.3\n"


def test_links_of_alternatives_are_as_update_alternatives_makes_them(magpkg: Magpkg) -> None:
    own = "#!/bin/sh\nset -e\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/own 99"
    own += " \\\n --slave /usr/bin/x x /nope\n"
    text = manifest(deb(magpkg.directory, "own", {"./usr/bin/own": ""}, postinst=own))
    seen = magpkg.venv(
        text, "sh", "-c", "readlink -f /usr/bin/awk; update-alternatives --query awk; test -e /usr/bin/x"
    )
    assert seen.stdout.startswith("/usr/bin/own\nName: awk\n")
    assert "Status: auto\nBest: /usr/bin/own\nValue: /usr/bin/own\n" in seen.stdout
    assert "Alternative: /usr/bin/gawk\nPriority: 10\n" in seen.stdout
    assert seen.status == 1
    assert note(magpkg, text)["scripts"] is False


def test_the_example_runs_no_scripts(magpkg: Magpkg) -> None:
    assert note(magpkg, '(import "magpkg/examples/core-venv.jsonnet") + { mounts: [] }')["because"] == {}


SCRIPT = """#!/bin/bash
set -e
test "$(id -u)" = 0; test "$1" = configure
adduser --system --group --no-create-home ownuser || useradd --system ownuser
echo made >/etc/own; chown ownuser /etc/own; chmod 640 /etc/own
rm -r /usr/share/own/old; rm /usr/share/own/file; mkdir /usr/share/own/file; echo >/usr/share/own/file/new
echo s >/etc/secret; chmod 0 /etc/secret; cat /etc/secret; cp -p /etc/secret /etc/secret2
mkfifo /usr/share/own/fifo; mknod /usr/share/own/null c 1 3
update-alternatives --install /usr/bin/own own /usr/share/own/tool 5
! test -e /dev/tty || ! : </dev/tty
if cat /proc/sys/kernel/core_pattern >/proc/sys/kernel/core_pattern; then exit 9; fi
date >/var/log/own
"""
FILES = {f"./usr/share/own/{name}": name for name in ("old/a", "old/b", "file", "tool", "kept")}


def test_scripts_run_where_they_are_needed(magpkg: Magpkg) -> None:
    text = manifest(deb(magpkg.directory, "own", FILES, postinst=SCRIPT), "core.passwd")
    assert list(note(magpkg, text)["because"]) == ["own"]  # type: ignore[call-overload]
    look = "cd /usr/share/own; find . | sort; cat /etc/own; stat -c %a /etc/own /etc/secret"
    look += "; getent passwd ownuser | cut -d: -f1"
    seen = magpkg.venv(text, "bash", "-c", f"{look}; ls /var/log/own; dpkg -s own | grep ^Status").checked()
    assert seen.stdout.splitlines() == [
        ".", "./file", "./file/new", "./kept", "./tool",
        "made", "640", "400", "ownuser", "Status: install ok installed",
    ]  # fmt: skip
    assert "/var/log/own" in seen.stderr
    # What was removed is removed in what is checked, and in what is exported.
    assert magpkg.run("verify", "-e", text).status == 0
    path = f"{magpkg.directory}/a.tar"
    magpkg.run("export", "-q", "-e", text, "--format", "tar", "-o", path).checked()
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert "usr/share/own/old" not in names
    assert "usr/share/own/file/new" in names
    magpkg.run("export", "-q", "-e", text, "--format", "docker", "-o", path).checked()
    layers: list[list[str]] = []
    with tarfile.open(path) as image:
        for member in image:
            if member.name.endswith(".tar"):
                with tarfile.open(fileobj=image.extractfile(member)) as layer:
                    layers.append(layer.getnames())
    assert sum("usr/share/own/old/a" in layer for layer in layers) == 1
    assert sum("usr/share/own/.wh.old" in layer for layer in layers) == 1
    assert not any(".wh." in name for name in names)


def test_a_second_venv_of_the_same_packages_runs_nothing_again(magpkg: Magpkg) -> None:
    own = deb(magpkg.directory, "own", FILES, postinst=SCRIPT)
    magpkg.venv(manifest(own, "core.passwd"), "true").checked()
    entry = {"type": "file", "path": "/etc/x", "contents": "x"}
    again = magpkg.venv(manifest(own, "core.passwd", fsEntries=[entry], network=False), "cat", "/etc/x").checked()
    assert again.stdout == "x"
    assert "making" not in again.stderr


def test_scripts_can_be_left_out(magpkg: Magpkg) -> None:
    own = deb(magpkg.directory, "own", FILES, postinst=SCRIPT)
    for fields in ({"configure": False}, {"configureSkip": ["own"]}, {"configure": True, "configureSkip": ["own"]}):
        seen = magpkg.venv(
            manifest(own, "core.passwd", **fields), "sh", "-c", "ls /usr/share/own; ls /etc/own; dpkg -s own"
        )
        assert "old" in seen.stdout.split(), fields
        assert "/etc/own" in seen.stderr
        assert "Status: install ok installed" in seen.stdout
        assert (
            magpkg.venv(manifest(own, "core.passwd", **fields), "test", "-s", "/var/lib/dpkg/info/own.postinst").status
            == 0
        )
    wrong = magpkg.venv(manifest(own, configureSkip=["owm"]), "true")
    assert "venv.configureSkip: owm is no Debian package of this venv" in wrong.stderr


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo it broke; exit 3", ("own: configuring: a script failed", "it broke", "configureSkip: ['own']")),
        ("sleep 424242 & while :; do :; done", ("own: configuring: its scripts did not end within 5 seconds",)),
        ("head -c 1000000000 /dev/zero >/big", ("own: configuring: a script failed", "File size limit exceeded")),
        ("read x </dev/tty", ("own: configuring: a script failed", "/dev/tty")),
        ("exec 3<>/dev/tcp/192.0.2.1/80", ("own: configuring: a script failed", "unreachable")),
    ],
)
def test_a_script_that_fails_names_its_package(magpkg: Magpkg, script: str, words: tuple[str, ...]) -> None:
    own = deb(magpkg.directory, "own", postinst=f"#!/bin/bash\nset -e\n{script}\n")
    limits = {"MAGPKG_MAX_SCRIPT_SECONDS": "5", "MAGPKG_MAX_UNPACKED_BYTES": "500000000"}
    failed = magpkg.venv(manifest(own), "true", env=limits)
    assert failed.status == 125
    for word in words:
        assert word in failed.stderr, failed.stderr
    assert not list(sleepers())


def test_what_a_script_leaves_behind_ends_with_it(magpkg: Magpkg) -> None:
    daemon = "setsid -f sleep 424242; setsid -f sh -c 'trap \"\" TERM HUP; sleep 424242'; nohup sleep 424242 &"
    own = deb(magpkg.directory, "own", postinst=f"#!/bin/bash\nset -e\n{daemon}\n")
    magpkg.venv(manifest(own), "true").checked()
    assert not list(sleepers())


def sleepers() -> Iterator[str]:
    """The processes of this machine that a test's scripts have left."""
    for process in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
            if words[:2] == [b"sleep", b"424242"]:
                yield process


def configured_digest(magpkg: Magpkg, directory: str) -> str:
    """The digest of what configuring a package of this test's in `directory`, and the base, comes to."""
    text = manifest(deb(directory, "own", FILES, postinst=SCRIPT), "core.passwd", configure=True)
    magpkg.venv(text, "true").checked()
    listed = json.loads(magpkg.run("show", "-e", text, "--json").checked().stdout)
    trees = Path(listed["rootfs"], "../packages").read_text().split()
    (name,) = [tree for tree in trees if tree.startswith("configured-")]
    return Path(magpkg.store, "pkgs", f"{name}.digest").read_text()


def test_the_same_packages_come_to_the_same_tree(magpkg: Magpkg) -> None:
    """For another user, and on another file system."""
    digest = configured_digest(magpkg, magpkg.directory)
    with user_without_rights("/dev/shm") as other:
        readable = f"{other.home}/../debs"
        os.makedirs(readable, exist_ok=True)
        assert configured_digest(other, os.path.realpath(readable)) == digest
