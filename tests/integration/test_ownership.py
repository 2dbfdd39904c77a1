"""Whose files decide: what was found and not named is the user's or root's, for every command and by every way."""

import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magpkg.evaluation.program import CORE_LOCK
from tests.support.manifests import expression
from tests.support.process import Magpkg, Outcome

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs files of several users")

STRANGER = 1007
MANIFEST = expression(["busybox-static"], mounts=["${HOME}"])
NAMES = "packages: [busybox-static]\n"
REFUSED = "belongs to user 1007"
TRUE = ("venv", "--", "/bin/busybox", "true")
EVERY_COMMAND = (
    TRUE,
    ("show",),
    ("tree",),
    ("why", "busybox-static"),
    ("graph",),
    ("diff", "/mine.json"),
    ("fetch", "--offline"),
    ("build", "--offline"),
    ("export", "--offline", "-o", "/dev/null"),
    ("shim", "bin", "busybox"),
    ("lock", "--check"),
    ("add", "dash"),
    ("remove", "dash"),
)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of root's in which others can look, with the project of another user in it."""
    directory = Path(tempfile.mkdtemp(prefix="magpkg-test-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def give(*paths: Path, user: int = STRANGER) -> None:
    """Let the paths, and all below them, belong to a user."""
    for path in paths:
        for each in (path, *path.rglob("*")):
            os.chown(each, user, user, follow_symlinks=False)


def project(place: Path, text: str = MANIFEST, name: str = "magpkg.jsonnet") -> Path:
    """A project with a manifest and a lock, and a directory in it."""
    directory = place / "project"
    (directory / "below").mkdir(parents=True)
    (directory / name).write_text(text)
    shutil.copy(CORE_LOCK, directory / "debian.lock.json")
    return directory


def refused(done: Outcome, *, words: tuple[str, ...] = ()) -> bool:
    """Whether the run ended in the error that names the owner, and what to do about it."""
    assert done.status in (1, 125), (words, done)
    assert "magpkg allow " in done.stderr, (words, done)
    return REFUSED in done.stderr


@pytest.mark.parametrize("words", EVERY_COMMAND, ids=" ".join)
def test_a_strangers_manifest_is_used_by_no_command(magpkg: Magpkg, place: Path, words: tuple[str, ...]) -> None:
    directory = project(place, NAMES, "magpkg.yaml")
    give(directory)
    mine = directory / "below"  # what is above decides
    give(mine, user=0)
    (place / "mine.json").write_text('{"packages": []}')
    words = tuple(word.replace("/mine.json", str(place / "mine.json")) for word in words)
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    assert refused(magpkg.run(*words, cwd=str(mine)), words=words)
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def foreign_folder(directory: Path) -> None:
    os.chown(directory, STRANGER, STRANGER)


def foreign_lock(directory: Path) -> None:
    os.chown(directory / "debian.lock.json", STRANGER, STRANGER)


def foreign_import(directory: Path) -> None:
    os.chown(directory / "lib/part.libsonnet", STRANGER, STRANGER)


def foreign_import_folder(directory: Path) -> None:
    os.chown(directory / "lib", STRANGER, STRANGER)


def foreign_link(directory: Path) -> None:
    (directory / "lib/part.libsonnet").rename(directory / "lib/true.libsonnet")
    (directory / "lib/part.libsonnet").symlink_to("true.libsonnet")
    os.chown(directory / "lib/part.libsonnet", STRANGER, STRANGER, follow_symlinks=False)


def foreign_link_above(directory: Path) -> None:
    (directory / "lib").rename(directory / "other")
    (directory / "lib").symlink_to("other")
    os.chown(directory / "lib", STRANGER, STRANGER, follow_symlinks=False)


def foreign_manifest_link(directory: Path) -> None:
    (directory / "magpkg.jsonnet").rename(directory / "true.jsonnet")
    (directory / "magpkg.jsonnet").symlink_to("true.jsonnet")
    os.chown(directory / "magpkg.jsonnet", STRANGER, STRANGER, follow_symlinks=False)


BY_OWNER = (
    foreign_folder,
    foreign_lock,
    foreign_import,
    foreign_import_folder,
    foreign_link,
    foreign_link_above,
    foreign_manifest_link,
)
IMPORTING = (
    "(import 'lib/part.libsonnet') + "
    "{ packages: [(import 'magpkg/debian.libsonnet').lockset(importstr 'debian.lock.json')['busybox-static']] }"
)


def importing(place: Path) -> Path:
    """A project of root's whose manifest imports a library and reads the lock."""
    directory = project(place, IMPORTING)
    (directory / "lib").mkdir()
    (directory / "lib/part.libsonnet").write_text("{}")
    give(directory, user=0)
    return directory


@pytest.mark.parametrize("change", BY_OWNER, ids=lambda change: change.__name__)
def test_nor_one_of_which_a_part_is_a_strangers(magpkg: Magpkg, place: Path, change: Callable[[Path], object]) -> None:
    directory = importing(place)
    magpkg.run("show", cwd=str(directory)).checked()
    magpkg.run(*TRUE, cwd=str(directory)).checked()
    magpkg.run(*TRUE, cwd=str(directory)).checked()  # now there may be a plan
    change(directory)
    assert refused(magpkg.run("show", cwd=str(directory)))
    if change not in (foreign_folder, foreign_import_folder, foreign_link_above):  # the plan's files are the same still
        assert refused(magpkg.run(*TRUE, cwd=str(directory)))


@pytest.mark.parametrize("which", ["", "magpkg.jsonnet", "lib", "lib/part.libsonnet", "debian.lock.json"])
def test_nor_one_that_others_can_write_to(magpkg: Magpkg, place: Path, which: str) -> None:
    directory = importing(place)
    path = directory / which
    path.chmod(stat.S_IMODE(path.stat().st_mode) | 0o022)
    done = magpkg.run("show", cwd=str(directory))
    assert done.status == 1
    assert f"{path}: can be written to by everybody: its mode is" in done.stderr.replace("/:", ":")
    path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o002)
    os.chown(path, 0, 1)  # a group that has more than this user
    assert "can be written to by group daemon" in magpkg.run("show", cwd=str(directory)).stderr
    os.chown(path, 0, 0)  # one that has not
    magpkg.run("show", cwd=str(directory)).checked()


def test_in_a_sticky_directory_ones_own_files_are_ones_own(magpkg: Magpkg, place: Path) -> None:
    directory = importing(place)
    directory.chmod(0o1777)
    magpkg.run("show", cwd=str(directory)).checked()
    os.chown(directory / "debian.lock.json", STRANGER, STRANGER)
    assert refused(magpkg.run("show", cwd=str(directory)))


def test_a_directory_is_allowed_and_no_longer(magpkg: Magpkg, place: Path) -> None:
    directory = project(place)
    give(directory)
    for _ in range(2):
        assert refused(magpkg.run(*TRUE, cwd=str(directory)))
        magpkg.run("allow", ".", cwd=str(directory)).checked()
        assert magpkg.run("allow").checked().stdout == f"{directory}\n"
        for _ in range(3):
            magpkg.run(*TRUE, cwd=str(directory)).checked()
        magpkg.run("show", cwd=str(directory / "below")).checked()
        magpkg.run("allow", "--remove", str(directory)).checked()
        assert magpkg.run("allow").checked().stdout == ""
    assert refused(magpkg.run(*TRUE, cwd=str(directory)))


def test_several_that_allow_at_once_are_all_kept(magpkg: Magpkg, place: Path) -> None:
    wanted = {str(place / str(number)) for number in range(8)}
    for path in wanted:
        Path(path).mkdir()
    processes = [magpkg.spawn(magpkg.words("allow", path)) for path in wanted]
    assert [process.wait() for process in processes] == [0] * 8
    for process in processes:
        process.communicate()
    assert set(magpkg.run("allow").checked().stdout.split()) == wanted


def test_the_list_of_the_allowed_is_believed_only_if_it_is_ones_own(magpkg: Magpkg, place: Path) -> None:
    directory = project(place)
    give(directory)
    home = Path(magpkg.home)
    magpkg.run("allow", str(directory)).checked()
    listed = home / ".config/magpkg/allowed"
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    magpkg.run("show", cwd=str(directory)).checked()
    changes: tuple[tuple[Callable[[], object], Callable[[], object]], ...] = (
        (lambda: listed.chmod(0o666), lambda: listed.chmod(0o600)),
        (lambda: give(listed), lambda: give(listed, user=0)),
        (lambda: listed.parent.chmod(0o777), lambda: listed.parent.chmod(0o700)),
        (lambda: give(listed.parent), lambda: give(listed.parent, user=0)),
    )
    for spoil, mend in changes:
        spoil()
        assert refused(magpkg.run("show", cwd=str(directory)))
        mend()
        magpkg.run("show", cwd=str(directory)).checked()
    elsewhere = place / "config"
    assert refused(magpkg.run("show", cwd=str(directory), env={"XDG_CONFIG_HOME": str(elsewhere)}))
    magpkg.run("allow", "/", env={"XDG_CONFIG_HOME": str(elsewhere)}).checked()
    magpkg.run("show", cwd=str(directory), env={"XDG_CONFIG_HOME": str(elsewhere)}).checked()


def test_what_is_named_is_the_users_word(magpkg: Magpkg, place: Path) -> None:
    directory = project(place, NAMES, "magpkg.yaml")
    give(directory)
    magpkg.run("show", "-f", str(directory / "magpkg.yaml")).checked()
    # The lock beside an expression is found: whoever came first to /tmp could have put it there.
    assert refused(magpkg.run("show", "-e", "{ packages: ['dash'] }", cwd=str(directory)))
    # That beside a named manifest may be of who owns the manifest, and of nobody else.
    give(directory / "debian.lock.json", user=STRANGER + 1)
    assert "belongs to user 1008" in magpkg.run("show", "-f", "magpkg.yaml", cwd=str(directory)).stderr


def test_an_import_path_is_named_too(magpkg: Magpkg, place: Path) -> None:
    directory = importing(place)
    library = place / "library"
    (directory / "lib").rename(library)
    give(library)
    (directory / "magpkg.jsonnet").write_text(IMPORTING.replace("lib/part", "part"))
    magpkg.run("show", "-J", str(library), cwd=str(directory)).checked()
    (directory / "magpkg.jsonnet").write_text(IMPORTING.replace("lib/part", "../library/part"))
    assert refused(magpkg.run("show", cwd=str(directory)))
    assert magpkg.run("show", "-J", str(library), cwd=str(directory)).status == 0


def test_a_shim_holds_its_manifest_to_the_rule_whenever_it_is_called(magpkg: Magpkg, place: Path) -> None:
    directory = project(place)
    give(directory, user=0)
    magpkg.run("shim", "-q", ".magpkg/bin", "busybox", cwd=str(directory)).checked()
    shim = [str(directory / ".magpkg/bin/busybox"), "true"]
    magpkg.call(shim).checked()
    give(directory / "magpkg.jsonnet")
    assert refused(magpkg.call(shim))


def test_sudo_does_not_make_its_callers_files_roots(magpkg: Magpkg, place: Path) -> None:
    directory = project(place)
    give(directory)
    assert refused(magpkg.run("show", cwd=str(directory), env={"SUDO_UID": str(STRANGER)}))


def test_a_user_takes_roots_files_and_no_strangers(unprivileged: Magpkg, place: Path) -> None:
    directory = project(place)
    give(directory, user=0)
    unprivileged.run("show", cwd=str(directory)).checked()
    give(directory)
    assert refused(unprivileged.run("show", cwd=str(directory)))
    assert unprivileged.user is not None
    give(directory, user=unprivileged.user)
    unprivileged.run("show", cwd=str(directory)).checked()


def test_init_makes_no_manifest_where_none_would_be_used(magpkg: Magpkg, place: Path) -> None:
    directory = place / "theirs"
    directory.mkdir()
    give(directory)
    done = magpkg.run("init", "--no-lock", cwd=str(directory))
    assert (done.status, REFUSED in done.stderr) == (1, True)
    assert os.listdir(directory) == []
    give(directory, user=0)
    magpkg.run("init", "--no-lock", cwd=str(directory)).checked()


NEVER_ENDING = ("fifo", "zero", "huge", "socket")


def put(path: Path, what: str) -> None:
    """Let something be at `path` that nobody should read to its end."""
    path.unlink(missing_ok=True)
    if what == "fifo":
        os.mkfifo(path)
    elif what == "zero":
        path.symlink_to("/dev/zero")
    elif what == "huge":
        with path.open("wb") as file:
            file.truncate(10 << 30)
    else:
        subprocess.run(
            ["python3", "-c", f"import socket as s; s.socket(s.AF_UNIX).bind({path.name!r})"], cwd=path.parent
        )


@pytest.mark.parametrize("what", NEVER_ENDING)
@pytest.mark.parametrize("name", ["magpkg.jsonnet", "magpkg.yaml", "debian.lock.json", "lib.libsonnet", "text"])
def test_what_is_no_file_or_too_large_is_an_error_at_once(magpkg: Magpkg, name: str, what: str) -> None:
    directory = Path(magpkg.directory)
    manifests = {
        "debian.lock.json": ("magpkg.yaml", NAMES),
        "lib.libsonnet": ("magpkg.jsonnet", "import 'lib.libsonnet'"),
        "text": ("magpkg.jsonnet", "{ packages: [], envSet: { A: importstr 'text' } }"),
    }
    if name in manifests:
        path, text = manifests[name]
        (directory / path).write_text(text)
    put(directory / name, what)
    for words in (("show",), ("venv", "--", "true"), ("lock", "--check"), ("add", "dash")):
        done = magpkg.run(*words)
        assert done.status in (1, 125), (words, done)
        if words[0] in ("show", "venv"):
            told = {"huge": "is larger than", "fifo": "is no file", "zero": "/dev/zero: can be written to by everybody"}
            assert told.get(what, name) in done.stderr, done
    line = {"_MAGPKG_COMPLETE": "bash_complete", "COMP_WORDS": "magpkg why a", "COMP_CWORD": "2"}
    magpkg.run(env=line).checked()


@pytest.mark.parametrize("name", ["magpkg.yaml", "debian.lock.json"])
def test_a_link_that_leads_out_of_the_project_is_not_written_through(magpkg: Magpkg, place: Path, name: str) -> None:
    directory = project(place, NAMES, "magpkg.yaml")
    target = place / "outside"
    for there in (True, False):
        if there:
            shutil.copy(directory / name, target)
        else:
            target.unlink()
        (directory / name).unlink()
        (directory / name).symlink_to("../outside")
        before = target.read_bytes() if there else None
        for words in (("lock",), ("add", "dash")):
            done = magpkg.run(*words, cwd=str(directory))
            assert done.status == 1, (words, done)
            assert (target.read_bytes() if target.exists() else None) == before
