"""Sources of an evaluation: the files that it reads, each noted, so that a cached plan knows whether it still holds."""

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress

from magpkg.errors import MagpkgError
from magpkg.launch.plan import identity
from magpkg.manifest.owners import Owners, process_owners

MANIFEST_NAMES = ("magpkg.jsonnet", "magpkg.json", "magpkg.yaml", "magpkg.yml")

BYTES_MAX = 64 << 20
"""The size of a manifest, an import or a lock, from which on it is an error; a thousand times that of large ones."""


class Sources:
    """The files that an evaluation read, and those that it looked for in vain.

    `read_files` has the identity of each file that was read; `absent` the paths where a file, were there one, would
    have been read instead. `owners` are those whose files are believed without having been named. What lies below
    `named`, directories that the user or magpkg itself names, needs no owner.
    """

    def __init__(self, named: Sequence[str] = ()) -> None:
        self.read_files: dict[str, str] = {}
        self.absent: list[str] = []
        self.owners: Owners = process_owners()
        self._named = tuple(f"{os.path.abspath(directory)}/" for directory in named)
        self._project: str | None = None

    def guard(self, manifest: str) -> None:
        """From now on believe only files of `owners`: `manifest`, in whose project they are, was found, not named."""
        self._project = os.path.dirname(os.path.abspath(manifest))
        self.vouch(manifest)

    def vouch(self, path: str) -> None:
        """Raise MagpkgError for a file that nobody has named, unless it is one of those that `owners` vouch for."""
        if not os.path.abspath(path).startswith(self._named):
            self.owners.check(path, self._project or os.path.dirname(os.path.abspath(path)), self._consulted)

    def find(self, candidates: Iterable[str]) -> str | None:
        """The first of the candidates that is there and no directory."""
        for path in candidates:
            try:
                if not stat.S_ISDIR(os.stat(path).st_mode):
                    return path
            except (OSError, ValueError):
                self.absent.append(os.path.abspath(path))
        return None

    def note(self, path: str) -> None:
        """Take down the file or directory at `path` as it is now: a change that comes later then shows."""
        self.read_files.setdefault(os.path.abspath(path), identity(path))

    def read(self, path: str) -> bytes:
        """What the file at `path` holds; MagpkgError where it cannot be read, or must not, see `guard`."""
        if self._project is not None:
            self.vouch(path)
        try:
            self.note(path)
            return read_file(path)
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error

    def read_text(self, path: str) -> str:
        """As `read`, of a file of UTF-8 text."""
        return as_text(path, self.read(path))

    def _consulted(self, path: str) -> None:
        with suppress(OSError):
            self.note(path)
            return
        self.absent.append(path)


def read_file(path: str) -> bytes:
    """What the file at `path` holds; MagpkgError for a pipe, which may never end, or what is too large.

    Raises OSError where it cannot be read.
    """
    # Not to wait for who writes into a pipe, fifo(7).
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(21, "Is a directory", path)
        if not stat.S_ISREG(status.st_mode):
            raise MagpkgError(f"{path}: is no file, but a pipe, a socket or a device")
        content = file.read(BYTES_MAX + 1) if status.st_size <= BYTES_MAX else None
    if content is None or len(content) > BYTES_MAX:
        raise MagpkgError(f"{path}: is larger than {BYTES_MAX} bytes, which no manifest and no lock is")
    return content


def as_text(path: str, content: bytes) -> str:
    """The content of the file at `path` as text; MagpkgError where it is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MagpkgError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def find_manifest(directory: str, sources: Sources) -> str:
    """The nearest manifest file in `directory` or above it; MagpkgError where there is none, or it is a stranger's."""
    found = nearest_manifest(directory, sources)
    if found is None:
        hint = "write one with magpkg init, or name a manifest with -f FILE or -e EXPRESSION"
        raise MagpkgError(f"no {MANIFEST_NAMES[0]} in {directory} or above it", hint)
    return found


def nearest_manifest(directory: str, sources: Sources) -> str | None:
    """The nearest manifest file in `directory` or above it, None where there is none; MagpkgError for a stranger's.

    From then on `sources` believes no stranger's files: see Sources.guard.
    """
    folders = [os.path.abspath(directory)]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    found = sources.find(os.path.join(folder, name) for folder in folders for name in MANIFEST_NAMES)
    if found is not None:
        sources.guard(found)
    return found


def check_place(directory: str) -> None:
    """Raise MagpkgError for a directory where a manifest, were there one, would be refused as a stranger's."""
    process_owners().check_directory(directory)
