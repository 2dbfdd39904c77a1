"""One table of cases for every way into a venv: signals, deaths, stops, and what a process is born with.

What a row says must hold for the long way, for the short way, and for the launcher of shims, which is in Perl.
"""

import ctypes
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from magpkg.launch.plan import identity
from tests.support.launchers import KINDS, SCRIPT, WRAPPERS, Launcher, prepared
from tests.support.manifests import expression
from tests.support.process import TIMEOUT, Magpkg
from tests.support.terminal import Terminal

MANIFEST = expression(["python3", "bash", "coreutils", "dash"], mounts=["${PWD}"])
ISOLATED = expression(["python3", "bash", "coreutils", "dash"], mounts=["${PWD}"], unshare=["pid"])

# Says who is above it, then each signal that comes, blocked so that none is lost or falls together with another one.
COUNTER = """
import os, signal
every = signal.valid_signals()
signal.pthread_sigmask(signal.SIG_BLOCK, every)
print("ready", os.getppid(), os.getpid(), os.getpgrp(), flush=True)
while (number := signal.sigwaitinfo(every).si_signo) != signal.SIGRTMAX:
    print(number, flush=True)
print("end", flush=True)
"""
END = signal.SIGRTMAX
UNCATCHABLE = {signal.SIGKILL, signal.SIGSTOP}
CATCHABLE = sorted(signal.valid_signals() - UNCATCHABLE - {END})


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the ways."""
    name: str = request.param
    return name


@contextmanager
def counting(launcher: Launcher, wrapper: str = "plain") -> Iterator[tuple["subprocess.Popen[str]", int, int]]:
    """The counter, started in a session of its own: what was started, the launcher's pid and the group."""
    words = WRAPPERS[wrapper](launcher.words("-c", COUNTER), launcher.magpkg.directory)
    process = launcher.magpkg.spawn(words)
    try:
        assert process.stdout is not None
        said = process.stdout.readline().split()
        assert said[:1] == ["ready"], (said, process.communicate())
        _, parent, _, group = said
        yield process, int(parent), int(group)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def next_signal(process: "subprocess.Popen[str]") -> int:
    """The next signal that came to the counter."""
    assert process.stdout is not None
    return int(process.stdout.readline())


def counted(process: "subprocess.Popen[str]", parent: int) -> list[int]:
    """The signals that came to the counter, after one more to the launcher alone, which is the last that it passes."""
    os.kill(parent, END)
    assert process.stdout is not None
    return [int(line) for line in iter(process.stdout.readline, "end\n")]


