"""Running commands: exit statuses, output, environment, mounts, the working directory."""

import json
import os
import pathlib
import pwd
import signal
import subprocess
from typing import Any

import pytest

from tests.support.files import tree_digest
from tests.support.manifests import expression
from tests.support.process import Magpkg

BASE = expression()


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 125"], 125),
        (["sh", "-c", "kill -KILL $$"], -signal.SIGKILL),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["sh", "-c", f"exit {128 + signal.SIGTERM}"], 128 + signal.SIGTERM),
        (["nosuch"], 127),
        (["/no/such"], 127),
        (["/etc/passwd-is-not-here"], 127),
        (["/etc/os-release"], 126),
        (["/usr"], 126),
    ],
)
def test_the_status_is_the_commands(magpkg: Magpkg, command: list[str], status: int) -> None:
    assert magpkg.venv(BASE, *command).status == status


@pytest.mark.parametrize(
    "arguments",
    [
        ["-e", "{ package: [] }"],
        ["-e", "{"],
        ["-f", "/nowhere.jsonnet"],
        ["-e", BASE, "-f", "x"],
        ["--no-such-option"],
        ["-e", expression(mounts=["/no/such/place"])],
        [],
    ],
)
def test_magpkgs_own_failures_are_125_one_line_and_no_traceback(magpkg: Magpkg, arguments: list[str]) -> None:
    done = magpkg.run("venv", *arguments, "--", "true")
    assert done.status == 125
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("rror: ") == 1


def test_a_missing_source_names_mount_and_path(magpkg: Magpkg) -> None:
    done = magpkg.venv(expression(mounts=["/tmp", {"source": "/no/such", "target": "/x"}]), "true")
    assert "venv.mounts[1].source: /no/such does not exist on this host" in done.stderr


def test_stdout_is_the_commands_and_stdin_reaches_it(own_store: Magpkg) -> None:
    manifest = expression(["busybox-static"])
    done = own_store.venv(manifest, "/bin/busybox", "cat", stdin="in and out\n").checked()
    assert done.stdout == "in and out\n"
    assert "magpkg: making" in done.stderr
    again = own_store.venv(manifest, "/bin/busybox", "sh", "-c", "echo out; echo err >&2").checked()
    assert (again.stdout, again.stderr) == ("out\n", "err\n")


def test_what_follows_the_dashes_is_the_commands_untouched(magpkg: Magpkg) -> None:
    words = ["-e", "--debug", "--", "", "a b", "$HOME", "*", "-f"]
    done = magpkg.venv(BASE, "printf", "[%s]", *words).checked()
    assert done.stdout == "".join(f"[{word}]" for word in words)
    assert done.stderr == ""


def test_an_option_of_the_command_is_not_magpkgs(magpkg: Magpkg) -> None:
    done = magpkg.venv(BASE, "nosuch", "--debug")
    assert done.status == 127
    assert "Traceback" not in done.stderr


def test_the_environment_is_what_the_manifest_says_and_nothing_else(magpkg: Magpkg) -> None:
    manifest = expression(envKeep=["KEPT", "ABSENT"], envSet={"SET": "a\nb", "EMPTY": ""}, mounts=["${PWD}"])
    host = {"KEPT": "kept", "SECRET": "hush", "TERM": "dumb", "SET": "host's"}
    found = magpkg.venv(manifest, "env", "-0", env=host).checked().stdout.split("\0")
    assert dict(line.split("=", 1) for line in found if line) == {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "LD_LIBRARY_PATH": "/usr/lib64:/usr/lib:/lib",
        "HOME": magpkg.home,
        "TERM": "dumb",
        "KEPT": "kept",
        "SET": "a\nb",
        "EMPTY": "",
        "LANG": "C.UTF-8",
        "USER": pwd.getpwuid(os.getuid()).pw_name,
        "LOGNAME": pwd.getpwuid(os.getuid()).pw_name,
        "SHELL": "/usr/bin/bash",
        "MAGPKG_VENV": os.path.basename(magpkg.directory),
        "debian_chroot": os.path.basename(magpkg.directory),
        "PWD": magpkg.directory,  # bwrap's own, whatever it is told
    }


def test_the_user_has_a_name_inside(magpkg: Magpkg) -> None:
    said = (
        magpkg.venv(expression(), "sh", "-c", "id -un; id -gn; ls -ld /etc/passwd; tail -1 /etc/group").checked().stdout
    )
    name, group, listed, last = said.splitlines()
    assert name == pwd.getpwuid(os.getuid()).pw_name
    assert group in ("root", "nogroup", name)
    assert f" {name} " in listed
    assert last == "nogroup:x:65534:"


