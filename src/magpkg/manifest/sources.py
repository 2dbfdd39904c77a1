"""Sources of an evaluation: the files that it reads, each noted, so that a cached plan knows whether it still holds."""

import os
from collections.abc import Iterable

from magpkg.errors import MagpkgError
from magpkg.launch.plan import identity

MANIFEST_NAMES = ("magpkg.jsonnet", "magpkg.json", "magpkg.yaml", "magpkg.yml")


class Sources:
    """The files that an evaluation read, and those that it looked for in vain.

    `read_files` has the identity of each file that was read; `absent` the paths where a file, were there one, would
    have been read instead.
    """

    def __init__(self) -> None:
        self.read_files: dict[str, str] = {}
        self.absent: list[str] = []

    def find(self, candidates: Iterable[str]) -> str | None:
        """The first of the candidates that is a file."""
        for path in candidates:
            if os.path.isfile(path):
                return path
            if not os.path.exists(path):
                self.absent.append(os.path.abspath(path))
        return None

    def note(self, path: str) -> None:
        """Take down the file or directory at `path` as it is now: a change that comes later then shows."""
        self.read_files.setdefault(os.path.abspath(path), identity(path))

    def read(self, path: str) -> bytes:
        """What the file at `path` holds; MagpkgError where it cannot be read."""
        try:
            self.note(path)
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error

    def read_text(self, path: str) -> str:
        """As `read`, of a file of UTF-8 text."""
        try:
            return self.read(path).decode("utf-8")
        except UnicodeDecodeError as error:
            raise MagpkgError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def find_manifest(directory: str, sources: Sources) -> str:
    """The nearest manifest file in `directory` or above it."""
    folders = [os.path.abspath(directory)]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    found = sources.find(os.path.join(folder, name) for folder in folders for name in MANIFEST_NAMES)
    if found is None:
        hint = "write one with magpkg init, or name a manifest with -f FILE or -e EXPRESSION"
        raise MagpkgError(f"no {MANIFEST_NAMES[0]} in {directory} or above it", hint)
    return found
