"""The store: names, locks, last-use stamps, work in progress and publishing.

A published path is never written to again. Its lock file, `<path>.lock`, lies beside it; the lock file's modification
time is the last use. Work happens below `tmp/` and becomes visible by one rename. The file `format` says that the store
is one of this program's: `~/.magpkg` is a name that others may use as well.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from magpkg.errors import MagpkgError, storage_hint
from magpkg.launch.lock import try_lock
from magpkg.store import record
from magpkg.store.workspace import beside, working

BESIDE = (".log", ".digest", ".lock")
"""The endings of files that lie beside a published path and go with it: build log, listing, lock and stamp.

In the order in which they go: without the stamp nobody would know how old the others are.
"""


_FORMAT = "magpkg store 1\n"
# What every store had before there was a mark. Another program's may have some of these names, hardly all.
_BEFORE_MARKS = frozenset(("fetch", "partial", "pkgs", "venv", "suites", "origins", "shown", "tmp"))
# What people carry to another machine by itself, and a CI service keeps: downloads, each named by its SHA-256.
_CARRIED = frozenset(("fetch",))


@contextmanager
def usual_modes() -> Iterator[None]:
    """Let what is made meanwhile be writable for its owner alone and readable as it says, whatever the umask."""
    mask = os.umask(0o022)
    try:
        yield
    finally:
        os.umask(mask)


class Store:
    """Paths and locks below one root directory; making one touches nothing on disk."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.format_file = f"{root}/format"
        self.granted_file = f"{root}/granted"
        self.fetch_directory = f"{root}/fetch"
        self.packages_directory = f"{root}/pkgs"
        self.venv_directory = f"{root}/venv"
        self.partial_directory = f"{root}/partial"
        self.suite_directory = f"{root}/suites"
        self.seen_directory = f"{root}/seen"
        self.origins_directory = f"{root}/origins"
        self.shown_directory = f"{root}/shown"
        self.sets_directory = f"{root}/sets"
        self.damaged_directory = f"{root}/damaged"
        self.shims_directory = f"{root}/shims"
        self.tmp_directory = f"{root}/tmp"  # noqa: S108 - below the store, not the system's

    def fetched(self, sha256: str) -> str:
        """Where the verified download with this SHA-256 is or will be."""
        return f"{self.fetch_directory}/{sha256}"

    def partial(self, sha256: str) -> str:
        """Where the download that is to have this SHA-256 arrives."""
        return f"{self._beside(self.partial_directory, self.fetch_directory)}/{sha256}"

    def damaged(self, near: str) -> str:
        """Where what is damaged in the directory `near` is moved."""
        os.makedirs(self.damaged_directory, 0o700, exist_ok=True)
        return self._beside(self.damaged_directory, near)

    def package(self, tree_name: str) -> str:
        """Where the package tree named `<name>-<hash>` is or will be."""
        return f"{self.packages_directory}/{tree_name}"

    def listing(self, tree_name: str) -> str:
        """Where the listing of what a package tree held when it was published is or will be."""
        return f"{self.package(tree_name)}.digest"

    def venv(self, venv_hash: str) -> str:
        """Where the venv with this hash is or will be; its root is in `rootfs` below."""
        return f"{self.venv_directory}/{venv_hash}"

    def members(self, venv_hash: str) -> list[str]:
        """The names of the package trees that a venv was made of; none where it is gone."""
        return record.text(f"{self.venv(venv_hash)}/packages").split()

    def names(self, directory: str) -> list[str]:
        """The names published in a directory of the store, sorted; one of which only a file beside is left, too."""
        try:
            listed = os.listdir(directory)
        except FileNotFoundError:
            return []
        endings = {
            name: next((ending for ending in BESIDE if name.endswith(ending)), "")
            for name in listed
            if not name.startswith(".")
        }
        return sorted({name.removesuffix(ending) for name, ending in endings.items()})

    def origins(self, venv_hash: str) -> list[str]:
        """Where the manifests lie that led to a venv, as far as is known; the last one last."""
        return [line for line in record.text(f"{self.origins_directory}/{venv_hash}").split("\n") if line]

    def note_origin(self, venv_hash: str, origin: str) -> None:
        """Note that the manifest at `origin` led to a venv: for people, so a store that cannot take it does without.

        Nor is one noted whose name is more than a line.
        """
        with suppress(OSError), usual_modes():
            if "\n" not in origin and origin not in self.origins(venv_hash):
                record.add_line(f"{self.origins_directory}/{venv_hash}", origin)

    @property
    def takes(self) -> bool:
        """Whether this user can make anything in the store; if it is not there it can still be made."""
        return not os.path.lexists(self.root) or os.access(self.root, os.W_OK | os.X_OK)

    def keep_text(self, name: str, text: str) -> str:
        """Keep a small file for sandboxes to show; returns its path.

        Each text has a file of its own, and that is not replaced as long as it is right: bwrap, which opens it a little
        later than it looks for it, fails where it was replaced in between.
        """
        content = text.encode("utf-8", "surrogateescape")
        path = f"{self.shown_directory}/{name}-{hashlib.sha256(content).hexdigest()[:16]}"
        with suppress(FileNotFoundError), open(path, "rb") as file:
            if file.read() == content:
                return path
            os.unlink(path)
        self.prepare()
        with self.workspace("shown", self.shown_directory) as work:
            with open(f"{work}/{name}", "wb") as made:
                made.write(content)
            try:
                self._flush(work)
                os.link(f"{work}/{name}", path)  # which, unlike a rename, replaces nothing
            except FileExistsError:
                pass  # another launch was first
            except OSError:
                self.publish(f"{work}/{name}", path)
        return path

    def check_format(self) -> None:
        """Raise MagpkgError for a store that another program made, or another version of this one.

        Nothing in it is known, so nothing is made, removed or called damaged there.
        """
        hint = "set MAGPKG_STORE to another directory"
        try:
            names = set(os.listdir(self.root))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise MagpkgError(f"the store {self.root} cannot be read: {error.strerror}", hint) from error
        if os.path.basename(self.format_file) in names:
            if record.text(self.format_file) != _FORMAT:
                raise MagpkgError(f"the store {self.root} has a format that this version of magpkg does not know", hint)
        elif names & _BEFORE_MARKS - _CARRIED and not names >= _BEFORE_MARKS:
            raise MagpkgError(f"{self.root} is not a store of this magpkg: another program has filled it", hint)

    def prepare(self) -> None:
        """Make the store's directories, for their owner alone."""
        self.check_format()
        try:
            os.makedirs(self.root, 0o700, exist_ok=True)
            with usual_modes():
                if not os.path.isfile(self.format_file):
                    record.write(self.format_file, _FORMAT)  # first, so that a part of a store is known as one, too
                for path in (
                    self.fetch_directory,
                    self.partial_directory,
                    self.packages_directory,
                    self.venv_directory,
                    self.suite_directory,
                    self.origins_directory,
                    self.sets_directory,
                    self.shown_directory,
                    self.tmp_directory,
                ):
                    _make_directory(path)
        except OSError as error:
            hint = "set MAGPKG_STORE to a directory that you can write to"
            raise MagpkgError(f"the store {self.root} cannot be made: {error.strerror}", hint) from error

    @contextmanager
    def exclusive(self, path: str) -> Iterator[None]:
        """Hold the exclusive lock of `path` while it is made; waits for whoever holds it."""
        from filelock import FileLock

        lock = FileLock(f"{path}.lock", thread_local=False)
        with usual_modes():
            lock.acquire(poll_interval=0.02)
        try:
            with usual_modes():
                yield
        finally:
            lock.release()

    @contextmanager
    def try_exclusive(self, path: str) -> Iterator[bool]:
        """Hold the exclusive lock of `path` if nobody holds it now, and say whether it was had; never waits.

        The lock is FileLock's, but taken by hand: cleanup asks for thousands, and each FileLock costs as much time as
        the removal of a small venv.
        """
        with usual_modes():
            descriptor = os.open(f"{path}.lock", os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            yield try_lock(descriptor) and os.fstat(descriptor).st_nlink > 0
        finally:
            os.close(descriptor)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep package trees and downloads from cleanup while they are made, merged or built with."""
        self.prepare()
        with usual_modes():
            descriptor = os.open(f"{self.packages_directory}.lock", os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            with usual_modes():
                yield
        finally:
            os.close(descriptor)

    @contextmanager
    def workspace(self, kind: str, near: str = "") -> Iterator[str]:
        """A new directory that is removed in the end; its lock tells cleanup that it is in use.

        What is made in it can be renamed into the directory `near` of the store.
        """

        def directory() -> str:
            if not os.path.isdir(self.tmp_directory):
                self.prepare()
            return self._beside(self.tmp_directory, near) if near else self.tmp_directory

        with usual_modes(), working(directory, kind) as path:
            yield path

    def _beside(self, directory: str, near: str) -> str:
        found = beside(directory, near)
        os.makedirs(found, 0o700, exist_ok=True)
        return found

    def hidden(self, directory: str) -> list[str]:
        """A directory of the store, and those that stand for it in parts of the store that lie on another disk."""
        parts = (
            self.fetch_directory,
            self.packages_directory,
            self.venv_directory,
            self.suite_directory,
            self.shown_directory,
        )
        hidden = (f"{part}/.{os.path.basename(directory)}" for part in parts)
        return [directory, *(path for path in hidden if os.path.isdir(path))]

    def publish(self, work: str, path: str, listing: str | None = None) -> None:
        """Make finished work visible at `path` by one rename; `path` must not exist.

        What is visible is on disk, so that a power cut leaves it whole or leaves nothing. A file `listing` goes to
        `<path>.digest` before it: alone there, after a kill, it does no harm; a tree without one cannot be checked.
        """
        try:
            if listing is not None:
                os.rename(listing, f"{path}.digest")
            self._flush(os.path.dirname(work))
            os.rename(work, path)
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be published: {error.strerror}", storage_hint(error)) from error

    def _flush(self, directory: str) -> None:
        """Have all that was written to a directory's file system reach the disk, syncfs(2).

        One call for a whole tree: fsync(2) would be one for each file, and each a commit of the journal.
        """
        import ctypes

        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)

    def stamp(self, path: str) -> None:
        """Note that a published path is used now."""
        with suppress(FileNotFoundError):
            os.utime(f"{path}.lock")

    def last_use(self, path: str) -> float:
        """When a published path was last used, in seconds since the epoch."""
        for candidate in (f"{path}.lock", path, *(f"{path}{ending}" for ending in BESIDE)):
            with suppress(FileNotFoundError):
                return os.stat(candidate, follow_symlinks=False).st_mtime
        return time.time()


def _make_directory(path: str) -> None:
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        status = os.stat(path)
        if status.st_mode & 0o022 and status.st_uid == os.geteuid():  # of a version that heeded the umask
            os.chmod(path, status.st_mode & 0o755)
