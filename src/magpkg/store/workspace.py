"""Work in progress: directories of live processes, told from those of dead ones by a lock; and where they must lie."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from magpkg.errors import MagpkgError, storage_hint
from magpkg.launch.lock import try_lock
from magpkg.store import tree


def beside(directory: str, near: str) -> str:
    """`directory`, or a hidden one in `near` where nothing could be renamed from the one into the other, rename(2).

    People have the large parts of a store on another disk.
    """
    return directory if _place(directory) == _place(near) else f"{near}/.{os.path.basename(directory)}"


def _place(directory: str) -> tuple[int, str]:
    """The file system of a directory and the mount through which it is seen, proc_pid_fdinfo(5)."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    mount = ""
    try:
        with suppress(OSError), open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            mount = next((line for line in file if line.startswith("mnt_id")), "")
        return os.fstat(descriptor).st_dev, mount
    finally:
        os.close(descriptor)


@contextmanager
def working(directory: Callable[[], str], kind: str) -> Iterator[str]:
    """A new directory in what `directory` returns, which is asked again where that is gone; removed in the end."""
    tried: list[str] = []
    try:
        path, descriptor = _locked(directory, kind, tried)
        try:
            yield path
        finally:
            _remove(tried)
            os.close(descriptor)
    except BaseException:
        _remove(tried)  # a signal came while the directory was made, or while it was removed
        raise


def _locked(directory: Callable[[], str], kind: str, tried: list[str]) -> tuple[str, int]:
    while True:
        path = f"{directory()}/{kind}.{secrets.token_hex(8)}"
        tried.append(path)
        try:
            os.mkdir(path, 0o700)
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be made: {error.strerror}", storage_hint(error)) from error
        # A sweep may have come between the two calls and taken the directory for a dead one.
        if try_lock(descriptor) and os.path.isdir(path):
            return path, descriptor
        os.close(descriptor)


def _remove(paths: list[str]) -> None:
    for path in paths:
        tree.remove(path)


@contextmanager
def abandoned(path: str) -> Iterator[bool]:
    """Whether a directory of work in progress belongs to no live process; none begins to use it before the block ends.

    What is no directory belongs to nobody; what is not there is not abandoned.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    except OSError:
        yield True
        return
    try:
        yield try_lock(descriptor)
    finally:
        os.close(descriptor)