def test_a_users_file_of_the_manifest_wins(magpkg: Magpkg) -> None:
    own = [{"path": "/etc/passwd", "type": "file", "contents": "me:x:1:1::/:/bin/sh\n"}]
    assert magpkg.venv(expression(fsEntries=own), "cat", "/etc/passwd").checked().stdout == "me:x:1:1::/:/bin/sh\n"


def test_options_of_the_moment(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.directory, "file").write_text("here")
    words = ["venv", "-e", expression(), "--ro-bind", ".:/mnt/x", "--chdir", "/mnt/x", "--keep", "KEPT", "--"]
    for _ in range(2):  # the second time by the cached plan
        done = magpkg.run(*words, "sh", "-c", "cat file; echo $KEPT; touch file", env={"KEPT": "kept"})
        assert (done.status, done.stdout) == (1, "herekept\n")
    refused = magpkg.run("venv", "-e", expression(), "--chdir", "/nowhere", "--", "true")
    assert (refused.status, "--chdir /nowhere: there is no such directory" in refused.stderr) == (125, True)
    shell = magpkg.run("venv", "-e", expression(), "--shell", "dash", stdin="echo $0")
    assert shell.checked().stdout == "dash\n"


def test_no_value_can_be_read_from_a_command_line(magpkg: Magpkg) -> None:
    manifest = expression(envSet={"TOKEN": "hush-set"}, envKeep=["KEPT"])
    program = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done; echo $KEPT $TOKEN"
    (path := pathlib.Path(magpkg.directory, "m.jsonnet")).write_text(manifest)
    done = magpkg.run("venv", "-f", str(path), "--", "sh", "-c", program, env={"KEPT": "hush-kept"}).checked()
    *processes, last = done.stdout.splitlines()
    assert last == "hush-kept hush-set"
    assert any("magpkg venv" in line for line in processes)
    assert not [line for line in processes if "hush" in line]


