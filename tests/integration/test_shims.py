"""Shims: a launcher is the command, by the short way without Python, and by the supervised way on a terminal."""

import glob
import json
import os
import pathlib
import pty
import select
import shlex
import signal
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest

from magpkg.project.launchers import SCRIPTS
from tests.integration.test_plan import edit_keeping_size_and_time
from tests.support.files import settle
from tests.support.manifests import expression
from tests.support.process import TIMEOUT, Magpkg, Outcome
from tests.support.terminal import Terminal

MANIFEST = expression(envSet={"A": "one"}, envKeep=["KEPT"], mounts=["${PWD}"]).replace('"', "'")
# Python tells what it imports where this is set; what runs inside does not get the variable.
TELLTALE = {"PYTHONPROFILEIMPORTTIME": "1"}


def write(magpkg: Magpkg, *commands: str, manifest: str = MANIFEST) -> pathlib.Path:
    """The directory of the shims for these commands, in the project of that manifest."""
    path = pathlib.Path(magpkg.directory, "magpkg.jsonnet")
    path.write_text(manifest)
    settle(path.parent)
    magpkg.run("shim", "-q", ".magpkg/bin", *commands).checked()
    return path.parent / ".magpkg" / "bin"


def call(
    magpkg: Magpkg, *words: str | pathlib.Path, env: Mapping[str, str] | None = None, stdin: str = "", cwd: str = ""
) -> Outcome:
    """Call a shim away from any terminal."""
    return magpkg.call([str(word) for word in words], env=env, cwd=cwd, stdin=stdin, errors="surrogateescape")


def is_short(magpkg: Magpkg, shim: pathlib.Path, *arguments: str, env: Mapping[str, str] | None = None) -> bool:
    """Whether a call started no Python interpreter on the host."""
    return "import time:" not in call(magpkg, shim, *arguments, env={**TELLTALE, **(env or {})}).stderr


def test_a_shim_is_the_command(magpkg: Magpkg) -> None:
    bin = write(magpkg, "sh", "cat", "printf")
    assert call(magpkg, bin / "sh", "-c", "exit 7").status == 7
    assert call(magpkg, bin / "sh", "-c", "exit 125").status == 125
    assert call(magpkg, bin / "sh", "-c", "kill -TERM $$").status == -signal.SIGTERM
    assert call(magpkg, bin / "cat", stdin="in and out\n").checked().stdout == "in and out\n"
    words = ["-e", "--", "venv", "", "a b", "$HOME", "*", "\N{SNOWMAN}", "a\nb"]
    said = call(magpkg, bin / "printf", "[%s]", *words).checked()
    assert (said.stdout, said.stderr) == ("".join(f"[{word}]" for word in words), "")
    assert is_short(magpkg, bin / "sh", "-c", "exit 7")
    assert is_short(magpkg, bin / "sh", "-c", "kill -TERM $$")


def test_the_first_call_elsewhere_is_magpkgs_and_the_second_is_short(magpkg: Magpkg) -> None:
    shim = write(magpkg, "pwd") / "pwd"
    below = pathlib.Path(magpkg.directory, "below")
    below.mkdir()
    for _ in range(2):
        assert call(magpkg, shim, cwd=str(below)).checked().stdout == f"{below}\n"
    done = call(magpkg, shim, cwd=str(below), env=TELLTALE).checked()
    assert (done.stdout, done.stderr) == (f"{below}\n", "")


def facts(magpkg: Magpkg, words: list[str], env: Mapping[str, str]) -> tuple[set[str], list[str]]:
    """The environment of a command, and what else it was given: descriptors, limits, signals.

    Of the signals only the first 28: glibc's posix_spawn(3) has those that it keeps for itself ignored.
    """
    words = ["sh", "-c", 'trap "" PIPE USR1; exec "$@"', "sh", *words]
    found = call(
        magpkg,
        *words,
        "-c",
        "env -0; echo; ls -1 /proc/$$/fd; cut -c1-7,18- /proc/self/status | grep Sig[BIC]; umask; cat /proc/$$/limits",
        env=env,
    ).checked()
    assert found.stderr == ""
    variables, _, rest = found.stdout.rpartition("\0")
    return set(variables.split("\0")), [line for line in rest.splitlines() if line]


