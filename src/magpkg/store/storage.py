"""Storage: whether the place of the store can hold one, found out by doing there what a store does."""

import fcntl
import os
import secrets
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress

from magpkg.errors import MagpkgError
from magpkg.store.finding import Finding, failed
from magpkg.store.store import Store

_OTHER_PLACE = "set MAGPKG_STORE to a directory on another file system"
_LITTLE = 1 << 30  # bytes; a venv of the base and a compiler takes about as much with its downloads


def ownership(store: Store, environment: Mapping[str, str], *, entering: bool = False) -> Iterator[Finding]:
    """Whether there is a place for the store, and it is the user's alone if it is there, and one of this magpkg's.

    For `entering` what is there root's store will do: who is root decides what runs anyway.
    """
    home = environment.get("HOME", "")
    if not environment.get("MAGPKG_STORE") and not os.path.isdir(home):
        fix = "set HOME to a directory that is there, or MAGPKG_STORE to one for the store"
        yield Finding("home", False, f"HOME, {home}, is no directory, so there is no place for the store", fix)
        return
    status = _status(store.root)
    if status is not None and status.st_mode & 0o022:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        message = f"the store {store.root} can be written to by others than you: its mode is {mode}"
        fix = f"chmod go-w {shlex.quote(store.root)}, if you trust what they have written so far"
        yield Finding("store", False, message, fix)
        return
    if entering and status is not None and status.st_uid == 0 != os.geteuid():
        yield Finding("store", True, f"the store {store.root} is root's")
        return
    if status is not None and status.st_uid != os.geteuid() and _new_owner(store.root) != status.st_uid:
        message = f"the store {store.root} belongs to user {status.st_uid}, and you are user {os.geteuid()}"
        yield Finding("store", False, message, "set MAGPKG_STORE to a directory of your own")
        return
    try:
        store.check_format()
    except MagpkgError as error:
        yield failed("store", error)
        return
    state = "is still to be made" if status is None else "is yours alone"
    yield Finding("store", True, f"the store {store.root} {state}")


def writing(store: Store) -> Finding:
    """Whether the store can be made, if it is not there, and work can be done in it."""
    try:
        store.prepare()
        with store.workspace("probe"):
            return Finding("writing", True, "the store can be written to")
    except MagpkgError as error:
        return failed("writing", error)


def file_system(store: Store) -> Iterator[Finding]:
    """What the store's file system can do, and how much room it has; the store must be there."""
    with store.workspace("probe") as work:
        for name, probe in (
            ("modes", _modes),
            ("locks", _locks),
            ("publishing", _publishing),
            ("symlinks", _symlinks),
            ("hard links", _hard_links),
            ("programs", _programs),
        ):
            try:
                yield probe(store, work)
            except (OSError, MagpkgError) as error:
                message = f"the file system of {store.root} fails at {name}: {error}"
                yield Finding(name, False, message, _OTHER_PLACE)
    free = shutil.disk_usage(store.root).free
    message = f"{free / (1 << 30):.1f} GiB are free for the store"
    yield Finding("room", True, message, "magpkg cleanup --all makes room" if free < _LITTLE else None)


def scratch(directory: str = "/tmp") -> Finding:  # noqa: S108 - the mount that the manual promises
    """Whether the host's /tmp, which venvs show, takes files; where there is none, a venv has one of its own."""
    if not os.path.isdir(directory):
        return Finding("tmp", True, f"there is no {directory}, so a venv has one of its own")
    try:
        path = f"{directory}/.magpkg.{secrets.token_hex(8)}"
        _write(path, "")
        os.unlink(path)
    except OSError as error:
        fix = "mend it, as root: chmod 1777 /tmp; or give the manifest's mounts { type: 'tmpfs', target: '/tmp' }"
        return Finding("tmp", False, f"{directory}, which venvs show, cannot be written to: {error.strerror}", fix)
    return Finding("tmp", True, f"{directory}, which venvs show, can be written to")


def semaphores() -> Finding:
    """Whether processes can share a semaphore, a file in /dev/shm, as those that make packages at once do."""
    import multiprocessing

    try:
        multiprocessing.get_context("fork").Lock()
    except (OSError, ImportError) as error:
        fix = "mount a tmpfs on /dev/shm, with mode 1777"
        return Finding("semaphores", False, f"no semaphore can be made in /dev/shm: {error}", fix)
    return Finding("semaphores", True, "processes can share semaphores")


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _new_owner(directory: str) -> int | None:
    """Who a new file there belongs to: on some network file systems not the one who made it."""
    path = f"{directory}/.probe.{secrets.token_hex(8)}"
    with suppress(OSError):
        os.mkdir(path, 0o700)
        try:
            return os.stat(path).st_uid
        finally:
            os.rmdir(path)
    return None


def _modes(store: Store, work: str) -> Finding:
    for mode in (0o600, 0o755, 0o444):
        _write(f"{work}/mode", "", mode)
        kept = stat.S_IMODE(os.stat(f"{work}/mode").st_mode)
        os.unlink(f"{work}/mode")
        if kept != mode:
            message = f"the file system of {store.root} does not keep modes: {mode:04o} became {kept:04o}"
            return Finding("modes", False, message, _OTHER_PLACE)
    return Finding("modes", True, "modes of files are kept")


def _locks(store: Store, work: str) -> Finding:
    _write(f"{work}/lock", "")
    first, second = (os.open(f"{work}/lock", os.O_RDWR | os.O_CLOEXEC) for _ in range(2))
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Finding("locks", True, "files can be locked")
        message = f"the file system of {store.root} gives one lock to two holders"
        return Finding("locks", False, message, _OTHER_PLACE)
    finally:
        os.close(first)
        os.close(second)


def _publishing(store: Store, work: str) -> Finding:
    os.mkdir(f"{work}/made")
    store.publish(f"{work}/made", f"{work}/published")
    os.rmdir(f"{work}/published")
    return Finding("publishing", True, "finished work can be flushed and renamed")


def _symlinks(store: Store, work: str) -> Finding:
    os.symlink("to nowhere", f"{work}/symlink")
    return Finding("symlinks", True, "symlinks can be made")


def _hard_links(store: Store, work: str) -> Finding:
    _write(f"{work}/one", "")
    try:
        os.link(f"{work}/one", f"{work}/two", follow_symlinks=False)  # as tree has it
    except OSError as error:
        message = f"no hard links ({error.strerror}), so venvs get copies or reflinks of the packages' files"
        return Finding("hard links", True, message)
    return Finding("hard links", True, "venvs can share the packages' files")


def _programs(store: Store, work: str) -> Finding:
    # With a path for its interpreter that every host has; no process has the file open for writing any more.
    _write(f"{work}/program", "#!/bin/sh\nexit 0\n", 0o700)
    try:
        subprocess.run([f"{work}/program"], check=True, env={})  # noqa: S603 - it was just written
    except PermissionError:
        message = f"no program can be started from {store.root}: its file system is mounted noexec"
        return Finding("programs", False, message, "mount it without noexec, or " + _OTHER_PLACE)
    return Finding("programs", True, "programs can be started from the store")


def _write(path: str, text: str, mode: int = 0o600) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(descriptor, mode)