@pytest.mark.parametrize("to", ["group", "launcher"])
def test_every_signal_arrives_once(magpkg: Magpkg, kind: str, to: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    with counting(launcher) as (process, parent, group):
        for number in CATCHABLE:
            (os.killpg if to == "group" else os.kill)(group if to == "group" else parent, number)
            assert next_signal(process) == number  # SIGCONT and the stops take each other back if they meet
        assert counted(process, parent) == []
        assert process.wait(TIMEOUT / 4) == 0


@pytest.mark.parametrize("to", ["group", "launcher"])
@pytest.mark.parametrize("wrapper", sorted(WRAPPERS))
def test_whoever_starts_it_a_signal_arrives_once(magpkg: Magpkg, kind: str, wrapper: str, to: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    with counting(launcher, wrapper) as (process, parent, group):
        for number in (signal.SIGWINCH, signal.SIGUSR1, signal.SIGRTMIN + 3):
            (os.killpg if to == "group" else os.kill)(group if to == "group" else parent, number)
        assert sorted(counted(process, parent)) == [signal.SIGUSR1, signal.SIGWINCH, signal.SIGRTMIN + 3]


def test_many_signals_to_the_group_are_not_multiplied(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    with counting(launcher) as (process, parent, group):
        for _ in range(50):
            os.killpg(group, signal.SIGINT)
            os.killpg(group, signal.SIGRTMIN + 1)
        came = counted(process, parent)
        assert came.count(signal.SIGRTMIN + 1) == 50  # each is queued, signal(7)
        assert 1 <= came.count(signal.SIGINT) <= 50


def test_the_terminals_signals_arrive_once(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    terminal = Terminal(launcher.words("-c", COUNTER), magpkg.environment({"TERM": "dumb"}), magpkg.directory)
    try:
        parent = int(terminal.expect(r"ready \d+ \d+ \d+\r\n").split()[-3])
        for key, number in (("\x03", "2"), ("\x1c", "3"), ("\x1a", "20"), ("\x03", "2")):
            terminal.type(key)
            terminal.expect(f"{number}\r\n")
        os.kill(parent, END)
        assert terminal.expect("end").strip() == "end"
        assert terminal.wait() == 0
    finally:
        terminal.close()


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGPIPE, signal.SIGALRM, signal.SIGRTMIN + 2],
)
@pytest.mark.parametrize("manifest", [MANIFEST, ISOLATED], ids=["plain", "unshare pid"])
def test_a_death_by_a_signal_is_one_and_a_status_is_one(magpkg: Magpkg, kind: str, manifest: str, number: int) -> None:
    launcher = prepared(magpkg, kind, manifest, "bash")
    status = magpkg.call(launcher.words("-c", f"exit {128 + number}")).status
    assert status == 128 + number
    died = magpkg.call(launcher.words("-c", f"kill -{int(number)} $$")).status
    # In a pid namespace bwrap's init comes between, which tells 128+n.
    assert died == (-number if manifest == MANIFEST else 128 + number)
    process = magpkg.spawn(launcher.words("-c", "echo ready; exec sleep 1000"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if number != signal.SIGKILL:
        process.send_signal(number)
        assert process.wait(TIMEOUT / 4) == -number
    else:
        os.killpg(process.pid, number)
        process.wait(TIMEOUT / 4)


def test_a_core_is_the_commands_alone(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "bash")
    words = ["bash", "-c", 'ulimit -c unlimited; exec "$@"', "bash", *launcher.words("-c", "kill -ABRT $$")]
    process = subprocess.Popen(words, env=magpkg.environment(), cwd=magpkg.directory, stdin=subprocess.DEVNULL)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert (os.WTERMSIG(status), os.WCOREDUMP(status)) == (signal.SIGABRT, False)


def test_a_loop_of_a_script_ends_at_ctrl_c(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "bash")
    loop = 'for i in 1 2 3; do echo round-$i; "$@"; done; echo over'
    words = ["bash", "-c", loop, "bash", *launcher.words("-c", "echo in-$((40+2)); exec sleep 1000")]
    terminal = Terminal(words, magpkg.environment({"TERM": "dumb"}), magpkg.directory)
    try:
        terminal.expect("in-42")
        terminal.type("\x03")
        assert terminal.wait() == -signal.SIGINT
    finally:
        terminal.close()


JOB = """
import itertools, os, signal
number = itertools.count()
signal.signal(signal.SIGCONT, lambda *_: os.write(1, f"again-{next(number)}\\n".encode()))
os.write(1, f"in-{40 + 2}\\n".encode())
os.write(1, b"got-" + os.read(0, 100))
"""


@pytest.mark.parametrize("manifest", [MANIFEST, ISOLATED], ids=["plain", "unshare pid"])
def test_it_stops_and_goes_on_with_its_command(magpkg: Magpkg, kind: str, manifest: str) -> None:
    launcher = prepared(magpkg, kind, manifest, "python3")
    pathlib.Path(magpkg.directory, "job.py").write_text(JOB)
    shell = Terminal(
        ["bash", "--norc", "--noprofile", "-i"], magpkg.environment({"PS1": "host> ", "TERM": "dumb"}), magpkg.directory
    )
    try:
        shell.expect("host> ")
        shell.type(" ".join(launcher.words("job.py")) + "\n")
        shell.expect("in-42")
        for number in range(3):
            shell.type("\x1a")
            shell.expect("Stopped")
            shell.expect("host> ")
            shell.type("fg\n")
            shell.expect(f"again-{number}")
        shell.type("word\n")
        shell.expect("got-word")
        shell.expect("host> ")
        shell.type("exit\n")
        assert shell.wait() == 0
    finally:
        shell.close()


def test_a_command_that_stops_itself_stops_the_launcher(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "bash")
    process = magpkg.spawn(launcher.words("-c", "kill -STOP $$; echo on; exit 5"))
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert process.stdout is not None
    os.kill(process.pid, signal.SIGCONT)
    assert process.stdout.readline() == "on\n"
    assert process.wait(TIMEOUT / 4) == 5


def test_a_stop_that_the_command_ignores_stops_nothing(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "bash")
    program = "trap '' TSTP; trap 'echo on; exit 6' USR1; echo ready; while :; do read -t 1 <> <(:); done"
    process = magpkg.spawn(launcher.words("-c", program))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGTSTP)
    process.send_signal(signal.SIGUSR1)
    assert process.stdout.readline() == "on\n"
    assert process.wait(TIMEOUT / 4) == 6


def test_what_was_killed_leaves_its_command_unless_it_is_tied(magpkg: Magpkg) -> None:
    program = "echo $$; exec sleep 1000"
    for options, outlives in ([], True), (["--die-with-parent"], False):
        for _ in range(2):  # the long way, the short way
            prepared(magpkg, "first", MANIFEST, "bash")
            process = magpkg.spawn([SCRIPT, "venv", *options, "--", "bash", "-c", program])
            assert process.stdout is not None
            command = int(process.stdout.readline())
            watched = os.pidfd_open(command)
            process.kill()
            process.wait()
            ended = bool(select.select([watched], [], [], 0 if outlives else TIMEOUT / 4)[0])
            assert ended != outlives
            if outlives:
                os.kill(command, signal.SIGKILL)
            os.close(watched)


# ---- what a process is born with

FACTS = """
import json, os, resource, signal, sys
def link(number):
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return "closed"
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "fds": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    "links": {n: link(n) for n in range(0, 12)},
    "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16),
    "umask": status["Umask"].strip(),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
    "environ": dict(os.environ), "cwd": os.getcwd(),
}), file=open(sys.argv[1], "w"))
"""


def born(
    launcher: Launcher, shell: str = "", env: Mapping[str, str] | None = None, cwd: str | None = None, **options: Any
) -> dict[str, Any]:
    """What the command finds of a launch by a process in which a line of bash was run before."""
    out = pathlib.Path(launcher.magpkg.directory, "facts.json")
    out.unlink(missing_ok=True)
    words = ["bash", "-c", f'{shell}\nexec "$@"', "bash", *launcher.words("-c", FACTS, str(out))]
    done = launcher.magpkg.call(words, env=env, cwd=cwd, **options)
    assert done.status == 0, done
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_a_parent_that_ignores_sigchld_changes_nothing(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    program = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    words = [sys.executable, "-c", program, *launcher.words("-c", "raise SystemExit(3)")]
    assert magpkg.call(words).status == 3


def test_a_venv_is_made_where_a_parent_ignores_sigchld(own_store: Magpkg) -> None:
    program = (
        "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execvp(sys.argv[1], sys.argv[1:])"
    )
    words = [SCRIPT, "venv", "-e", expression(["busybox-static"]), "--", "/bin/busybox", "sh", "-c", "exit 3"]
    assert own_store.call([sys.executable, "-c", program, *words]).status == 3


@pytest.mark.parametrize("limit", ["ulimit -n 20", "ulimit -f 1", "ulimit -v 400000", "ulimit -n 64"])
def test_limits_are_the_commands_and_hinder_nothing(magpkg: Magpkg, kind: str, limit: str) -> None:
    if kind == "first" and limit in ("ulimit -n 20",):
        return  # the long way opens a manifest's libraries; what it needs is in its own test
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    program = "import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    done = magpkg.call(["bash", "-c", f'{limit}\nexec "$@"', "bash", *launcher.words("-c", program)])
    assert "Traceback" not in done.stderr
    assert done.status == 0, done
    if limit.startswith("ulimit -n"):
        assert done.stdout == f"{limit.split()[-1]}\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_are_dev_null(magpkg: Magpkg, kind: str, closed: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    links = born(launcher, f"exec {closed}")["links"]
    numbers = {"<": 0, ">": 1, "2": 2}
    for word in closed.split():
        assert links[str(numbers[word[0]])] == "/dev/null"


def test_descriptors_that_lead_out_stay_out_and_others_come_in(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    file = pathlib.Path(magpkg.directory, "file")
    file.write_text("content")
    opened = f"exec 4<{file} 5< <(echo pipe) 6</proc/self/ns/mnt 7</proc 8<>/dev/null 9</"
    found = born(launcher, opened)
    links = found["links"]
    assert links["4"] == str(file)
    assert links["5"].startswith("pipe:")
    assert links["8"] == "/dev/null"
    assert {6, 7, 9}.isdisjoint(found["fds"])
    for number in (0, 1, 2):
        assert born(launcher, f"exec {number}</")["links"][str(number)] == "/dev/null"


def test_nothing_that_is_inherited_can_lock_or_change_the_store(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    found = born(launcher)
    beyond = [number for number in found["fds"] if number > 3]
    assert [number for number in beyond if number < 200] == []
    assert len(beyond) == 1  # the pipe that keeps the lock
    program = (
        "import os\n"
        "for n in os.listdir('/proc/self/fd'):\n"
        "    try:\n        print(os.readlink(f'/proc/self/fd/{n}'))\n    except OSError:\n        pass\n"
    )
    done = magpkg.call(launcher.words("-c", program)).checked()
    assert magpkg.store not in done.stdout


def test_ignored_signals_and_the_mask_are_inherited(magpkg: Magpkg, kind: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    found = born(launcher, "trap '' HUP USR2; umask 027")
    assert found["umask"] == "0027"
    assert found["blocked"] == 0
    for number, ignored in ((signal.SIGHUP, True), (signal.SIGUSR2, True), (signal.SIGTERM, False)):
        assert bool(found["ignored"] >> number - 1 & 1) == ignored


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONPATH": "@"},
        {"PYTHONHOME": "/nonexistent"},
        {"PYTHONSTARTUP": "@/json.py"},
        {"PERL5OPT": "-MNo::Such"},
        {"PERL5LIB": "@"},
        {"PERL5OPT": "-d", "PERL5DB": "BEGIN { die }"},
        {"PERL5OPT": "-w"},
    ],
    ids=lambda variables: "+".join(variables) + variables.get("PERL5OPT", ""),
)
def test_variables_of_languages_change_nothing_and_come_in_if_kept(
    magpkg: Magpkg, kind: str, variables: dict[str, str]
) -> None:
    for name in ("json", "os", "posixpath", "fcntl", "click", "re"):
        pathlib.Path(magpkg.directory, f"{name}.py").write_text("raise SystemExit('hostile')")
    given = {name: value.replace("@", magpkg.directory) for name, value in variables.items()}
    text = expression(["dash", "coreutils"], mounts=["${PWD}"], envKeep=sorted(variables))
    launcher = prepared(magpkg, kind, text, "env")
    done = magpkg.call(launcher.words("-0"), env=given).checked()
    assert done.stderr == ""
    assert given.items() <= dict(line.split("=", 1) for line in done.stdout.split("\0") if line).items()


@pytest.mark.parametrize("named", ["/proc/self/cwd", "/proc/{pid}/cwd", "/dev/fd/9"])
def test_a_working_directory_by_a_magic_link_is_by_its_real_name(magpkg: Magpkg, kind: str, named: str) -> None:
    launcher = prepared(magpkg, kind, MANIFEST, "python3")
    shell = f"exec 9<.; export PWD={named.format(pid='$$')}"
    assert born(launcher, shell)["cwd"] == magpkg.directory
    assert born(launcher, f"exec 9<.; cd {named.format(pid='$$')}")["cwd"] == magpkg.directory


# ---- whose plan and whose bwrap


def evil(magpkg: Magpkg) -> pathlib.Path:
    """A program that would run outside the sandbox, and tells if it did."""
    path = pathlib.Path(magpkg.directory, "evil")
    path.write_text(f"#!/bin/sh\ntouch {magpkg.directory}/ran\n")
    path.chmod(0o755)
    return path


def plans(magpkg: Magpkg) -> list[pathlib.Path]:
    """The plans of a store."""
    return sorted(pathlib.Path(magpkg.store, "eval").iterdir())


@pytest.mark.parametrize("short", ["warm", "shim"])
def test_a_plan_does_not_say_what_is_run_as_bwrap(own_store: Magpkg, short: str) -> None:
    launcher = prepared(own_store, short, expression(["busybox-static"]), "busybox")
    program = evil(own_store)
    real = shutil.which("bwrap")
    assert real is not None
    for plan in plans(own_store):
        items = plan.read_bytes().split(b"\0")
        items[items.index(real.encode()) + 1] = identity(str(program)).encode()
        plan.write_bytes(b"\0".join(str(program).encode() if item == real.encode() else item for item in items))
    own_store.call(launcher.words("true")).checked()
    assert not pathlib.Path(own_store.directory, "ran").exists()


def loosened(magpkg: Magpkg, name: str) -> None:
    """Have others own, or be able to write, part of what a plan is found by."""
    what, _, how = name.partition(" ")
    places = {
        "plan": [str(plan) for plan in plans(magpkg)],
        "folder": [f"{magpkg.store}/eval"],
        "store": [magpkg.store],
    }
    for path in places[what]:
        if how == "of another":
            os.chown(path, 12345, -1)
        else:
            os.chmod(path, os.stat(path).st_mode | 0o020)


@pytest.mark.parametrize("short", ["warm", "shim"])
@pytest.mark.parametrize("how", ["of another", "that others write"])
@pytest.mark.parametrize("what", ["plan", "folder", "store"])
def test_a_plan_is_believed_only_from_its_owner(own_store: Magpkg, short: str, what: str, how: str) -> None:
    if how == "of another" and os.geteuid() != 0:
        return  # nobody else can give files away
    launcher = prepared(own_store, short, expression(["busybox-static"], envSet={"A": "plain"}), "busybox")
    words = launcher.words("sh", "-c", "echo $A")
    assert own_store.call(words).checked().stdout == "plain\n"
    for plan in plans(own_store):
        plan.write_bytes(plan.read_bytes().replace(b"plain", b"other"))
    assert own_store.call(words).checked().stdout == "other\n"  # a plan of one's own is believed
    loosened(own_store, f"{what} {how}")
    assert "other" not in own_store.call(words).stdout


RECORDER = """#!{python} -IS
import ctypes, os, sys
with open({record!r}, "a") as file:
    print(ctypes.CDLL(None).syscall({number}, 0, -3, 0), file=file)
os.execv({bwrap!r}, ["bwrap", *sys.argv[1:]])
"""


def test_a_command_has_a_session_keyring_of_its_own(magpkg: Magpkg, kind: str) -> None:
    number = {"x86_64": 250, "aarch64": 219}[os.uname().machine]  # keyctl(2); 0 is KEYCTL_GET_KEYRING_ID
    own = ctypes.CDLL(None).syscall(number, 0, -3, 0)
    record = pathlib.Path(magpkg.home, "record")
    folder = pathlib.Path(magpkg.home, "bin")
    folder.mkdir()
    text = RECORDER.format(python=sys.executable, record=str(record), number=number, bwrap=shutil.which("bwrap"))
    (folder / "bwrap").write_text(text)
    (folder / "bwrap").chmod(0o755)
    env = {"PATH": f"{folder}:{os.environ['PATH']}"}
    launcher = prepared(magpkg, kind, MANIFEST, "bash", env)
    record.unlink(missing_ok=True)
    magpkg.call(launcher.words("-c", "true"), env=env).checked()
    last = int(record.read_text().splitlines()[-1])
    assert last > 0
    assert last != own
