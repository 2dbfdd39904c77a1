"""What a sandbox shows of the host, below a home directory and not below /tmp, which is shown anyhow."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from magpkg.sandbox.links import follows_links
from tests.support.automount import failing_automount
from tests.support.files import settle
from tests.support.manifests import expression
from tests.support.process import Magpkg, Outcome
from tests.support.users import user_without_rights

HOMES = "/home" if os.getuid() == 0 else os.path.expanduser("~")
TMPFS_HOME = {"type": "tmpfs", "target": "${HOME}"}
SMALL = ["bash", "coreutils"]


@pytest.fixture(scope="module")
def nobody() -> Iterator[Magpkg]:
    """A user without rights whose home is below /home."""
    with user_without_rights(HOMES) as magpkg:
        yield magpkg


@pytest.fixture
def ada(shared_store: str) -> Iterator[Magpkg]:
    """The user of the tests with a home below /home, and a project in it."""
    home = tempfile.mkdtemp(prefix="magpkg-test-", dir=HOMES)
    yield project_of(Magpkg(shared_store, home, home))
    shutil.rmtree(home)


@pytest.fixture(params=["ada", "nobody"])
def anyone(request: pytest.FixtureRequest) -> Iterator[Magpkg]:
    """Either of them, in a project."""
    magpkg = request.getfixturevalue(request.param)
    yield magpkg if request.param == "ada" else project_of(magpkg)
    shutil.rmtree(f"{magpkg.home}/src", ignore_errors=True)


def project_of(magpkg: Magpkg) -> Magpkg:
    """The same in a project in the home directory, which has a directory `sub/deep`."""
    directory = f"{magpkg.home}/src/p"
    os.makedirs(f"{directory}/sub/deep")
    pathlib.Path(directory, "top").write_text("top of the project\n")
    if magpkg.user is not None:
        for path in (pathlib.Path(magpkg.home, "src"), *pathlib.Path(magpkg.home, "src").rglob("*")):
            os.chown(path, magpkg.user, magpkg.user)
    return dataclasses.replace(magpkg, directory=directory)


def write(magpkg: Magpkg, *mounts: object, packages: list[str] | None = None, **fields: object) -> None:
    """Give the project a manifest with these mounts."""
    path = pathlib.Path(magpkg.directory, "magpkg.jsonnet")
    path.write_text(expression(packages or SMALL, mounts=list(mounts), **fields))
    if magpkg.user is not None:
        os.chown(path, magpkg.user, magpkg.user)
    settle(path.parent)


def inside(magpkg: Magpkg, script: str, *options: str, cwd: str = "", env: dict[str, str] | None = None) -> Outcome:
    """Run a script in the project's venv."""
    return magpkg.run("venv", "-q", *options, "--", "bash", "-c", script, cwd=cwd or None, env=env)


# ---- the project, from anywhere in it


def test_the_whole_project_is_there_from_anywhere_in_it(anyone: Magpkg) -> None:
    write(anyone, "${PROJECT}")
    here = anyone.directory
    for place in ("", "/sub", "/sub/deep"):
        for _ in range(2):  # by the second there is a plan
            done = inside(anyone, f"pwd; cat {here}/top; echo x >made; ls {here}", cwd=f"{here}{place}").checked()
            names = ["made", "magpkg.jsonnet", "sub", "top"] if place == "" else ["magpkg.jsonnet", "sub", "top"]
            assert done.stdout.splitlines() == [f"{here}{place}", "top of the project", *names]
            assert pathlib.Path(f"{here}{place}/made").read_text() == "x\n"
        os.unlink(f"{here}{place}/made")
    assert inside(anyone, "pwd", "-f", f"{here}/magpkg.jsonnet", cwd="/").checked().stdout == f"{here}\n"


@pytest.mark.parametrize("cwd", ["/", "/usr", "/etc", "/proc", "/home"])
def test_a_launch_from_elsewhere_starts_in_the_project(ada: Magpkg, cwd: str) -> None:
    write(ada, "${PROJECT}")
    for _ in range(2):
        done = inside(ada, "pwd; cat top", "-f", f"{ada.directory}/magpkg.jsonnet", cwd=cwd).checked()
        assert done.stdout == f"{ada.directory}\ntop of the project\n"


