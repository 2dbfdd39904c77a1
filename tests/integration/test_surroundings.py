"""The surroundings of a command: what programs expect of any system, and what the host's user expects of his."""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

import pytest

from tests.integration.test_presets import on_host
from tests.support.files import settle
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

NAME = pwd.getpwuid(os.getuid()).pw_name
HERMETIC = expression(mountDefaults=False)
KITTY = "xterm-kitty|a terminal that Debian does not know, cols#80, lines#24, clear=kitty-clears, cup=%p1%d;%p2%d,\n"


def says(magpkg: Magpkg, script: str, manifest: str = "", **options: object) -> list[str]:
    """The lines that a shell inside prints."""
    return magpkg.venv(manifest or expression(), "sh", "-c", script, **options).checked().stdout.splitlines()


@pytest.fixture
def host_files() -> Iterator[pathlib.Path]:
    """A directory for files that stand for the host's."""
    made = tempfile.mkdtemp(prefix="magpkg-test-")
    yield pathlib.Path(made)
    shutil.rmtree(made)


@pytest.mark.parametrize("manifest", [expression(), HERMETIC], ids=["default", "hermetic"])
def test_what_programs_expect_of_any_system(magpkg: Magpkg, manifest: str) -> None:
    script = (
        "getent hosts localhost; whoami; id -gn; stat -c '%n %a' /run/lock /var/tmp /var/lock/; mktemp /run/XXX; "
        "TMPDIR=/var/tmp mktemp; ls -d /usr/local/bin /usr/local/lib /usr/local/man/; cat /etc/machine-id; echo $SHELL"
    )
    localhost, name, _, *lines = says(magpkg, script, manifest)
    assert "localhost" in localhost
    assert name == NAME
    assert lines[:3] == ["/run/lock 1777", "/var/tmp 1777", "/var/lock/ 1777"]
    assert [os.path.dirname(line) for line in lines[3:5]] == ["/run", "/var/tmp"]
    assert lines[5:8] == ["/usr/local/bin", "/usr/local/lib", "/usr/local/man/"]
    assert re.fullmatch("[0-9a-f]{32}", lines[8])
    assert lines[9:] == ["/usr/bin/bash"]


