"""Text files of the user's that are made or replaced in one step: each is the old one or the new one, never a part."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from magpkg.errors import MagpkgError


class Draft:
    """The next text of the file at `path`, complete beside it and on disk; only its name is missing."""

    def __init__(self, path: str, partial: str, target: str) -> None:
        self.path = path
        self._partial = partial
        self._target = target

    def replace(self) -> None:
        """Put the draft in the place of the file, if there is one."""
        with _writing(self.path):
            os.replace(self._partial, self._target)

    def add(self) -> None:
        """Give the draft its name, which must be free: whoever else takes it first keeps it."""
        with _writing(self.path):
            try:
                os.link(self._partial, self.path)  # which takes a free name only, and at once with the text
            except FileExistsError:
                raise
            except OSError:  # a file system without hard links
                # O_EXCL takes the name, also from a dangling link; what is then replaced is our own empty file.
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
                os.replace(self._partial, self.path)


@contextmanager
def draft(path: str, text: str) -> Iterator[Draft]:
    """A draft of the file at `path`, which is gone in the end if it was not used.

    A link to a file beside or below it stays one. The mode of a file that is there stays, too. MagpkgError for a link
    that leads out of its directory: who commits one to a repository would have another file of the user's written.
    """
    import tempfile

    target = own_target(path)
    with _writing(path):
        descriptor, partial = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(target))
    try:
        with _writing(path), open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, _mode(target))
            os.fsync(descriptor)
        yield Draft(path, partial, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial)


def own_target(path: str) -> str:
    """The file that the one at `path` is: itself, or what a link leads to, which must not be out of its directory."""
    target = os.path.realpath(path)
    if os.path.islink(path):
        folder = os.path.realpath(os.path.dirname(path))
        if not target.startswith(f"{folder.rstrip('/')}/"):
            raise MagpkgError(f"{path}: is a symlink that leads out of its directory, to {target}", "name that file")
    return target


def _mode(path: str) -> int:
    with suppress(FileNotFoundError):
        return os.stat(path).st_mode & 0o777
    mask = os.umask(0o077)  # to read it is to set it; files that others make meanwhile are none of this process
    os.umask(mask)
    return 0o666 & ~mask


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise already_there(path) from error
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be written: {error.strerror}") from error


def already_there(path: str) -> MagpkgError:
    """The error for a file that is not to be overwritten."""
    return MagpkgError(f"{path}: is there already", "it is not overwritten: move it away, or edit it")