@pytest.mark.parametrize(
    ("fields", "env"),
    [
        ({}, {"KEPT": "kept", "SECRET": "hush", "TERM": "dumb"}),
        ({"envSet": {"PATH": "/bin", "LC_ALL": "C"}, "envKeep": ["KEPT", "USER"]}, {"KEPT": "a\nb", "USER": ""}),
        ({"envKeep": ["PATH", "LANG"]}, {"LANG": "xx_XX.UTF-8", "PERL5LIB": "/x"}),
        ({"mountDefaults": False, "mounts": [{"type": "proc", "target": "/proc"}]}, {"KEPT": "\udce4"}),
    ],
)
def test_a_command_cannot_tell_a_shim_from_magpkg_venv(
    magpkg: Magpkg, fields: dict[str, Any], env: dict[str, str]
) -> None:
    manifest = expression(**{"envKeep": ["KEPT"], **fields})
    shim = write(magpkg, "sh", manifest=manifest) / "sh"
    long = magpkg.words("venv", "-f", f"{magpkg.directory}/magpkg.jsonnet", "--", "sh")
    call(magpkg, shim, "-c", "true", env=env)
    assert is_short(magpkg, shim, "-c", "true", env=env)
    assert facts(magpkg, [str(shim)], env) == facts(magpkg, long, env)


def test_no_value_of_a_shim_can_be_read_from_a_command_line(magpkg: Magpkg) -> None:
    shim = write(magpkg, "sh", manifest=expression(envSet={"TOKEN": "hush-set"}, envKeep=["KEPT"])) / "sh"
    program = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done; echo $KEPT $TOKEN"
    *processes, last = call(magpkg, shim, "-c", program, env={"KEPT": "hush-kept"}).checked().stdout.splitlines()
    assert last == "hush-kept hush-set"
    assert any("launcher.pl" in line for line in processes)
    assert not [line for line in processes if "hush" in line]
    assert "hush" not in shim.read_text()


def test_a_change_of_the_manifest_is_noticed(magpkg: Magpkg) -> None:
    shim = write(magpkg, "sh") / "sh"
    manifest = pathlib.Path(magpkg.directory, "magpkg.jsonnet")
    assert call(magpkg, shim, "-c", "echo $A").checked().stdout == "one\n"
    assert is_short(magpkg, shim, "-c", "true")
    edit_keeping_size_and_time(manifest)
    assert call(magpkg, shim, "-c", "echo $A").checked().stdout == "two\n"
    settle(manifest.parent)
    call(magpkg, shim, "-c", "true").checked()
    assert is_short(magpkg, shim, "-c", "true")
    manifest.write_text("{")
    assert call(magpkg, shim, "-c", "true").status == 125
    manifest.write_text("{ packages: [] }")
    done = call(magpkg, shim, "-c", "true")
    assert (done.status, "sh: command not found in the venv" in done.stderr) == (127, True)


def test_a_file_that_would_be_read_instead_is_noticed(magpkg: Magpkg) -> None:
    far = pathlib.Path(magpkg.directory, "far")
    far.mkdir()
    (far / "more.libsonnet").write_text("{}")
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(f"({MANIFEST}) + (import 'more.libsonnet')")
    settle(far.parent)
    magpkg.run("shim", "-q", "-J", "far", "bin", "sh").checked()
    shim = far.parent / "bin/sh"
    assert is_short(magpkg, shim, "-c", "true")
    (far.parent / "more.libsonnet").write_text("error 'nearer'")
    done = call(magpkg, shim, "-c", "true")
    assert (done.status, "nearer" in done.stderr) == (125, True)