def test_debug_shows_a_line_to_paste_without_secrets(magpkg: Magpkg) -> None:
    manifest = expression(envSet={"TOKEN": "hush-set"})
    (path := pathlib.Path(magpkg.directory, "m.jsonnet")).write_text(manifest)
    done = magpkg.run("venv", "--debug", "-f", str(path), "--", "sh", "-c", "echo pasted $TOKEN").checked()
    line = next(line for line in done.stderr.splitlines() if "bwrap" in line and "--clearenv" in line)
    assert "hush" not in done.stderr
    pasted = subprocess.run(
        ["sh", "-c", line.removeprefix("magpkg: ")],
        env={"TOKEN": "from-the-shell"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert pasted.stdout == "pasted from-the-shell\n"


def mounted(magpkg: Magpkg, manifest: str) -> dict[str, tuple[str, str]]:
    """The mount points inside, each with its type and whether it is ro or rw."""
    lines = magpkg.venv(manifest, "cat", "/proc/self/mountinfo").checked().stdout.splitlines()
    split = [line.split(" ") for line in lines]
    return {words[4]: (words[words.index("-") + 1], words[5].split(",")[0]) for words in split}


def test_the_default_mounts(magpkg: Magpkg) -> None:
    found = mounted(magpkg, BASE)
    assert found["/proc"][0] == "proc"
    assert found["/sys"][1] == found["/etc/hosts"][1] == found["/etc/resolv.conf"][1] == "ro"
    assert found["/tmp"][1] == "rw"
    assert found["/"][1] == "ro"
    name = pathlib.Path("/tmp", f"magpkg-test-{os.getpid()}")
    magpkg.venv(BASE, "touch", str(name)).checked()
    assert name.exists()
    name.unlink()
    with open("/etc/hosts", encoding="utf-8") as file:
        assert magpkg.venv(BASE, "cat", "/etc/hosts").checked().stdout == file.read()
    assert magpkg.venv(BASE, "sh", "-c", "echo x >/dev/null && test -c /dev/urandom").status == 0


def test_without_default_mounts_only_a_scratch_tmp_is_left(magpkg: Magpkg) -> None:
    manifest = expression(mountDefaults=False, mounts=[{"type": "proc", "target": "/proc"}])
    found = mounted(magpkg, manifest)
    assert found["/tmp"] == ("tmpfs", "rw")
    assert "/sys" not in found or found["/sys"][1] == "ro"
    done = magpkg.venv(manifest, "sh", "-c", "ls -A /dev /sys /tmp; echo x >/tmp/x && cat /tmp/x").checked()
    assert done.stdout.split() == ["/dev:", "/sys:", "/tmp:", "x"]


def test_optional_mounts_and_variables(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.home, "note").write_text("note")
    mounts = [
        {"type": "ro-bind", "source": "${HOME}/note", "target": "/srv/${USER}/note"},
        {"source": "${HOME}/none", "target": "/srv/none", "optional": True},
        "${PWD}",
    ]
    command = ["sh", "-c", "cat /srv/ada/note; ls /srv; pwd; echo made >made"]
    done = magpkg.venv(expression(mounts=mounts), *command, env={"USER": "ada"}).checked()
    assert done.stdout == f"noteada\n{magpkg.directory}\n"
    assert pathlib.Path(magpkg.directory, "made").read_text() == "made\n"


def test_the_root_cannot_be_written_to(magpkg: Magpkg) -> None:
    for path in ("/x", "/usr/x", "/etc/x", "/opt/a/x"):
        mounts = [{"source": "${PWD}", "target": "/opt/a/b"}]
        done = magpkg.venv(expression(mounts=mounts), "touch", path)
        assert done.status == 1, path
        assert "Read-only file system" in done.stderr


def test_nothing_is_ever_written_to_a_rootfs(magpkg: Magpkg) -> None:
    file = pathlib.Path(magpkg.directory, "file")
    file.write_text("content")
    entries = [{"type": "file", "path": "/etc/motd", "contents": "nothing is written here"}]
    rootfs = magpkg.rootfs(expression(fsEntries=entries))
    before = tree_digest(rootfs)
    targets = ["/opt/a/b", "/usr/share/x", "/lib/x/y", "/new", "/var/run/x"]
    for mounts in (
        [{"source": "${PWD}", "target": target} for target in targets],
        [{"source": str(file), "target": f"{target}/file"} for target in targets],
        [{"type": "tmpfs", "target": target} for target in targets],
        [{"type": "ro-bind", "source": str(file), "target": "/etc/motd"}],
    ):
        manifest = expression(fsEntries=entries, mounts=mounts)
        checks = " && ".join(f"test -e {mount['target']}" for mount in mounts)
        write = "for d in /opt/a/b /usr/share/x /usr /; do touch $d/w 2>/dev/null; done; true"
        magpkg.venv(manifest, "sh", "-c", f"{checks} && {{ {write}; }}").checked()
        assert magpkg.rootfs(manifest) == rootfs
    assert tree_digest(rootfs) == before


def test_the_hash_is_of_packages_and_fs_entries(magpkg: Magpkg) -> None:
    def named(manifest: str) -> str:
        return magpkg.rootfs(manifest)

    entries = [{"type": "directory", "path": "/a"}, {"type": "directory", "path": "/b"}]
    plain = named(BASE)
    assert named(expression(envSet={"A": "1"}, envKeep=["B"], mounts=["/tmp"], mountDefaults=False)) == plain
    reversed_packages = BASE.replace("packages: core.base", "packages: std.reverse(core.base)")
    assert named(reversed_packages) == plain
    assert named(expression(fsEntries=entries)) == named(expression(fsEntries=entries[::-1])) != plain
    assert named(expression(fsEntries=entries[:1])) not in (plain, named(expression(fsEntries=entries)))


def test_fs_entries_are_there(magpkg: Magpkg) -> None:
    entries = [
        {"type": "file", "path": "/opt/run", "contents": "#!/bin/sh\necho ran\n", "mode": "755"},
        {"type": "symlink", "path": "/usr/bin/run", "target": "/opt/run"},
        {"type": "directory", "path": "/srv/data", "mode": "0o750"},
    ]
    done = magpkg.venv(expression(fsEntries=entries), "sh", "-c", "run; stat -c %a /srv/data").checked()
    assert done.stdout == "ran\n750\n"


def test_the_working_directory(magpkg: Magpkg) -> None:
    def where(**fields: Any) -> str:
        return magpkg.venv(expression(**fields), "pwd").checked().stdout.strip()

    below_tmp = magpkg.directory.startswith("/tmp/")
    hidden: dict[str, Any] = {"mountDefaults": False}
    assert where(mounts=["${PWD}"]) == magpkg.directory
    assert where() == (magpkg.directory if below_tmp else "/")
    assert where(**hidden) == "/"
    assert where(**hidden, mounts=["${HOME}"]) == magpkg.home
    assert where(**hidden, envSet={"HOME": "/root"}) == "/root"
    assert where(**hidden, mounts=[{"source": "${PWD}", "target": "/project"}]) == "/project"


def test_a_shell_without_a_command(magpkg: Magpkg) -> None:
    done = magpkg.run("venv", "-e", BASE, stdin="echo ${BASH_VERSION:+bash}; exit 3\n")
    assert (done.status, done.stdout) == (3, "bash\n")
    manifest = "local core = import 'magpkg/packages/core.libsonnet'; { packages: [core.dash] }"
    done = magpkg.run("venv", "-e", manifest, stdin="echo $0\n").checked()
    assert done.stdout == "sh\n"
    none = magpkg.run("venv", "-e", json.dumps({"packages": []}))
    assert none.status == 127
    assert "neither bash nor sh" in none.stderr
