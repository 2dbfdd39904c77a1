"""What `magpkg lock` makes of suites, indices and the archive's changes, on a small signed repository."""

import json
import os
import re
from pathlib import Path

import pytest

from magpkg.debian.lockset import FIXUP_TOOLS
from tests.support.process import Outcome
from tests.support.repository import BASE, Repository, served


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    return made


def locked(repository: Repository, *arguments: str) -> dict[str, str]:
    """The versions that a lock comes to, the base's left out."""
    repository.lock("-o", "x.json", *arguments).checked()
    packages = json.loads(Path(repository.magpkg.directory, "x.json").read_text())["packages"]
    return {name: item["version"] for name, item in packages.items() if name not in (*BASE, FIXUP_TOOLS)}


def refusal(repository: Repository, *arguments: str) -> str:
    done: Outcome = repository.lock("-o", "x.json", *arguments)
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert not os.path.exists(f"{repository.magpkg.directory}/x.json")
    return done.stderr


def test_the_first_suite_that_has_a_name_wins(repository: Repository) -> None:
    repository.add("tool", "2", "Depends: tlib")
    repository.add("tlib", "5")
    repository.add("tlib", "4", suite="security")
    repository.write()
    assert locked(repository, "--suite", "security", "--suite", "bookworm", "tool") == {"tool": "2", "tlib": "4"}
    lock = json.loads(Path(repository.magpkg.directory, "x.json").read_text())
    assert [suite["suite"] for suite in lock["suites"]] == ["security", "bookworm"]
    assert locked(repository, "tool") == {"tool": "2", "tlib": "4"}  # the lock knows where it came from
    os.unlink(f"{repository.magpkg.directory}/x.json")
    assert locked(repository, "tool") == {"tool": "2", "tlib": "5"}


def test_a_component_and_an_architecture_must_be_asked_for(repository: Repository) -> None:
    repository.add("tool", "2", component="contrib")
    repository.add_base(architecture="arm64")
    repository.add("tarm", "3", architecture="arm64")
    repository.write()
    assert "there is no package tool" in refusal(repository, "tool")
    assert "did you mean contrib?" in refusal(repository, "--component", "contrb", "tool")
    assert "did you mean arm64?" in refusal(repository, "--arch", "arm46", "tool")
    assert locked(repository, "--component", "main", "--component", "contrib", "tool") == {"tool": "2"}
    os.unlink(f"{repository.magpkg.directory}/x.json")
    assert locked(repository, "--arch", "arm64", "tarm") == {"tarm": "3"}


def test_virtual_packages_versioned_alternatives_and_circles(repository: Repository) -> None:
    repository.add("tool", "2", "Depends: tlib (>= 3) | tother, tvirtual (>= 2)")
    repository.add("tlib", "2.9")
    repository.add("tother", "1", "Pre-Depends: tool")
    repository.add("tone", "1", "Provides: tvirtual")
    repository.add("ttwo", "1", "Provides: tvirtual (= 2.1)")
    repository.write()
    assert locked(repository, "tool") == {"tool": "2", "tother": "1", "ttwo": "1"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("Depends: tmissing (>= 3)", ("tool 2", "depends on tmissing (>= 3)", "there is no such package")),
        ("Depends: tlib, tother", ("tother 1", "conflicts with tlib", "tlib 1 (needed by tool)")),
        ("Depends: tlib, tbreaker", ("tbreaker 1", "breaks tlib (<< 2)", "tlib 1 (needed by tool)")),
    ],
)
def test_what_cannot_be_names_both_sides(repository: Repository, fields: str, words: tuple[str, ...]) -> None:
    repository.add("tool", "2", fields)
    repository.add("tlib")
    repository.add("tother", "1", "Conflicts: tlib")
    repository.add("tbreaker", "1", "Breaks: tlib (<< 2)")
    repository.write()
    said = refusal(repository, "tool")
    assert [word for word in words if word not in said] == []


def test_recommends(repository: Repository) -> None:
    repository.add("tool", "2", "Recommends: tlib, tnone")
    repository.add("tlib")
    repository.write()
    assert locked(repository, "tool") == {"tool": "2"}
    assert locked(repository, "--recommends", "tool") == {"tool": "2", "tlib": "1"}


def test_pins_stay_until_they_are_moved(repository: Repository) -> None:
    for name in ("tool", "tlib"):
        repository.add(name, "2")
    repository.write()
    Path(repository.magpkg.directory, "magpkg.yaml").write_text("packages: [tool, tlib]\n")
    lock = Path(repository.magpkg.directory, "debian.lock.json")
    repository.lock().checked()
    before = lock.read_bytes()
    for name in ("tool", "tlib"):
        repository.add(name, "3")
    repository.write()
    repository.lock().checked()
    kept = json.loads(lock.read_text())["packages"]
    assert (kept["tool"]["version"], kept["tlib"]["version"]) == ("2", "2")
    assert repository.lock("--upgrade", "tool").checked().stdout == "tool: 2 -> 3\n"
    assert repository.lock("--upgrade").checked().stdout == "tlib: 2 -> 3\n"
    assert lock.read_bytes() != before
    missing = repository.lock("--upgrade", "tol")
    assert (missing.status, "did you mean tool?" in missing.stderr) == (1, True)