def test_a_call_is_a_use(own_store: Magpkg) -> None:
    shim = write(own_store, "busybox", manifest=expression(["busybox-static"])) / "busybox"
    (lock,) = glob.glob(f"{own_store.store}/venv/*.lock")
    os.utime(lock, (0, 0))
    assert is_short(own_store, shim, "true")
    assert os.stat(lock).st_mtime > 0


def test_what_the_plan_was_told_of_the_host_is_asked_again(magpkg: Magpkg) -> None:
    source = pathlib.Path(magpkg.directory, "data")
    link = pathlib.Path(magpkg.directory, "link")
    (source / "a").mkdir(parents=True)
    (source / "b").mkdir()
    link.symlink_to(source / "a")
    mount = {"type": "ro-bind", "source": f"{link}/more", "target": "/mnt/data", "optional": True}
    shim = write(magpkg, "sh", manifest=expression(mounts=[mount])) / "sh"
    look = ("-c", "test -e /mnt/data && echo yes || echo no")
    assert call(magpkg, shim, *look).checked().stdout == "no\n"
    assert is_short(magpkg, shim, *look)
    (source / "b" / "more").mkdir()
    link.unlink()
    link.symlink_to(source / "b")
    assert call(magpkg, shim, *look).checked().stdout == "yes\n"
    assert is_short(magpkg, shim, *look)
    (source / "b" / "more").rmdir()
    assert call(magpkg, shim, *look).checked().stdout == "no\n"


def test_a_variable_that_a_mount_names_is_looked_at_again(magpkg: Magpkg) -> None:
    mounts = [{"source": "${SSH_AUTH_SOCK}", "target": "/agent", "optional": True}]
    sockets = []
    for name in ("one", "two"):
        path = pathlib.Path(magpkg.directory, name)
        path.write_text(name)
        sockets.append({"SSH_AUTH_SOCK": str(path)})
    shim = write(magpkg, "cat", manifest=expression(mounts=mounts)) / "cat"
    for env in (*sockets, *sockets):
        assert call(magpkg, shim, "/agent", env=env).checked().stdout == env["SSH_AUTH_SOCK"].rpartition("/")[2]
    assert is_short(magpkg, shim, "/agent", env=sockets[1])
    assert not is_short(magpkg, shim, "/agent", env=sockets[0])


def test_a_removed_rootfs_is_made_again(own_store: Magpkg) -> None:
    shim = write(own_store, "busybox", manifest=expression(["busybox-static"])) / "busybox"
    assert is_short(own_store, shim, "true")
    own_store.run("cleanup", "--venvs", "--max-age-days", "0").checked()
    assert os.listdir(f"{own_store.store}/venv") == []
    call(own_store, shim, "true").checked()
    call(own_store, shim, "true").checked()
    assert is_short(own_store, shim, "true")


def test_the_store_is_the_one_that_it_was_written_with(magpkg: Magpkg) -> None:
    shim = write(magpkg, "true") / "true"
    bare = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}
    subprocess.run([shim], env=bare, cwd=magpkg.directory, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    assert not os.path.exists("/nonexistent")


def start(magpkg: Magpkg, *words: str | pathlib.Path) -> "subprocess.Popen[str]":
    """Start a shim that says `ready` when its command runs."""
    process = magpkg.spawn([str(word) for word in words])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("fields", [{}, {"unshare": ["pid"]}])
@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "USR1"])
def test_a_signal_reaches_the_command(magpkg: Magpkg, name: str, fields: dict[str, Any]) -> None:
    shim = write(magpkg, "bash", manifest=expression(**fields)) / "bash"
    script = f"trap 'echo caught {name}; exit 3' {name}; echo ready; while :; do read -t 9 <> <(:); done"
    process = start(magpkg, shim, "-c", script)
    process.send_signal(signal.Signals[f"SIG{name}"])
    assert process.communicate(timeout=TIMEOUT / 4) == (f"caught {name}\n", "")
    assert process.returncode == 3
    plain = start(magpkg, shim, "-c", "echo ready; exec sleep 1000")
    plain.terminate()
    assert plain.wait(TIMEOUT / 4) == -signal.SIGTERM