def test_a_launch_from_elsewhere_that_is_shown_starts_there(ada: Magpkg) -> None:
    other = f"{ada.home}/other"
    os.mkdir(other)
    write(ada, "${PROJECT}", "${HOME}/other")
    done = inside(ada, "pwd", "-f", f"{ada.directory}/magpkg.jsonnet", cwd=other).checked()
    assert done.stdout == f"{other}\n"


def test_the_project_of_an_expression_is_the_working_directory(anyone: Magpkg) -> None:
    manifest = expression(SMALL, mounts=["${PROJECT}"])
    done = inside(anyone, "pwd; ls", "-e", manifest, cwd=f"{anyone.directory}/sub").checked()
    assert done.stdout == f"{anyone.directory}/sub\ndeep\n"


def test_a_project_behind_symlinks_has_both_its_names(anyone: Magpkg) -> None:
    link = f"{anyone.home}/link"
    os.symlink("src/p", link)
    write(anyone, TMPFS_HOME, "${PROJECT}")
    try:
        for _ in range(2):
            script = f"pwd; cat {link}/top {anyone.directory}/top ../top; echo x >{link}/made"
            done = inside(anyone, script, cwd=f"{link}/sub", env={"PWD": f"{link}/sub"}).checked()
            assert done.stdout == f"{link}/sub\n" + 3 * "top of the project\n"
            assert pathlib.Path(anyone.directory, "made").read_text() == "x\n"
        # Where the link leads into the middle, the name of the whole is the real one.
        done = inside(anyone, "pwd; cat ../top", cwd=f"{link}/sub/deep", env={"PWD": "/nonsense"})
        assert done.stdout == f"{anyone.directory}/sub/deep\n"
        os.unlink(link)
        os.symlink("src/p/sub", link)
        done = inside(anyone, "pwd; cat ../top", cwd=link, env={"PWD": link}).checked()
        assert done.stdout == f"{anyone.directory}/sub\ntop of the project\n"
    finally:
        os.unlink(link)


def test_a_shim_shows_the_whole_project_from_a_subdirectory(ada: Magpkg) -> None:
    write(ada, "${PROJECT}")
    ada.run("shim", "-q", ".magpkg/bin", "cat").checked()
    for place in ("sub", "sub/deep"):
        up = "/".join(".." for _ in place.split("/"))
        for _ in range(3):
            done = ada.call([f"{ada.directory}/.magpkg/bin/cat", f"{up}/top"], cwd=f"{ada.directory}/{place}")
            assert done.checked().stdout == "top of the project\n"
    done = ada.call([f"{ada.directory}/.magpkg/bin/cat", "top"], cwd="/").checked()
    assert done.stdout == "top of the project\n"


# ---- nothing that looks like the project's is lost


def test_beside_the_project_nothing_can_be_written_that_would_be_lost(anyone: Magpkg) -> None:
    write(anyone, TMPFS_HOME, "${PROJECT}", {"source": "${PROJECT}/sub", "target": "${HOME}/.cache/tool"})
    home = anyone.home
    for _ in range(2):
        done = inside(anyone, f"touch {home}/src/x")
        assert (done.status, "Read-only file system" in done.stderr) == (1, True)
        done = inside(anyone, f"mkdir {home}/x {home}/.cache/other && touch {home}/.cache/x {home}/src/p/y").checked()
        assert os.path.exists(f"{anyone.directory}/y")
    assert not os.path.exists(f"{home}/x")


def test_beside_the_project_a_private_home_takes_nothing(anyone: Magpkg) -> None:
    private = {"source": "${STATE}/home", "target": "${HOME}"}
    write(anyone, private, "${PROJECT}", {"source": "${PROJECT}/sub", "target": "${HOME}/.cache/tool"})
    home = anyone.home
    for _ in range(2):
        done = inside(anyone, f"touch {home}/src/x")
        assert (done.status, "Read-only file system" in done.stderr) == (1, True)
        inside(anyone, "touch ~/x ~/.cache/x ~/src/p/y && mkdir -p ~/other/deep").checked()
    write(anyone, private, "${PROJECT}", {"source": "${PROJECT}/sub", "target": "${HOME}/other/sub"})
    done = inside(anyone, "touch ~/other/y ~/other/deep/y && ls ~ ~/other").checked()  # what is there is not hidden
    assert done.stdout.split() == [f"{home}:", "other", "src", "x", f"{home}/other:", "deep", "sub", "y"]


