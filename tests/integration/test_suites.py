"""What a mirror can try with suites: go back, go ahead, speak around the signed text, give rubbish; what is kept."""

import json
import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.process import Outcome
from tests.support.repository import Repository, served
from tests.support.servers import answered, misbehaving

INRELEASE = "dists/bookworm/InRelease"
OLD, NEW, NEWER = (f"Date: {day} Jul 2026 10:16:37 UTC" for day in ("Wed, 01", "Sat, 11", "Sun, 19"))
AHEAD = "Date: Mon, 20 Jul 2099 10:16:37 UTC"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(str(tmp_path))
    made.add_base()
    made.add("tool", "2")
    made.write()
    return made


def dated(repository: Repository, date: str) -> None:
    """Sign the suite with another date."""
    text = repository.get(INRELEASE)
    found = re.search(rb"Date: .*", text)
    assert found is not None
    repository.sign_again("bookworm", found[0], date.encode())


def refuses(outcome: Outcome, *words: str) -> bool:
    return outcome.status == 1 and "Traceback" not in outcome.stderr and all(word in outcome.stderr for word in words)


def kept(repository: Repository, pattern: str) -> list[Path]:
    return sorted(Path(repository.magpkg.store, "suites").glob(pattern))


COMMANDS: Sequence[Sequence[str]] = (
    ("lock",),
    ("lock", "--upgrade"),
    ("lock", "--upgrade", "tool"),
    ("add", "other"),
    ("search", "tool"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("memory", ["lock", "store"])
def test_a_mirror_cannot_go_back(repository: Repository, tmp_path: Path, command: Sequence[str], memory: str) -> None:
    repository.add("other")
    repository.write()
    manifest = tmp_path / "magpkg.yaml"
    manifest.write_text("packages: [tool]\n")
    repository.lock().checked()
    dated(repository, OLD)
    if memory == "lock":
        os.rename(repository.magpkg.store, f"{repository.magpkg.store}-elsewhere")
    else:
        (tmp_path / "debian.lock.json").unlink()
        for path in kept(repository, "*"):  # as cleanup does; what was seen is not forgotten by that
            path.unlink()
    if command[:2] == ("lock", "--upgrade") and memory == "store":
        repository.lock("--allow-older", "-q").checked()
    lock = tmp_path / "debian.lock.json"
    before = (manifest.read_bytes(), lock.read_bytes() if lock.exists() else None)
    arguments = (command[0], "--keyring", repository.key.path, *command[1:])
    refused = repository.magpkg.run(*arguments)
    if command[0] == "search" and memory == "lock":
        assert refuses(refused, "older than that of the lock", "--allow-older")
    assert refuses(refused, "is of 2026-07-01 10:16 UTC, older than that", "2026-07-11 10:16 UTC", "--allow-older")
    assert refuses(repository.magpkg.run(*arguments, "--allow-expired"), "older than that")
    assert (manifest.read_bytes(), lock.read_bytes() if lock.exists() else None) == before
    repository.magpkg.run(*arguments, "--allow-older").checked()


def test_init_does_not_go_back_either(repository: Repository, tmp_path: Path) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    dated(repository, OLD)
    arguments = ("init", "--keyring", repository.key.path, "tool")
    assert refuses(repository.magpkg.run(*arguments), "older than that seen before", "--allow-older")
    assert not (tmp_path / "debian.lock.json").exists()
    repository.magpkg.run(*arguments, "--allow-older").checked()


def test_what_is_allowed_once_is_not_allowed_for_good(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    dated(repository, OLD)
    repository.lock("tool", "-o", "y.json", "--allow-older").checked()
    assert json.loads(Path(repository.magpkg.directory, "y.json").read_text())["suites"][0]["date"] in OLD
    assert refuses(repository.lock("tool", "-o", "z.json"), "older than that seen before")
    dated(repository, NEWER)
    repository.lock("tool", "-o", "y.json").checked()
    dated(repository, NEW)
    assert refuses(repository.lock("tool", "-o", "z.json"), "2026-07-19")


def test_the_code_name_is_remembered_for_a_suite_that_has_another_name(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    dated(repository, OLD)
    repository.put("dists/oldstable/InRelease", repository.get(INRELEASE))
    index = repository.index_path()
    repository.put(index.replace("bookworm", "oldstable"), repository.get(index))
    assert refuses(repository.lock("--suite", "oldstable", "tool", "-o", "y.json"), "older than that seen before")


def test_another_archive_with_a_suite_of_the_same_name_has_dates_of_its_own(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    dated(repository, f"{OLD}\nOrigin: A Company")
    repository.lock("tool", "-o", "y.json").checked()


def test_offline_what_is_kept_may_not_be_older_than_the_lock(repository: Repository, tmp_path: Path) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    text = (tmp_path / "x.json").read_text()
    assert "11 Jul 2026" in text
    (tmp_path / "x.json").write_text(text.replace("11 Jul 2026", "12 Jul 2026"))
    assert refuses(repository.lock("tool", "-o", "x.json", "--offline"), "older than that of the lock")
    repository.lock("tool", "-o", "x.json", "--offline", "--allow-older").checked()


@pytest.mark.parametrize("date", ["soon", "Fri, 99 Foo 2026 99:99:99 UTC", "Sat, 11 Jul 99999999999 10:16:37 +9999"])
def test_a_lock_with_a_date_that_is_none_says_nothing(repository: Repository, tmp_path: Path, date: str) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    text = (tmp_path / "x.json").read_text()
    (tmp_path / "x.json").write_text(text.replace("Sat, 11 Jul 2026 10:16:37 UTC", date))
    repository.lock("tool", "-o", "x.json").checked()


@pytest.mark.parametrize("flag", ["", "--allow-older", "--allow-expired", "--no-verify"])
def test_a_date_in_the_future_is_an_error(repository: Repository, flag: str) -> None:
    dated(repository, AHEAD)
    words = [flag] if flag else []
    words += [] if flag == "--no-verify" else ["--keyring", repository.key.path]
    outcome = repository.magpkg.run("lock", "tool", *words)
    assert refuses(outcome, "2099-07-20 10:16 UTC, which is in the future", "clock")
    assert kept(repository, "*") == []
    assert not Path(repository.magpkg.store, "seen").exists()


FALSE = b"-----BEGIN PGP SIGNED MESSAGE-----\n\n%b\n\n"


def test_what_stands_around_the_signed_text_is_an_error_and_never_read(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    signed = repository.get(INRELEASE)
    false = signed.partition(b"\n\n")[2].partition(b"-----BEGIN")[0].replace(b"Components: main", b"Components: evil")
    for prefix in (b"x" + FALSE % false, FALSE % false, b"Suite: evil\n\n"):
        repository.put(INRELEASE, prefix + signed)
        assert refuses(repository.lock("tool", "-o", "x.json"), "InRelease")
    repository.put(INRELEASE, signed + b"\nComponents: evil\n")
    assert refuses(repository.lock("tool", "-o", "x.json"), "is not one signed message alone")
    (text,) = kept(repository, "*.Release")
    assert b"PGP" not in text.read_bytes()
    assert b"evil" not in text.read_bytes()
    assert "tool" in repository.magpkg.run("search", "tool").checked().stdout


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_of_no_verify_is_kept(repository: Repository, tmp_path: Path, fails: bool) -> None:
    repository.add("false-friend")
    repository.write(keys=[])
    outcome = repository.magpkg.run("lock", "--no-verify", "no-such" if fails else "false-friend", "-o", "x.json")
    assert outcome.status == (1 if fails else 0), outcome.stderr
    assert kept(repository, "*.Release") == kept(repository, "*.InRelease") == []
    searched = repository.magpkg.run("search", "--keyring", repository.key.path, "false-friend")
    assert refuses(searched, "is not signed")
    assert "false-friend" not in searched.stdout
    assert refuses(repository.lock("--offline", "tool", "-o", "y.json"), "the store has no InRelease of suite bookworm")
    (tmp_path / "magpkg.yaml").write_text("packages: [false-friend]\n")
    (tmp_path / "x.json").rename(tmp_path / "debian.lock.json") if not fails else None
    assert repository.magpkg.run("lock", "--check").status == (1 if fails else 0)


def test_what_was_verified_is_not_replaced_by_what_was_not(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    repository.add("false-friend")
    repository.write(keys=[])
    repository.magpkg.run("lock", "--no-verify", "false-friend", "-o", "y.json").checked()
    assert repository.magpkg.run("search", "false-friend").status == 1
    assert "tool" in repository.magpkg.run("search", "tool").checked().stdout


def test_messages_that_an_earlier_magpkg_kept_are_not_read(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    (text,) = kept(repository, "*.Release")
    text.rename(text.with_suffix(".InRelease"))
    assert refuses(repository.lock("--offline", "tool", "-o", "x.json"), "the store has no InRelease")


@pytest.mark.parametrize("listed", [True, False])
def test_a_kept_index_is_hashed_when_it_is_used(repository: Repository, tmp_path: Path, listed: bool) -> None:
    repository.ending = ".xz"
    repository.write()
    if not listed:
        text = repository.get(INRELEASE)
        line = next(line for line in text.splitlines() if line.endswith(b"/Packages"))
        repository.sign_again("bookworm", line + b"\n", b"")
    repository.lock("tool", "-o", "x.json").checked()
    (index,) = kept(repository, "*.Packages")
    right = index.read_bytes()
    false = re.sub(rb"(Package: tool\n(?:.+\n)*SHA256: )[0-9a-f]{64}", rb"\g<1>" + b"0" * 64, right)
    assert false != right
    index.write_bytes(false)
    repository.lock("tool", "-o", "y.json").checked()
    assert (tmp_path / "y.json").read_bytes() == (tmp_path / "x.json").read_bytes()
    assert index.read_bytes() == right, "it was fetched again"
    index.write_bytes(false)
    assert refuses(repository.lock("--offline", "tool", "-o", "y.json"), "offline: the store lacks")
    with served(repository.root):
        assert repository.magpkg.run("search", "--offline", "tool").status == 1


def test_a_damaged_text_is_not_read(repository: Repository) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    (text,) = kept(repository, "*.Release")
    text.write_bytes(text.read_bytes().replace(b"Components: main", b"Components: evil"))
    assert refuses(repository.lock("--offline", "tool", "-o", "y.json"), "the store has no InRelease")
    repository.lock("tool", "-o", "y.json").checked()


@pytest.mark.parametrize("rubbish", [b"<html>please log in</html>", b"", b"\x00" * 100_000])
def test_a_mirror_that_gives_rubbish_is_passed_over_with_a_word(repository: Repository, rubbish: bytes) -> None:
    def answer(connection: socket.socket, _: int) -> None:
        connection.sendall(answered(rubbish))

    with misbehaving(answer) as (wrong, _), served(repository.root) as (right, _):
        outcome = repository.lock("tool", MAGPKG_DEBIAN_MIRROR=f"{wrong} {right}").checked()
        assert f"magpkg: passed over: {wrong}/dists/bookworm/InRelease: is not signed" in outcome.stderr
        alone = repository.lock("tool", "-o", "y.json", MAGPKG_DEBIAN_MIRROR=wrong)
        assert refuses(alone, "is not signed", "--no-verify")


def test_a_mirror_that_is_behind_is_passed_over_with_a_word(repository: Repository, tmp_path: Path) -> None:
    repository.lock("tool", "-o", "x.json").checked()
    (tmp_path / "behind").mkdir()
    os.system(f"cp -r {repository.root} {tmp_path}/behind")  # noqa: S605
    dated(repository, NEWER)
    repository.lock("tool", "-o", "x.json").checked()
    with served(f"{tmp_path}/behind/mirror") as (behind, _), served(repository.root) as (right, _):
        outcome = repository.lock("tool", "-o", "x.json", MAGPKG_DEBIAN_MIRROR=f"{behind} {right}").checked()
    assert "passed over: " in outcome.stderr
    assert "older than that of the lock" in outcome.stderr


def test_a_large_inrelease_is_not_received(repository: Repository) -> None:
    repository.put(INRELEASE, bytes(17 << 20))
    assert refuses(repository.lock("tool"), f"is larger than the {16 << 20} bytes")


def test_without_a_network_one_line_says_so_and_offline_is_named_where_it_would_do(repository: Repository) -> None:
    nowhere = "http://user:geheim@nowhere.invalid/debian http://nowhere.invalid/debian-security"
    outcome = repository.lock("tool", "-o", "x.json", MAGPKG_DEBIAN_MIRROR=nowhere)
    assert outcome.stderr == "magpkg: error: suite bookworm: cannot reach the mirror (name resolution failed)\n"
    repository.lock("tool", "-o", "x.json").checked()
    outcome = repository.lock("tool", "-o", "x.json", MAGPKG_DEBIAN_MIRROR=nowhere)
    assert outcome.stderr.splitlines() == [
        "magpkg: error: suite bookworm: cannot reach the mirror (name resolution failed)",
        "magpkg: hint: with --offline what the store has of the suites is used",
    ]
    repository.lock("tool", "-o", "x.json", "--offline", MAGPKG_DEBIAN_MIRROR=nowhere).checked()
    debug = repository.lock("tool", "-o", "x.json", "--debug", MAGPKG_DEBIAN_MIRROR=nowhere)
    assert "http://nowhere.invalid/debian-security/dists/bookworm/InRelease: name resolution failed" in debug.stderr
    assert "geheim" not in debug.stderr + outcome.stderr


def test_what_runs_at_once_unverified_does_not_run_verified(repository: Repository) -> None:
    repository.add("false-friend")
    repository.write(keys=[])
    words = ("-p", "false-friend", "--", "true")
    repository.magpkg.run("run", "--no-verify", *words)
    assert list(Path(repository.magpkg.store, "sets").glob("*/debian.lock.json"))
    verified = repository.magpkg.run("run", "--keyring", repository.key.path, *words)
    assert (verified.status, "is not signed" in verified.stderr) == (125, True)


def test_a_package_is_received_as_far_as_the_size_in_the_lock(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "magpkg.yaml").write_text("packages: [tool]\n")
    repository.lock().checked()
    path = "pool/main/tool_2_amd64.deb"
    size = len(repository.get(path))
    repository.put(path, repository.get(path) + bytes(1 << 20))
    refused = repository.magpkg.run("fetch")
    assert refuses(refused, f"tool_2_amd64.deb: is larger than the {size} bytes it should have at most")