def test_the_command_is_waited_for_after_bwraps_monitor_is_gone(magpkg: Magpkg) -> None:
    shim = write(magpkg, "bash", manifest=expression(unshare=["pid"])) / "bash"
    process = start(
        magpkg,
        shim,
        "-c",
        "trap 'echo on; exit 4' USR1; [ $$ != 2 ] || sleep 1000 >/dev/null 2>&1 & "
        "echo ready; while :; do read -t 9 <> <(:); done",
    )
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    monitor = next(pid for pid in children.read_text().split() if name_of(pid) == "bwrap")
    os.kill(int(monitor), signal.SIGTERM)
    while monitor in children.read_text().split():
        os.sched_yield()
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=TIMEOUT / 4) == ("on\n", "")
    assert process.returncode == 4


def name_of(pid: str) -> str:
    """The name of the program that a process runs."""
    return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def is_running(magpkg: Magpkg) -> bool:
    listed = json.loads(magpkg.run("list", "--json").checked().stdout)
    return any(venv["running"] for venv in listed["venvs"])


def test_a_venv_that_a_shim_runs_is_kept_even_when_the_shim_is_killed(own_store: Magpkg) -> None:
    shim = write(own_store, "busybox", manifest=expression(["busybox-static"])) / "busybox"
    process = start(own_store, shim, "sh", "-c", "echo ready; echo $$; exec busybox tail -f /dev/null")
    assert process.stdout is not None
    command = int(process.stdout.readline())
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    watched = [os.pidfd_open(int(pid)) for pid in children]  # the command, and who keeps the lock
    assert len(watched) == 2
    assert is_running(own_store)
    process.kill()
    process.wait()
    assert is_running(own_store)
    report = json.loads(own_store.run("cleanup", "--venvs", "--max-age-days", "0", "--json").checked().stdout)
    assert (report["removed"], len(report["busy"])) == ([], 1)
    os.kill(command, signal.SIGKILL)
    for descriptor in watched:
        assert select.select([descriptor], [], [], TIMEOUT / 4)[0]
        os.close(descriptor)
    assert not is_running(own_store)


def test_a_server_outlives_the_shell_that_started_it(magpkg: Magpkg) -> None:
    shim = write(magpkg, "bash") / "bash"
    fifo = pathlib.Path(magpkg.directory, "fifo")
    os.mkfifo(fifo)
    server = f"echo $$ > {fifo}; read line < {fifo}; echo got $line > {fifo}"
    script = f"{shlex.quote(str(shim))} -c {shlex.quote(server)} </dev/null >/dev/null 2>&1 &"
    call(magpkg, "sh", "-c", script).checked()
    fifo.read_text()
    fifo.write_text("word\n")
    assert fifo.read_text() == "got word\n"


def test_on_a_terminal_ctrl_c_keeps_its_meaning(magpkg: Magpkg) -> None:
    shim = write(magpkg, "python3", manifest=expression(["python3"], mounts=["${PWD}"])) / "python3"
    terminal = Terminal([str(shim)], magpkg.environment({"TERM": "dumb", **TELLTALE}), magpkg.directory)
    try:
        terminal.expect("import time:")  # magpkg's own interpreter
        terminal.expect(">>> ")
        terminal.type("import time; print('sleep', 'ing'); time.sleep(1000)\n")
        terminal.expect("sleep ing")
        terminal.interrupt("KeyboardInterrupt")
        terminal.type("print('still', 'here')\n")
        terminal.expect("still here")
        terminal.type("raise SystemExit(5)\n")
        assert terminal.wait() == 5
    finally:
        terminal.close()