def test_a_pin_that_the_suite_lost_moves_and_a_name_that_it_lost_is_an_error(repository: Repository) -> None:
    repository.add("tool", "2")
    repository.write()
    assert locked(repository, "tool") == {"tool": "2"}
    repository.remove("tool")
    repository.add("tool", "4")
    repository.write()
    assert locked(repository, "tool") == {"tool": "4"}
    repository.remove("tool")
    repository.write()
    done = repository.lock("-o", "x.json", "tool")
    assert (done.status, "there is no package tool" in done.stderr) == (1, True)
    assert json.loads(Path(repository.magpkg.directory, "x.json").read_text())["packages"]["tool"]["version"] == "4"


def test_the_same_inputs_give_the_same_bytes(repository: Repository) -> None:
    repository.add("tool", "2", "Depends: tlib")
    repository.add("tlib")
    repository.write()
    texts = set()
    for name in ("one.json", "two.json"):
        repository.lock("-o", name, "tool", "tlib").checked()
        texts.add(Path(repository.magpkg.directory, name).read_bytes())
    assert len(texts) == 1


@pytest.mark.parametrize(
    "fields",
    [
        "Filename: pool/../../etc/x.deb",
        "Filename: /etc/x.deb",
        "SHA256: short",
        "Size: -5",
        "Size: many",
        "Version: 1:\x00",
        "Depends: ,,|(",
    ],
)
def test_a_hostile_index_makes_no_lock(repository: Repository, fields: str) -> None:
    repository.add("tool", "2", fields)
    repository.write()
    done = repository.lock("-o", "x.json", "tool")
    assert "Traceback" not in done.stderr
    if done.status == 0:  # what is odd, and harmless
        assert "Version" in fields or "Depends" in fields
    else:
        assert done.status == 1
        assert not os.path.exists(f"{repository.magpkg.directory}/x.json")


def test_bytes_that_are_no_text_are_no_traceback(repository: Repository) -> None:
    repository.paragraph(b"Package: t\xff\xfe\nVersion: 1\nDescription: \x1b[2Jclear \xff")
    repository.add("tool", "2", "Description: a tool")
    repository.write()
    assert locked(repository, "tool") == {"tool": "2"}
    found = repository.magpkg.run("search", "--keyring", repository.key.path, "clear").checked()
    assert "\x1b" not in found.stdout


def test_search_has_the_name_itself_first(repository: Repository) -> None:
    for name in ("libtool", "toolbox", "tool", "other"):
        repository.add(name, "1", f"Description: {'a tool' if name == 'other' else 'x'}")
    repository.write()
    words = ("search", "--keyring", repository.key.path)
    found = repository.magpkg.run(*words, "tool").checked().stdout.split("\n")
    assert [line.split()[0] for line in found if line] == ["tool", "toolbox", "libtool", "other"]
    nothing = repository.magpkg.run(*words, "nosuchword")
    assert (nothing.status, nothing.stdout) == (1, "")
    told = json.loads(repository.magpkg.run(*words, "--json", "libtool").checked().stdout)
    assert told == {"version": 1, "packages": [{"name": "libtool", "version": "1", "description": "x"}]}
    nothing = repository.magpkg.run(*words, "--json", "nosuchword")
    assert (nothing.status, json.loads(nothing.stdout)) == (1, {"version": 1, "packages": []})