def test_without_a_home_all_above_the_project_is_read_only(anyone: Magpkg) -> None:
    write(anyone, "${PROJECT}")
    for path in (f"{anyone.home}/src/x", f"{anyone.home}/x", "/home/x", "/x"):
        done = inside(anyone, f"touch {path}")
        assert (done.status, "Read-only file system" in done.stderr) == (1, True), path


def test_around_a_single_file_a_tmpfs_is_writable(ada: Magpkg) -> None:
    pathlib.Path(ada.home, "settings").write_text("s")
    file = {"type": "ro-bind", "source": "${HOME}/settings", "target": "${HOME}/config/tool/settings"}
    write(ada, TMPFS_HOME, file)
    inside(ada, "touch ~/config/x ~/config/tool/x && cat ~/config/tool/settings").checked()


# ---- where the caller happens to be


@pytest.mark.parametrize("cwd", ["/", "/usr", "/usr/bin", "/etc", "/dev", "/proc", "/sys", "/var"])
def test_the_working_directory_takes_nothing_from_the_venv(ada: Magpkg, cwd: str) -> None:
    where = ["-f", f"{ada.directory}/magpkg.jsonnet"]
    write(ada, "${PWD}")
    done = inside(ada, "true", *where, cwd=cwd)
    assert done.status == 125
    assert f"venv.mounts[0].target: ${{PWD}} {'is / here' if cwd == '/' else f'makes this {cwd}'}" in done.stderr
    assert "${PROJECT}" in done.stderr
    write(ada, {"source": "${PWD}", "optional": True})
    for _ in range(2):
        done = inside(ada, "pwd; test -c /dev/null && cat /etc/debian_version", *where, cwd=cwd).checked()
        assert done.stdout.splitlines()[0] == (cwd if cwd in ("/dev", "/sys") else "/")  # two are shown anyhow


@pytest.mark.parametrize("home", ["/", "/usr", "/dev", "/usr/sbin", "/bin", "//", "/etc/.."])
def test_a_home_of_the_system_is_none(ada: Magpkg, home: str) -> None:
    write(ada, {**TMPFS_HOME, "optional": True}, {"source": "${HOME}/x", "optional": True}, "${PROJECT}")
    for _ in range(2):
        done = inside(ada, "test -c /dev/null && ls /usr/bin/env; cat top", env={"HOME": home}).checked()
        assert done.stdout == "/usr/bin/env\ntop of the project\n"
    write(ada, TMPFS_HOME)
    done = inside(ada, "true", env={"HOME": home})
    assert "venv.mounts[0].target: ${HOME} is not set in the environment, or not to" in done.stderr


def test_the_example_runs_from_anywhere(ada: Magpkg) -> None:
    for cwd in ("/", "/usr/lib", ada.directory):
        manifest = '(import "magpkg/examples/core-venv.jsonnet")'
        done = ada.run("venv", "-q", "-e", manifest, "--", "bash", "-c", "pwd; git --version", cwd=cwd).checked()
        assert done.stdout.splitlines()[0] == (cwd if cwd == ada.directory else "/")


# ---- git


def git(directory: str, *words: str) -> None:
    """Run the host's git in a repository."""
    given = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", directory, *given, *words], check=True, capture_output=True)


@contextmanager
def git_venv(magpkg: Magpkg, directory: str) -> Iterator[Magpkg]:
    """The program in a working copy, with a manifest that init would write there."""
    at = dataclasses.replace(magpkg, directory=directory)
    write(at, TMPFS_HOME, "${PROJECT}", {"source": "${GIT_DIRECTORY}", "optional": True}, packages=[*SMALL, "git"])
    yield at