@pytest.mark.parametrize("descriptor", [None, 0, 1, 2])
def test_one_terminal_is_enough_for_supervision(magpkg: Magpkg, descriptor: int | None) -> None:
    shim = write(magpkg, "sh") / "sh"
    master, slave = pty.openpty()
    read, write_end = os.pipe()
    places = [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
    if descriptor is not None:
        os.dup2(slave, places[descriptor])
    parent = 'tr "\\0" "\\n" </proc/$PPID/cmdline >&9'
    words = ["bash", "-c", f'exec "$0" "$@" 9>&{write_end}', str(shim), "-c", parent]
    process = subprocess.Popen(
        words,
        stdin=places[0],
        stdout=places[1],
        stderr=places[2],
        env=magpkg.environment(),
        cwd=magpkg.directory,
        pass_fds=[write_end],
    )
    assert process.wait(TIMEOUT / 4) == 0
    for number in (write_end, master, slave, *places):
        os.close(number)
    with open(read, encoding="utf-8") as file:
        assert any("launcher.pl" in line for line in file) == (descriptor is None)


def test_nothing_but_a_shim_is_written_over(magpkg: Magpkg) -> None:
    bin = write(magpkg, "sh")
    before = (bin / "sh").stat().st_ino
    magpkg.run("shim", ".magpkg/bin", "sh").checked()
    assert (bin / "sh").stat().st_ino != before
    (bin / "cat").write_text("#!/bin/sh\necho mine\n")
    (bin / "ls").symlink_to(bin / "sh")
    for name in ("cat", "ls"):
        done = magpkg.run("shim", ".magpkg/bin", "env", name)
        assert (done.status, f"{name}: is there already and is no shim" in done.stderr) == (1, True)
    assert (bin / "cat").read_text() == "#!/bin/sh\necho mine\n"
    assert sorted(path.name for path in bin.iterdir()) == ["cat", "ls", "sh"]


def test_a_shim_is_its_owners_alone(magpkg: Magpkg) -> None:
    shim = write(magpkg, "sh") / "sh"
    assert oct(shim.stat().st_mode & 0o777) == "0o700"
    assert oct(pathlib.Path(f"{magpkg.store}/shims{shim}").stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize("name", ["nosuch", "bwrap", "../sh", "", "-x", "a\nb"])
def test_a_command_that_is_not_there_is_named_and_nothing_is_written(magpkg: Magpkg, name: str) -> None:
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(MANIFEST)
    done = magpkg.run("shim", "bin", "--", "sh", name)
    assert done.status == (127 if name == "nosuch" else 1)
    assert f"error: {name}: " in done.stderr
    assert not os.path.exists(f"{magpkg.directory}/bin")


def test_two_at_once_write_whole_shims(magpkg: Magpkg) -> None:
    bin = write(magpkg, "sh")
    whole = (bin / "sh").read_text()
    words = magpkg.words("shim", "-q", ".magpkg/bin", "sh", "cat")
    running = [subprocess.Popen(words, env=magpkg.environment(), cwd=magpkg.directory) for _ in range(3)]
    assert [process.wait(TIMEOUT) for process in running] == [0, 0, 0]
    assert (bin / "sh").read_text() == whole
    assert sorted(path.name for path in bin.iterdir()) == ["cat", "sh"]


def test_options_mean_the_same_from_everywhere(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    (directory / "lib").mkdir()
    (directory / "lib" / "it's.libsonnet").write_text("{ A: 'library' }")
    (directory / "note").write_text("note\n")
    text = expression(mountDefaults=False, envKeep=["B"]) + ' + { envSet: import "lib/it\'s.libsonnet" }'
    words = ["--ro-bind", "note:/mnt/note", "--setenv", "S=set", "--keep", "KEPT", "--chdir", "/usr", "--no-network"]
    magpkg.run("shim", "-q", "bin", "-e", text, *words, "sh").checked()
    script = "echo $A $S $KEPT $PWD; cat /mnt/note"
    for _ in range(2):
        done = call(magpkg, directory / "bin" / "sh", "-c", script, cwd=magpkg.home, env={"KEPT": "kept"}).checked()
        assert done.stdout == "library set kept /usr\nnote\n"


def test_outside_arguments_are_refused(magpkg: Magpkg) -> None:
    pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(MANIFEST)
    for option in ("-V", "--tla-str"):
        done = magpkg.run("shim", "bin", option, "token=hush", "sh")
        assert (done.status, "takes no -V and no --tla-str" in done.stderr) == (1, True)
        assert "hush" not in done.stderr
        assert not os.path.exists(f"{magpkg.directory}/bin")


def test_a_magpkg_that_is_gone_is_125(magpkg: Magpkg) -> None:
    shim = write(magpkg, "true") / "true"
    text = shim.read_text()
    gone = text.replace(shlex.quote(magpkg.python[0]), "/nonexistent/magpkg")
    assert gone != text
    shim.write_text(gone)
    call(magpkg, shim).checked()  # by the plan it is not needed
    done = call(magpkg, shim, cwd=magpkg.home)
    assert (done.status, "/nonexistent/magpkg: cannot be run" in done.stderr) == (125, True)


def test_the_perl_is_strict_though_it_does_not_say_so() -> None:
    scripts = glob.glob(f"{SCRIPTS}/*.pl")
    assert len(scripts) == 4
    for script in scripts:
        done = subprocess.run(["perl", "-Mstrict", "-c", script], capture_output=True, text=True, check=True)
        assert done.stderr == f"{script} syntax OK\n"


def test_without_a_directory_they_are_where_the_hook_looks(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    (directory / "below").mkdir()
    said = magpkg.run("shim", "sh", "env", cwd=str(directory / "below")).checked().stderr
    assert f"wrote env, sh into {directory}/.magpkg/bin" in said
    assert os.path.exists(f"{magpkg.store}/shims{directory}/.magpkg/bin/env")
    magpkg.run("shim", "-q", "--dir", "elsewhere", "sh").checked()
    assert os.listdir(directory / "elsewhere") == ["sh"]


def test_a_first_word_that_is_no_command_is_the_directory(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    for word in ("bin", "./own", ".hidden", str(directory / "full")):
        magpkg.run("shim", "-q", word, "sh").checked()
        assert os.listdir(directory / word) == ["sh"]
    done = magpkg.run("shim", "nosuch")
    assert (done.status, "nosuch: command not found in the venv" in done.stderr) == (127, True)
    done = magpkg.run("shim", ".magpkg/bin")
    assert (done.status, "which commands?" in done.stderr) == (1, True)


def test_a_teams_list_and_all_commands_of_what_is_named(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    place = directory / ".magpkg" / "bin"
    core = "local core = import 'magpkg/packages/core.libsonnet'; "
    (directory / "magpkg.jsonnet").write_text(f"{core} {{ packages: core.base, shims: ['sh', 'env', 'sh'] }}")
    magpkg.run("shim", "-q").checked()
    assert sorted(os.listdir(place)) == ["env", "sh"]
    named = f"{core} {{ packages: core.base + [core.python3, core['vim-tiny'], core.less] }}"
    (directory / "magpkg.jsonnet").write_text(named)
    magpkg.run("shim", "-q", "--dir", "all", "--all", "env").checked()
    found = set(os.listdir(directory / "all"))
    assert {"python3", "less", "vi", "vim.tiny", "env"} <= found
    assert not found & {"sh", "bash", "ls", "bwrap"}
    unlisted = magpkg.run("venv", "--", "true").checked()
    assert unlisted.stderr == ""


@pytest.mark.parametrize("bad", ["../sh", "a/b", "-x", ".hidden", "bwrap", "", "a\nb"])
def test_a_team_cannot_list_what_is_no_command(magpkg: Magpkg, bad: str) -> None:
    pathlib.Path(magpkg.directory, "magpkg.json").write_text(json.dumps({"packages": [], "shims": ["sh", bad]}))
    done = magpkg.run("shim")
    assert (done.status, "error: venv.shims[1]: " in done.stderr) == (1, True), done.stderr


def test_the_list_of_shims_is_no_part_of_the_hash(magpkg: Magpkg) -> None:
    found = {
        json.loads(magpkg.run("show", "--json", "-e", expression(shims=names)).checked().stdout)["hash"]
        for names in ([], ["sh"])
    }
    assert len(found) == 1


def test_inside_its_own_venv_a_shim_is_the_command_itself(magpkg: Magpkg) -> None:
    bin = write(magpkg, "sh", "awk", manifest=MANIFEST + " + { envSet+: { PATH: '.magpkg/bin:/usr/bin:/bin' } }")
    magpkg.run("shim", "-q", "--dir", "tools", "awk").checked()
    script = 'echo "$A"; tools/awk "BEGIN { print 6 * 7 }"; awk "BEGIN { print 8 }"'
    for _ in range(2):
        assert call(magpkg, bin / "sh", "-c", script).checked().stdout == "one\n42\n8\n"
    # In the venv of another manifest, in which magpkg does not run, it is not.
    (pathlib.Path(magpkg.directory) / "other.jsonnet").write_text(expression(mounts=["${PWD}"]))
    other = magpkg.run("venv", "-f", "other.jsonnet", "--", "tools/awk", "BEGIN { print 9 }")
    assert (other.status != 0, "9" in other.stdout) == (True, False)


PERL = {
    "PERL5OPT": "-MNo::Such",
    "PERL5LIB": "/nowhere",
    "PERL5DB": "BEGIN { print STDERR q{caught} }",
    "PERL_HASH_SEED": "7",
    "PERL_UNICODE": "SAD",
    "PERLIO": ":crlf",
    "PERL_BADLANG": "1",
    "PERL_SKIP_LOCALE_INIT": "1",
}


@pytest.mark.parametrize("options", ["-MNo::Such", "-d", "-w", "-T"])
def test_variables_of_perl_change_nothing_and_reach_the_command(magpkg: Magpkg, options: str) -> None:
    manifest = expression(envKeep=["PERL*"], mounts=["${PWD}"]).replace('"', "'")
    shim = write(magpkg, "env", manifest=manifest) / "env"
    variables = {**PERL, "PERL5OPT": options}
    for _ in range(2):
        done = call(magpkg, shim, env=variables).checked()
        assert done.stderr == ""
        found = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert {name: found.get(name) for name in variables} == variables
        assert not any(name.startswith("_MAGPKG") for name in found)
    assert is_short(magpkg, shim, env=variables)
    without = write(magpkg, "env") / "env"
    assert "PERL" not in call(magpkg, without, env=variables).checked().stdout


def test_a_symlinked_place_is_written_to_and_not_offered(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory)
    (directory / "magpkg.jsonnet").write_text(MANIFEST)
    (directory / "elsewhere").mkdir()
    (directory / ".magpkg").symlink_to("elsewhere")
    done = magpkg.run("shim", "sh").checked()
    assert "no shell will have these in PATH: a symlink leads from" in done.stderr
    assert not os.path.exists(f"{magpkg.store}/shims{directory}")
    (directory / ".magpkg").unlink()
    (directory / ".magpkg").symlink_to(magpkg.store)
    done = magpkg.run("shim", "sh")
    assert (done.status, "which is no place for shims" in done.stderr) == (1, True)
    assert not os.path.exists(f"{magpkg.store}/bin")


def test_a_store_with_a_colon_has_shims_but_no_hook(magpkg: Magpkg, tmp_path: pathlib.Path) -> None:
    store = f"{magpkg.store}:c"
    os.symlink(magpkg.store, store)
    try:
        colon = {"MAGPKG_STORE": store}
        pathlib.Path(magpkg.directory, "magpkg.jsonnet").write_text(MANIFEST)
        assert "PATH cannot hold a colon" in magpkg.run("shim", "sh", env=colon).checked().stderr
        assert call(magpkg, ".magpkg/bin/sh", "-c", "echo in", env=colon).checked().stdout == "in\n"
        for shell in ("bash", "zsh", "fish", "direnv"):
            done = magpkg.run("hook", shell, env=colon)
            assert (done.status, done.stdout, "cannot be in PATH" in done.stderr) == (1, "", True)
    finally:
        os.unlink(store)