def test_refusals_of_the_mirror_and_the_keyring(repository: Repository, tmp_path: Path) -> None:
    repository.add("tool")
    repository.write()
    assert "no mirror has it" in refusal(repository, "--suite", "trixie", "tool")
    assert "is no name of a suite" in refusal(repository, "--suite", "../x", "tool")
    magpkg = repository.magpkg
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_bytes(b"no key")
    for keyring in ("missing", "empty", "text"):
        done = magpkg.run("lock", "--keyring", str(tmp_path / keyring), "-o", "x.json", "tool")
        assert (done.status, "keyring" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    magpkg.run("lock", "--no-verify", "-o", "signed.json", "tool").checked()


@pytest.mark.parametrize("change", ["cut", "longer"])
def test_an_index_of_another_size_is_refused(repository: Repository, change: str) -> None:
    repository.ending = ".xz"
    repository.add("tool")
    repository.write()
    whole = repository.get(repository.index_path())
    repository.put(repository.index_path(), whole[:-9] if change == "cut" else whole + bytes(5000))
    said = refusal(repository, "tool")
    assert "cannot be had as InRelease lists it" in said
    assert ("is larger than" in said) == (change == "longer"), "it was read to its end, however long"


def test_offline_asks_nothing_and_lists_what_is_missing(repository: Repository) -> None:
    repository.add("tool", "2")
    repository.write()
    magpkg = repository.magpkg
    Path(magpkg.directory, "magpkg.yaml").write_text("packages: [tool]\n")
    with served(repository.root) as (url, asked):
        variables = {"MAGPKG_DEBIAN_MIRROR": url}
        for words in (("lock",), ("search", "tool")):
            done = magpkg.run(*words, "--keyring", repository.key.path, "--offline", env=variables)
            assert (done.status, "offline" in done.stderr) == (1, True), words
        assert asked == []
        magpkg.run("lock", "-q", "--keyring", repository.key.path, env=variables).checked()
        asked.clear()
        magpkg.run("lock", "--check", env=variables).checked()
        magpkg.run("lock", "--offline", "--keyring", repository.key.path, env=variables).checked()
        magpkg.run("search", "--offline", "tool", env=variables).checked()
        for words in (("fetch",), ("build",), ("venv",)):
            done = magpkg.run(*words, "--offline", env=variables)
            assert done.status in (1, 125)
            assert re.search(r"^  package tool: tool.deb, sha256 [0-9a-f]{64}$", done.stderr, re.MULTILINE), words
        assert asked == []


def test_a_pin_that_no_mirror_has_says_that_the_archive_moved_on(repository: Repository) -> None:
    repository.add("tool", "2")
    repository.write()
    magpkg = repository.magpkg
    Path(magpkg.directory, "magpkg.yaml").write_text("packages: [tool]\n")
    repository.lock().checked()
    os.unlink(f"{repository.root}/pool/main/tool_2_amd64.deb")
    with served(repository.root) as (url, _):
        for mirror in (url, f"file:{repository.root}"):
            done = magpkg.run("fetch", env={"MAGPKG_DEBIAN_MIRROR": mirror})
            assert done.status == 1
            for words in ("package tool", "moved on", "magpkg lock --upgrade tool", "MAGPKG_DEBIAN_MIRROR"):
                assert words in done.stderr


def test_a_changed_lock_is_noticed_by_a_cached_launch(repository: Repository) -> None:
    magpkg = repository.magpkg
    Path(magpkg.directory, "magpkg.yaml").write_text("packages: [tool]\n")
    lock = Path(magpkg.directory, "debian.lock.json")
    lock.write_text("{}")
    for _ in range(2):
        done = magpkg.run("venv", "--", "true")
        assert (done.status, "lock.json.version" in done.stderr) == (125, True)
    assert lock.read_text() == "{}"


def test_check_says_what_is_missing_and_writes_nothing(repository: Repository) -> None:
    magpkg = repository.magpkg
    Path(magpkg.directory, "magpkg.yaml").write_text("packages: [tool]\n")
    for text in (None, "{}", "no json"):
        if text is not None:
            Path(magpkg.directory, "debian.lock.json").write_text(text)
        done = magpkg.run("lock", "--check", env={"MAGPKG_DEBIAN_MIRROR": "file:/nowhere"})
        assert (done.status, "Traceback" in done.stderr) == (1, False)
    assert sorted(os.listdir(magpkg.directory)) == sorted(
        name for name in os.listdir(magpkg.directory) if not name.startswith(".debian")
    )
    assert Path(magpkg.directory, "debian.lock.json").read_text() == "no json"


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        ("[tol]", ("there is no package tol", "did you mean tool?")),
        ('[""]', ("venv.packages[0]: must not be empty",)),
        ("[1]", ("venv.packages[0]: must be",)),
        ("tool", ("venv.packages: must be",)),
    ],
)
def test_odd_names_in_a_manifest(repository: Repository, packages: str, words: tuple[str, ...]) -> None:
    repository.add("tool")
    repository.write()
    Path(repository.magpkg.directory, "magpkg.yaml").write_text(f"packages: {packages}\n")
    done = repository.lock()
    assert done.status == 1
    assert [word for word in words if word not in done.stderr] == []


def test_a_link_to_a_lock_stays_one_and_what_cannot_be_written_leaves_the_old(repository: Repository) -> None:
    repository.add("tool", "2")
    repository.write()
    directory = Path(repository.magpkg.directory)
    (directory / "real").mkdir()
    (directory / "link.json").symlink_to("real/lock.json")
    repository.lock("-o", "link.json", "tool").checked()
    assert (directory / "link.json").is_symlink()
    assert "tool" in (directory / "real/lock.json").read_text()
    (directory / "file").write_text("old")
    done = repository.lock("-o", "file/x.json", "tool")
    assert (done.status, "cannot be" in done.stderr) == (1, True)
    assert (directory / "file").read_text() == "old"


def test_cleanup_of_downloads_removes_the_indices(repository: Repository) -> None:
    repository.add("tool")
    repository.write()
    locked(repository, "tool")
    kept = f"{repository.magpkg.store}/suites"
    assert os.listdir(kept) != []
    repository.magpkg.run("cleanup", "--fetched", "--max-age-days", "0").checked()
    assert os.listdir(kept) == []
    assert locked(repository, "tool") == {"tool": "1"}