@pytest.mark.parametrize("relative", [False, True])
def test_a_worktree(ada: Magpkg, *, relative: bool) -> None:
    repository, tree = ada.directory, f"{ada.home}/trees/one"
    git(repository, "init", "-q")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "first")
    git(repository, "worktree", "add", "-q", tree)
    if relative:
        pathlib.Path(tree, ".git").write_text("gitdir: ../../src/p/.git/worktrees/one\n")
        pathlib.Path(repository, ".git/worktrees/one/gitdir").write_text("../../../../../trees/one/.git\n")
    os.mkdir(f"{tree}/below")
    with git_venv(ada, tree) as at:
        script = "git -c user.name=A -c user.email=a@b commit -q --allow-empty -m inside && git log --format=%s"
        for count in (1, 2):
            done = inside(at, script, cwd=f"{tree}/below").checked()
            assert done.stdout.splitlines() == ["inside"] * count + ["first"]
        done = at.run("show").checked()
        assert f"bind ${{GIT_DIRECTORY}} (optional) -> {repository}/.git" in done.stdout


def test_a_submodule(ada: Magpkg) -> None:
    other = f"{ada.home}/other"
    os.mkdir(other)
    for repository in (other, ada.directory):
        git(repository, "init", "-q")
        git(repository, "commit", "-q", "--allow-empty", "-m", "first")
    git(ada.directory, "submodule", "add", "-q", other, "module")
    with git_venv(ada, f"{ada.directory}/module") as at:
        assert inside(at, "git log --format=%s").checked().stdout == "first\n"


def test_an_ordinary_working_copy_needs_no_more(ada: Magpkg) -> None:
    git(ada.directory, "init", "-q")
    with git_venv(ada, ada.directory) as at:
        assert "magpkg.jsonnet" in inside(at, "git status --short").checked().stdout
        git(ada.directory, "commit", "-q", "--allow-empty", "-m", "first")  # what is in .git is no part of the plan
        done = at.run("venv", "-q", "--", "git", "log", "--format=%s", env={"PYTHONPROFILEIMPORTTIME": "1"}).checked()
        assert (done.stdout, "click" in done.stderr) == ("first\n", False)


@pytest.mark.parametrize("kind", ["worktree", "another's", "submodule", "text", "fifo", "itself"])
def test_a_git_file_that_names_what_does_not_name_it_opens_nothing(ada: Magpkg, kind: str) -> None:
    prey = f"{ada.home}/private"
    os.mkdir(prey)
    git(prey, "init", "-q")
    own = f"{ada.directory}/own"
    os.makedirs(f"{own}/objects")
    os.makedirs(f"{own}/refs")
    pathlib.Path(own, "HEAD").write_text("ref: refs/heads/main\n")
    git(prey, "commit", "-q", "--allow-empty", "-m", "first")
    git(prey, "worktree", "add", "-q", f"{ada.home}/another")
    named = {
        "worktree": own,
        "another's": f"{prey}/.git/worktrees/another",
        "submodule": f"{prey}/.git",
        "text": "nonsense",
        "fifo": "",
        "itself": ".git",
    }[kind]
    pathlib.Path(own, "commondir").write_text(f"{prey}/.git\n")
    pathlib.Path(own, "gitdir").write_text(f"{ada.directory}/.git\n")
    if kind == "fifo":
        os.mkfifo(f"{ada.directory}/.git")
    else:
        pathlib.Path(ada.directory, ".git").write_text(f"gitdir: {named}\n" if kind != "text" else named)
    with git_venv(ada, ada.directory) as at:
        done = inside(at, f"ls {prey}; echo $?")
        assert done.stdout == "2\n"


def test_init_shows_what_a_worktree_needs(ada: Magpkg) -> None:
    for language, name in ((["--jsonnet"], "magpkg.jsonnet"), ([], "magpkg.yaml")):
        ada.run("init", "-q", "--no-lock", *language).checked()
        manifest = pathlib.Path(ada.directory, name)
        assert ("GIT_DIRECTORY" in manifest.read_text(), "${PROJECT}" in manifest.read_text()) == (False, True)
        manifest.unlink()
        pathlib.Path(ada.directory, ".git").write_text("gitdir: elsewhere\n")
        ada.run("init", "-q", "--no-lock", *language).checked()
        assert "${GIT_DIRECTORY}" in manifest.read_text()
        manifest.unlink()
        os.unlink(f"{ada.directory}/.git")