def test_every_machine_has_another_id_and_tells_not_its_own(magpkg: Magpkg, host_files: pathlib.Path) -> None:
    (host_files / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    other = on_host(magpkg, "--ro-bind", str(host_files / "machine-id"), "/etc/machine-id")
    script = "cat /etc/machine-id"
    here, there = says(magpkg, script), says(other, script)
    assert here != there
    assert "0123456789abcdef" not in there[0]
    assert says(magpkg, script, HERMETIC) == says(other, script, HERMETIC)


def test_variables_that_are_there_by_default(magpkg: Magpkg) -> None:
    host = {"COLORTERM": "truecolor", "NO_COLOR": "1", "CI": "true", "GIT_INDEX_FILE": "/p/index", "SECRET": "hush"}
    shown = "echo $USER $LOGNAME $COLORTERM $NO_COLOR $CI $GIT_INDEX_FILE $SECRET"
    assert says(magpkg, shown, env=host) == [f"{NAME} {NAME} truecolor 1 true /p/index"]
    assert says(magpkg, shown, expression(hostDefaults=False), env=host) == [""]
    assert says(magpkg, shown, HERMETIC, env=host) == [""]
    assert says(magpkg, shown, expression(mountDefaults=False, hostDefaults=True), env=host)[0].startswith(NAME)
    assert says(magpkg, shown, expression(envSet={"CI": "", "USER": "eve"}), env=host)[0].startswith("eve ")
    assert says(magpkg, "echo $USER $LOGNAME", expression(envKeep=["USER"]), env={"USER": "ann"}) == [f"ann {NAME}"]


def test_without_host_defaults_the_user_has_no_name_of_the_host(magpkg: Magpkg) -> None:
    name = says(magpkg, "whoami", expression(hostDefaults=False))
    assert name == ["root" if os.getuid() == 0 else "user"]


@pytest.mark.parametrize("short", [False, True], ids=["long", "short"])
def test_patterns_in_env_keep(magpkg: Magpkg, short: bool) -> None:
    manifest = expression(envKeep=["LC_*", "A*Z", "*_END", "P*"], mounts=["${PWD}"])
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(manifest)
    settle(pathlib.Path(magpkg.directory))
    host = {"LC_TIME": "C", "LC_": "x", "AZ": "1", "A_Z": "2", "AZA": "no", "X_END": "3", "PYTHONSTARTUP": "4"}
    magpkg.run("shim", "-q", ".magpkg/bin", "env", env=host).checked()
    if short:
        magpkg.call([".magpkg/bin/env"], env=host).checked()
        found = magpkg.call([".magpkg/bin/env"], env={**host, "PYTHONPROFILEIMPORTTIME": "1"})
        assert found.stderr == ""  # no Python was started
    else:
        found = magpkg.run("venv", "--", "env", env=host)
    lines = found.checked().stdout.splitlines()
    assert {"LC_TIME=C", "LC_=x", "AZ=1", "A_Z=2", "X_END=3", "PYTHONSTARTUP=4"} <= set(lines)
    assert "PATH=/usr/bin:/bin:/usr/sbin:/sbin" in lines
    assert not any(line.startswith("AZA") for line in lines)


def test_a_locale_that_the_root_lacks_is_not_named(magpkg: Magpkg) -> None:
    host = {"LANG": "de_DE.UTF-8", "LC_TIME": "C", "LC_PAPER": "de_DE.UTF-8"}
    script = "echo $LANG $LC_TIME $LC_PAPER; bash -c : 2>&1"
    assert says(magpkg, script, expression(envKeep=["LANG", "LC_*"]), env=host) == ["C.UTF-8 C C.UTF-8"]
    assert says(magpkg, script, env=host) == ["C.UTF-8"]
    there = [{"type": "directory", "path": "/usr/lib/locale/de_DE.utf8"}]
    assert says(magpkg, "echo $LANG", expression(envKeep=["LANG"], fsEntries=there), env=host) == ["de_DE.UTF-8"]
    assert says(magpkg, "echo $LANG", expression(envSet={"LANG": "de_DE.UTF-8"}), env=host) == ["de_DE.UTF-8"]


def test_the_hosts_time_zone_and_that_it_changes(magpkg: Magpkg) -> None:
    magpkg.venv(expression(), "true").checked()
    zones = ("--ro-bind", "/usr/share/zoneinfo", "/usr/share/zoneinfo")
    script = "date +%Z; env -u TZ date +%Z; echo $TZ"
    for zone, name in (("Asia/Tokyo", "JST"), ("Africa/Johannesburg", "SAST"), ("Asia/Tokyo", "JST")):
        host = on_host(magpkg, *zones, "--symlink", f"../usr/share/zoneinfo/{zone}", "/etc/localtime")
        assert says(host, script) == [name, name, zone]
        assert says(host, script, env={"TZ": "Europe/Berlin"})[0] in ("CET", "CEST")
        assert says(host, script, HERMETIC) == ["UTC", "UTC", ""]
        assert says(host, script, expression(hostDefaults=False)) == ["UTC", "UTC", ""]
        chosen = [{"type": "symlink", "path": "/etc/localtime", "target": "/usr/share/zoneinfo/America/Lima"}]
        assert says(host, script, expression(fsEntries=chosen))[2] == ""


def test_the_hosts_zones_are_shown_to_a_root_without(magpkg: Magpkg) -> None:
    names = ["dash", "coreutils"]
    assert says(magpkg, "date +%Z%z", expression(names), env={"TZ": "Asia/Tokyo"}) == ["JST+0900"]
    assert says(magpkg, "date +%Z%z", expression(names), env={"TZ": "XYZ-3"}) == ["XYZ+0300"]


def test_a_terminal_that_only_the_host_knows(magpkg: Magpkg, host_files: pathlib.Path) -> None:
    source = host_files / "kitty"
    source.write_text(KITTY)
    subprocess.run(["tic", "-o", str(host_files), str(source)], check=True, capture_output=True)
    host = {"TERM": "xterm-kitty", "TERMINFO": str(host_files)}
    assert says(magpkg, "tput clear; echo", env=host) == ["kitty-clears"]
    assert says(magpkg, "TERM=xterm tput colors", env=host) == ["8"]
    for known in ("xterm-256color", "dumb"):
        assert says(magpkg, "ls -d /run/terminfo; echo $TERMINFO_DIRS", env={**host, "TERM": known}) == [""]
    assert magpkg.venv(HERMETIC, "tput", "clear", env=host).status != 0
    moved = host_files / "moved"
    moved.mkdir()
    (host_files / "x").rename(moved / "x")
    assert magpkg.venv(expression(), "tput", "clear", env=host).status != 0
    assert says(magpkg, "tput clear; echo", env={**host, "TERMINFO": str(moved)}) == ["kitty-clears"]


def test_a_new_name_on_the_host_is_noticed(magpkg: Magpkg, host_files: pathlib.Path) -> None:
    passwd = host_files / "passwd"
    host = on_host(magpkg, "--bind", str(passwd), "/etc/passwd")
    for name in ("ann", "bob"):
        passwd.write_text(f"{name}:x:{os.getuid()}:{os.getgid()}::/:/bin/sh\n")
        settle(host_files)
        for _ in range(2):
            assert says(host, "whoami; echo $LOGNAME") == [name, name]


def test_the_shell_is_the_one_that_runs(magpkg: Magpkg) -> None:
    for options, name in (((), "bash"), (("--shell", "dash"), "dash")):
        words = magpkg.words("venv", *options, "-e", expression())
        terminal = Terminal(words, magpkg.environment({"TERM": "xterm"}), magpkg.directory)
        try:
            terminal.type("echo shell=$SHELL; getent passwd $(id -un) | cut -d: -f7; exit\n")
            terminal.expect(rf"shell=/usr/bin/{name}\r\n/usr/bin/bash\r")
        finally:
            terminal.close()


def test_a_shell_of_a_home_that_stays_has_a_history(magpkg: Magpkg) -> None:
    manifest = f"local magpkg = import 'magpkg/magpkg.libsonnet'; {expression()} + magpkg.host.privateHome"
    words = magpkg.words("venv", "-e", manifest)
    for line, seen in (("echo first-$((40 + 2))", "first-42"), ("history", r" +1 +echo first-")):
        terminal = Terminal(words, magpkg.environment({"TERM": "xterm"}), magpkg.directory)
        try:
            terminal.type(f"{line}\n")
            terminal.expect(rf"[\r\n]{seen}")
            terminal.type("exit\n")
            terminal.wait()
        finally:
            terminal.close()


def test_a_hook_of_git_sees_the_index_that_is_committed(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(expression(["bash", "git"], mounts=["${PWD}"]))
    magpkg.run("shim", "-q", ".magpkg/bin", "git").checked()
    hook = pathlib.Path(magpkg.directory, ".git/hooks/pre-commit")
    script = (
        "set -e; git init -q .; git config user.name a; git config user.email a@b.example; "
        "echo '#!/bin/sh\n.magpkg/bin/git diff --cached --name-only >seen' >.git/hooks/pre-commit; "
        "chmod +x .git/hooks/pre-commit; touch a b; git add a b; git commit -q -m x a"
    )
    magpkg.call(["sh", "-c", script]).checked()
    assert hook.exists()
    assert pathlib.Path(magpkg.directory, "seen").read_text() == "a\n"
