"""Partial downloads: what a run that ended early has received is kept, and the next run goes on from there."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from magpkg.errors import MagpkgError, storage_hint
from magpkg.launch.lock import try_lock

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WAIT_SECONDS = 0.05
_CHUNK = 1 << 18


class Partial:
    """A file that grows as its content arrives, with the SHA-256 of what is there; see `receiving`."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = 0
        self._checksum = hashlib.sha256()
        while chunk := os.read(descriptor, _CHUNK):
            self._checksum.update(chunk)
            self.size += len(chunk)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what is there, in hexadecimal digits."""
        return self._checksum.hexdigest()

    def add(self, offset: int, chunk: bytes) -> None:
        """Take what belongs at `offset`: at the end, or at 0 where the content comes anew.

        Raises MagpkgError where it cannot be written; then nothing is kept, so that a full disk is not left full.
        """
        if offset != self.size:
            self.clear()
        try:
            view = memoryview(chunk)
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.clear()
            message = f"{self.path}: a download cannot be written: {error.strerror}"
            raise MagpkgError(message, storage_hint(error)) from error
        self._checksum.update(chunk)
        self.size += len(chunk)

    def clear(self) -> None:
        """Drop what is there."""
        os.truncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size = 0
        self._checksum = hashlib.sha256()


@contextmanager
def receiving(path: str, stopped: Callable[[], bool]) -> Iterator[Partial]:
    """The partial download at `path`, for this process alone until the block ends; an empty one is not kept.

    Waits for another process that receives the same file; raises OSError once `stopped` says so.
    """
    descriptor = _locked(path, stopped)
    try:
        yield Partial(path, descriptor)
    finally:
        if os.fstat(descriptor).st_size == 0:
            with suppress(FileNotFoundError):
                os.unlink(path)
        os.close(descriptor)


def _locked(path: str, stopped: Callable[[], bool]) -> int:
    while True:
        try:
            descriptor = _opened(path)
        except FileNotFoundError:
            continue  # it was published between two looks
        try:
            while not try_lock(descriptor):
                if stopped():
                    raise OSError("interrupted")
                time.sleep(_WAIT_SECONDS)
            # Whoever had it may have published or removed it meanwhile; then it is no longer what `path` names.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False)):
                    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR:
                        return descriptor
                    os.fchmod(descriptor, 0o600)  # a run was killed as it was about to publish it
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _opened(path: str) -> int:
    try:
        try:
            descriptor = os.open(path, _OPEN, 0o600)
        except PermissionError:
            descriptor = os.open(path, _READ)  # it is whole, and about to be published: only for reading any more
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(path)):
            raise
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise MagpkgError(f"{path}: cannot be opened: {error.strerror}", storage_hint(error)) from error
    else:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    # Reading a pipe would never end; what a symlink leads to is not the store's.
    raise MagpkgError(f"{path}: is no file, as a download on its way must be", "remove it")