# ---- mount points on the host


def test_what_is_missing_below_a_writable_mount_is_made_and_told(anyone: Magpkg) -> None:
    cache = {"source": "${STATE}/cache", "target": "${PROJECT}/deep/.cache"}
    file = {"type": "ro-bind", "source": "/etc/hosts", "target": "${PROJECT}/f/hosts"}
    write(anyone, "${PROJECT}", cache, file)
    told = [line for line in anyone.run("show").checked().stdout.splitlines() if line.startswith("makes")]
    points = [f"{anyone.directory}/deep/.cache", f"{anyone.directory}/f/hosts"]
    assert told == [f"makes      {point}, on this host, to mount something there" for point in points]
    assert not os.path.exists(points[0])
    for _ in range(2):
        inside(anyone, "cat f/hosts && echo kept >>deep/.cache/x").checked()
    assert os.listdir(points[0]) == []
    assert (os.path.getsize(points[1]), os.stat(points[1]).st_uid) == (0, anyone.user or os.getuid())
    assert inside(anyone, "cat deep/.cache/x").checked().stdout == "kept\n" * 2
    assert "makes" not in anyone.run("show").checked().stdout
    shutil.rmtree(f"{anyone.directory}/deep")  # by a plan that holds no more
    assert inside(anyone, "cat deep/.cache/x").checked().stdout == "kept\n" * 2


def test_a_point_that_cannot_be_made(nobody: Magpkg) -> None:
    person = project_of(nobody)
    try:
        closed = pathlib.Path(person.directory, "closed")
        closed.mkdir()  # root's, where root runs the tests
        closed.chmod(0o555)
        mount = {"type": "tmpfs", "target": "${PROJECT}/closed/point"}
        write(person, "${PROJECT}", mount)
        done = inside(person, "true")
        place = f"{closed}/point"
        assert f"venv.mounts[1].target: {place} is missing and cannot be made: Permission denied" in done.stderr
        write(person, "${PROJECT}", {**mount, "optional": True})
        for _ in range(2):
            inside(person, "test ! -e closed/point").checked()
        closed.chmod(0o777)
        inside(person, "test -d closed/point").checked()
    finally:
        shutil.rmtree(f"{nobody.home}/src")


def test_no_point_is_made_through_a_symlink(ada: Magpkg) -> None:
    prey = pathlib.Path(ada.home, "prey")
    prey.mkdir()
    os.symlink(prey, f"{ada.directory}/out")
    os.symlink("/oldroot" + str(prey), f"{ada.directory}/old")
    for name in ("out", "old"):
        write(ada, "${PROJECT}", {"type": "tmpfs", "target": f"${{PROJECT}}/{name}/made/deep"})
        inside(ada, "true")
    assert os.listdir(prey) == []


def test_a_bwrap_that_can_be_misled_makes_nothing_while_somebody_could(ada: Magpkg) -> None:
    bwrap = shutil.which("bwrap") or ""
    mount = {"type": "tmpfs", "target": "${PROJECT}/d/x"}
    write(ada, "${PROJECT}")
    with ada.start("venv", "-q", "--", "bash", "-c", "echo ready; read") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        write(ada, "${PROJECT}", mount)
        done = inside(ada, "true")
        if follows_links(bwrap):
            assert done.status == 125
            assert f"{ada.directory}/d/x is missing, a running sandbox can write to {ada.directory}" in done.stderr
            assert not os.path.exists(f"{ada.directory}/d")
            assert "links: " in ada.run("doctor").stdout
        os.makedirs(f"{ada.directory}/d/x", exist_ok=True)
        inside(ada, "true").checked()
        os.rmdir(f"{ada.directory}/d/x")
    inside(ada, "test -d d/x").checked()


# ---- sources


def test_a_symlink_that_a_command_puts_in_the_place_of_a_source_is_seen_by_every_way(ada: Magpkg) -> None:
    private = pathlib.Path(ada.home, "private")
    private.mkdir()
    (private / "key").write_text("secret")
    os.mkdir(f"{ada.directory}/.cache")
    write(ada, "${PROJECT}", {"source": "${PROJECT}/.cache", "target": "/cache"})
    ada.run("shim", "-q", ".magpkg/bin", "cat").checked()
    shim = f"{ada.directory}/.magpkg/bin/cat"
    for _ in range(2):
        inside(ada, "test ! -e /cache/key").checked()
        ada.call([shim, "top"]).checked()
    inside(ada, f"mv .cache .old && ln -s {private} .cache").checked()
    for done in (inside(ada, "cat /cache/key"), ada.call([shim, "/cache/key"]), inside(ada, "cat /cache/key")):
        assert (done.status, done.stdout) == (125, "")
        assert f".cache leads to {private}, out of {ada.directory}, through a symlink" in done.stderr
    write(ada, "${PROJECT}", {"source": "${PROJECT}/.cache", "target": "/cache", "follow": True})
    assert inside(ada, "cat /cache/key").checked().stdout == "secret"
    shown = ada.run("show").checked().stdout
    assert f"bind ${{PROJECT}}/.cache /cache -> {private}\n" in shown


def test_a_source_that_is_a_loop_or_not_to_be_seen(nobody: Magpkg) -> None:
    person = project_of(nobody)
    try:
        os.symlink("loop", f"{person.directory}/loop")
        closed = pathlib.Path(person.directory, "closed")
        (closed / "inner").mkdir(parents=True)
        closed.chmod(0)
        for name, words in (("loop", "leads through too many symlinks"), ("closed/inner", "is not to be seen by")):
            mount = {"source": f"${{PROJECT}}/{name}", "target": "/x"}
            write(person, mount)
            assert f"venv.mounts[0].source: {person.directory}/{name} {words}" in inside(person, "true").stderr
            write(person, {**mount, "optional": True})
            inside(person, "test ! -e /x").checked()
    finally:
        closed.chmod(0o755)
        shutil.rmtree(f"{nobody.home}/src")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_an_automount_that_fails(ada: Magpkg) -> None:
    point = f"{ada.home}/net"
    os.mkdir(point)
    with failing_automount(point) as requests:
        assert os.path.isdir(point), "to look does not mount"
        apart = dataclasses.replace(ada, python=("setsid", "--wait", *ada.python))  # who mounts is told by the group
        write(ada, {"source": point, "target": "/net"})
        assert f"venv.mounts[0].source: {point} does not exist on this host" in inside(apart, "true").stderr
        write(ada, {"source": point, "target": "/net", "optional": True})
        for _ in range(2):
            inside(apart, "test ! -e /net").checked()
        assert requests
    inside(apart, "test -d /net").checked()


# ---- options


def test_options_name_paths_with_colons_and_devices(ada: Magpkg) -> None:
    odd = pathlib.Path(ada.directory, "a:b")
    odd.mkdir()
    (odd / "file").write_text("odd\n")
    write(ada)
    assert inside(ada, f"cat {odd}/file", "--bind", r"a\:b").checked().stdout == "odd\n"
    assert inside(ada, "cat /x:y/file", "--ro-bind", r"a\:b:/x\:y").checked().stdout == "odd\n"
    assert inside(ada, "echo x >/opt/null && test -c /opt/null", "--dev-bind", "/dev/null:/opt/null").status == 0
    missing = inside(ada, "true", "--bind", "none")
    assert f"--bind none: {ada.directory}/none does not exist on this host" in missing.stderr
    assert "optional" not in missing.stderr


# ---- what it costs


def mount_count(magpkg: Magpkg) -> int:
    """How many mounts there are in the project's venv."""
    return len(inside(magpkg, "cat /proc/self/mountinfo").checked().stdout.splitlines())


def test_a_project_below_home_costs_one_mount_more_than_its_own(ada: Magpkg) -> None:
    write(ada)
    bare = mount_count(ada)
    write(ada, "${PROJECT}")
    assert mount_count(ada) == bare + 2
    assert inside(ada, "ls -A /home /root /srv").status == 0


def test_a_source_that_comes_later_is_mounted_at_the_next_launch(ada: Magpkg) -> None:
    write(ada, {"source": "${PROJECT}/later", "target": "/later", "optional": True})
    for _ in range(2):
        inside(ada, "test ! -e /later").checked()
    os.mkdir(f"{ada.directory}/later")
    inside(ada, "test -d /later").checked()
