"""The confined writer: everything that is written below a root goes through here.

Paths are walked component by component with directory descriptors and O_NOFOLLOW. A symlink on the way is followed as
it would be were the root `/`, so that nothing a package ships, however made, leads outside.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from magpkg.errors import MagpkgError, storage_hint

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PASSAGE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SYMLINKS_MAX = 40  # what the kernel follows in one path, path_resolution(7)
_OPEN_DIRECTORIES_MAX = 200  # well below the usual limit of 1,024 descriptors
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_NO_REFLINK = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS)
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)
_CHUNK = 1 << 20
_PATH_MAX = 3000  # what comes before it in the store must fit into PATH_MAX, too, limits.h(0p)
_DEPTH_MAX = 250  # directories within directories that a package tree may have; also descriptors open at once

_Rest = ParamSpec("_Rest")
_Result = TypeVar("_Result")


def _reported(
    method: "Callable[Concatenate[Tree, str, _Rest], _Result]",
) -> "Callable[Concatenate[Tree, str, _Rest], _Result]":
    """Turn a method's OSError into an error that names the tree and the path."""

    @wraps(method)
    def reporting(tree: "Tree", path: str, /, *args: _Rest.args, **options: _Rest.kwargs) -> _Result:
        try:
            return method(tree, path, *args, **options)
        except OSError as error:
            raise MagpkgError(
                f"{tree.label}: {path}: cannot be written: {error.strerror}", storage_hint(error)
            ) from error
        except (ValueError, OverflowError) as error:
            raise MagpkgError(f"{tree.label}: {path!r}: cannot be written: {error}") from error

    return reporting


class Tree:
    """A directory being filled. Paths are relative to it; `label` names it in errors, such as `package git`."""

    def __init__(self, root: str, label: str, *, links: bool = True) -> None:
        """With `links` false no file is shared with where it came from by a hard link, so that it may be written."""
        self._links = links
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.label = label
        self._open: dict[str, tuple[int, int]] = {}  # descriptor and depth below the root
        self._made: dict[str, int] = {}
        self._stale = False
        self._reflinks = True
        self.copied = False
        """Whether some file had to be copied byte by byte, since it could not be shared."""
        self.written: dict[int, tuple[int, int, str]] = {}
        """Mode, size and SHA-256 of each file written, by inode, since a path may lead through symlinks."""
        self.on_step: Callable[[bool], None] = lambda made: None
        """Told of each directory gone through that was not at hand, and whether it was made; may raise MagpkgError."""

    def __enter__(self) -> "Tree":
        return self

    def __exit__(self, *_: object) -> None:
        self._forget_directories()
        os.close(self._root)

    @_reported
    def make_directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory and its parents. One that is there is kept and takes the mode; so does what a link leads to.

        Its owner can always list, enter and write it: `mode` gains 0700.
        """
        mode |= 0o700
        if not path or self._made.get(path) == mode:
            return
        parent, name = self._parent(path)
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:
            os.fchmod(self._directory(path), mode)
        else:
            os.chmod(name, mode, dir_fd=parent)
        self._made[path] = mode

    @_reported
    def write_file(self, path: str, mode: int, content: Iterable[bytes], mtime: int | None = None) -> None:
        """Write a new file; a file or symlink that stands there is replaced, never written through.

        Its owner can always read it: `mode` gains 0400.
        """
        parent, name = self._parent(path)
        descriptor = self._create(path, parent, name)
        checksum = hashlib.sha256()
        try:
            for chunk in content:
                checksum.update(chunk)
                view = memoryview(chunk)
                while view:
                    view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, mode | 0o400)
            if mtime is not None:
                os.utime(descriptor, (mtime, mtime))
            status = os.fstat(descriptor)
            self.written[status.st_ino] = (stat.S_IMODE(status.st_mode), status.st_size, checksum.hexdigest())
        finally:
            os.close(descriptor)

    @_reported
    def make_symlink(self, path: str, target: str) -> None:
        """Make a symlink with just this target; a file or symlink that stands there is replaced."""
        parent, name = self._parent(path)
        try:
            os.symlink(target, name, dir_fd=parent)
        except FileExistsError:
            self._clear(path, parent, name)
            os.symlink(target, name, dir_fd=parent)

    @_reported
    def make_link(self, path: str, existing: str) -> None:
        """Make a hard link to a file of this tree; the path `existing` is resolved inside the tree like any other."""
        source_parent, source_name = self._parent(existing)
        try:
            source = os.stat(source_name, dir_fd=source_parent, follow_symlinks=False)
        except FileNotFoundError:
            raise MagpkgError(f"{self.label}: {path}: is a hard link to {existing}, which is missing") from None
        if not stat.S_ISREG(source.st_mode) and not stat.S_ISLNK(source.st_mode):
            raise MagpkgError(f"{self.label}: {path}: is a hard link to {existing}, which is not a file")
        # The descriptor must outlive the opening of the second parent, which may evict it from the cache.
        source_parent = os.dup(source_parent)
        try:
            self._hard_link(path, source_parent, source_name, source)
        finally:
            os.close(source_parent)

    def _hard_link(self, path: str, source_parent: int, source_name: str, source: os.stat_result) -> None:
        parent, name = self._parent(path)
        for attempt in ("link", "replace"):
            try:
                os.link(source_name, name, src_dir_fd=source_parent, dst_dir_fd=parent, follow_symlinks=False)
                return
            except FileExistsError:
                there = os.stat(name, dir_fd=parent, follow_symlinks=False)
                if os.path.samestat(there, source):
                    return
                if attempt == "replace":
                    raise
                self._clear(path, parent, name)

    @_reported
    def adopt_files(self, directory: str, source: str, names: Iterable[str]) -> list[str]:
        """Bring files and symlinks of the directory `source`, which is outside, into a directory of this tree.

        By reflink, else hard link, else copy; they must not change afterwards. Returns the names of those that replaced
        another file or symlink.
        """
        parent = self._directory(directory)
        replaced = []
        for name in names:
            path = f"{source}/{name}"
            try:
                self._place(path, parent, name)
            except FileExistsError:
                self._clear(f"{directory}/{name}".lstrip("/"), parent, name)
                self._place(path, parent, name)
                replaced.append(name)
        return replaced

    @_reported
    def exists(self, path: str) -> bool:
        """Whether anything, be it a dangling symlink, stands at `path`; makes the directories above it."""
        parent, name = self._parent(path)
        try:
            os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    @_reported
    def remove(self, path: str) -> None:
        """Remove what stands at `path`, a directory with all that is in it; what is not there is no error."""
        parent, name = self._parent(path)
        try:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(there.st_mode):
            self._clear(path, parent, name)
            return
        directory = os.open(name, _DIRECTORY, dir_fd=parent)
        try:
            _empty(directory, self._root, _DEPTH_MAX)
        finally:
            os.close(directory)
        os.rmdir(name, dir_fd=parent)
        self._stale = True

    def _place(self, source: str, parent: int, name: str) -> None:
        if self._reflinks and not os.path.islink(source):
            self._reflinks = _reflink(source, parent, name)
            if self._reflinks:
                return
        try:
            if self._links:
                os.link(source, name, dst_dir_fd=parent, follow_symlinks=False)
                return
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
        self.copied = True
        _copy(source, parent, name)

    def _create(self, path: str, parent: int, name: str) -> int:
        try:
            return os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(path, parent, name)
            return os.open(name, _NEW_FILE, 0o600, dir_fd=parent)

    def _clear(self, path: str, parent: int, name: str) -> None:
        there = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(there.st_mode):
            raise MagpkgError(f"{self.label}: {path}: would replace a directory")
        os.unlink(name, dir_fd=parent)
        # Remembered directories may have been reached through this symlink; the caller still uses one of them.
        self._stale = self._stale or stat.S_ISLNK(there.st_mode)

    def _parent(self, path: str) -> tuple[int, str]:
        if len(path) > _PATH_MAX:
            raise MagpkgError(f"{self.label}: {path[:60]}…: is longer than the {_PATH_MAX} characters a path can have")
        directory, _, name = path.rpartition("/")
        return self._directory(directory), name

    def _directory(self, path: str) -> int:
        """A descriptor of the directory at `path`, which is made where it is missing."""
        if self._stale:
            self._forget_directories()
        if path in ("", "."):
            return self._root
        known = self._open.get(path)
        return known[0] if known is not None else self._remember(path, *(self._enter(path) or self._walk(path)))

    def _enter(self, path: str) -> tuple[int, int] | None:
        """The directory at `path` by one step from the one above, where that is remembered and no symlink is met."""
        above, _, name = path.rpartition("/")
        known = self._open.get(above) if above else (self._root, 0)
        if known is None or known[1] >= _DEPTH_MAX or name in ("", ".", ".."):
            return None
        try:
            return os.open(name, _DIRECTORY, dir_fd=known[0]), known[1] + 1
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _walk(self, path: str) -> tuple[int, int]:
        pending = path.split("/")[::-1]
        trail = [os.dup(self._root)]  # the directories from the root to here, so that `..` in a link stays inside
        links = 0
        try:
            while pending:
                part = pending.pop()
                if part in ("", "."):
                    continue
                if part == "..":
                    if len(trail) > 1:
                        os.close(trail.pop())
                    continue
                target = self._step(path, trail, part)
                if target is None:
                    continue
                links += 1
                if links > _SYMLINKS_MAX:
                    raise MagpkgError(f"{self.label}: {path}: leads through too many symlinks")
                if target.startswith("/"):
                    while len(trail) > 1:
                        os.close(trail.pop())
                pending.extend(target.split("/")[::-1])
            return trail.pop(), len(trail)
        finally:
            for descriptor in trail:
                os.close(descriptor)

    def _step(self, path: str, trail: list[int], part: str) -> str | None:
        """Enter `part`, making it where it is missing; or return the target where it is a symlink."""
        if len(trail) > _DEPTH_MAX:
            raise MagpkgError(f"{self.label}: {path}: directories are nested more than {_DEPTH_MAX} deep")
        self.on_step(False)
        try:
            trail.append(os.open(part, _DIRECTORY, dir_fd=trail[-1]))
        except FileNotFoundError:
            self.on_step(True)
            os.mkdir(part, dir_fd=trail[-1])
            trail.append(os.open(part, _DIRECTORY, dir_fd=trail[-1]))
            os.fchmod(trail[-1], 0o755)
        except NotADirectoryError:
            try:
                return os.readlink(part, dir_fd=trail[-1])
            except OSError:
                raise MagpkgError(f"{self.label}: {path}: {part} is a file, not a directory") from None
        return None

    def _remember(self, path: str, descriptor: int, depth: int) -> int:
        if len(self._open) >= _OPEN_DIRECTORIES_MAX:
            os.close(self._open.pop(next(iter(self._open)))[0])
        self._open[path] = descriptor, depth
        return descriptor

    def _forget_directories(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1][0])
        self._made.clear()
        self._stale = False


def _reflink(source: str, parent: int, name: str) -> bool:
    """Clone `source`, permissions and time too; False where the file system does not share blocks."""
    with open(source, "rb") as original:
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            fcntl.ioctl(descriptor, _FICLONE, original.fileno())
            _copy_status(original.fileno(), descriptor)
        except OSError as error:
            os.unlink(name, dir_fd=parent)
            if error.errno not in _NO_REFLINK:
                raise
            return False
        finally:
            os.close(descriptor)
    return True


def _copy(source: str, parent: int, name: str) -> None:
    if os.path.islink(source):
        os.symlink(os.readlink(source), name, dir_fd=parent)
        return
    with open(source, "rb") as original:
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            while os.sendfile(descriptor, original.fileno(), None, _CHUNK):
                pass
            _copy_status(original.fileno(), descriptor)
        finally:
            os.close(descriptor)


def _copy_status(original: int, copy: int) -> None:
    status = os.fstat(original)
    os.fchmod(copy, stat.S_IMODE(status.st_mode))
    os.utime(copy, ns=(status.st_mtime_ns, status.st_mtime_ns))


def make_point(root: str, path: str, *, directory: bool) -> None:
    """Make a mount point, a directory or an empty file, at `path` below the directory `root`, as bwrap would.

    Both are plain paths without symlinks; one that is met all the same has come meanwhile, and is an error. What is
    made is as bwrap makes it: directories on the way are their owner's alone. Raises OSError.
    """
    above, _, name = path.rpartition("/")
    if ".." in path.split("/"):
        raise NotADirectoryError(errno.ENOTDIR, "leads upwards", path)
    descriptor = os.open("/", _PASSAGE)
    try:
        for part in root.strip("/").split("/"):
            descriptor = _moved(descriptor, os.open(part or ".", _PASSAGE, dir_fd=descriptor))
        for part in above.split("/") if above else ():
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=descriptor)
            descriptor = _moved(descriptor, os.open(part, _PASSAGE, dir_fd=descriptor))
        with suppress(FileExistsError):
            if directory:
                os.mkdir(name, 0o755, dir_fd=descriptor)
            else:
                os.close(os.open(name, _NEW_FILE, 0o444, dir_fd=descriptor))
    finally:
        os.close(descriptor)


def _moved(left: int, entered: int) -> int:
    os.close(left)
    return entered


def tidy(root: str, label: str, mtime: int) -> None:
    """Make what a build left in `root` fit to publish.

    Setuid, setgid and sticky bits go, and the right of others to write; the owner can read everything; and the time of
    every file becomes `mtime` (seconds since the epoch), so that two builds of one package can be the same. Devices,
    fifos and sockets are errors.
    """
    os.chmod(root, stat.S_IMODE(os.lstat(root).st_mode) & 0o755 | 0o700)
    descriptor = os.open(root, _DIRECTORY)
    try:
        _tidy_directory(descriptor, f"{label}: /out", mtime, _DEPTH_MAX)
    finally:
        os.close(descriptor)


def _tidy_directory(directory: int, place: str, mtime: int, depth: int) -> None:
    if depth == 0:
        raise MagpkgError(f"{place}: directories are nested more than {_DEPTH_MAX} deep")
    for name in os.listdir(directory):
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            child = _opened(name, directory)
            try:
                os.fchmod(child, stat.S_IMODE(mode) & 0o755 | 0o700)
                _tidy_directory(child, f"{place}/{name}", mtime, depth - 1)
            finally:
                os.close(child)
            continue
        if stat.S_ISREG(mode):
            os.chmod(name, 0o600, dir_fd=directory)
            file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            os.fchmod(file, stat.S_IMODE(mode) & 0o755 | 0o400)
            os.close(file)
        elif not stat.S_ISLNK(mode):
            raise MagpkgError(f"{place}/{name}: is a device, fifo or socket")
        os.utime(name, (mtime, mtime), dir_fd=directory, follow_symlinks=False)


def _opened(name: str, directory: int) -> int:
    """A descriptor of a subdirectory, whatever its permissions were."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=directory)
        return os.open(name, _DIRECTORY, dir_fd=directory)


def remove(path: str) -> int:
    """Remove a file or a whole directory, never following a symlink; what is gone already is no error.

    Returns the bytes of disk that this freed: a file that another name still shares frees none.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return _unlink(path, None)
    with suppress(FileNotFoundError):
        os.chmod(path, 0o700)
        top = os.open(path, _DIRECTORY)
        try:
            freed = _empty(top, top, _DEPTH_MAX)
            while os.listdir(top):  # what lay too deep has been moved up to here
                freed += _empty(top, top, _DEPTH_MAX)
        finally:
            os.close(top)
        os.rmdir(path)
        return freed
    return 0


def _empty(directory: int, top: int, depth: int) -> int:
    freed = 0
    with os.scandir(directory) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        try:  # not suppress(), which takes a tenth of the time that a file does
            if not is_directory:
                freed += _unlink(name, directory)
            elif depth == 0:
                os.rename(name, f".deep-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=top)
            else:
                child = _opened(name, directory)
                try:
                    os.fchmod(child, 0o700)
                    freed += _empty(child, top, depth - 1)
                finally:
                    os.close(child)
                os.rmdir(name, dir_fd=directory)
        except FileNotFoundError:
            continue
    return freed


def _unlink(name: str, directory: int | None) -> int:
    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    os.unlink(name, dir_fd=directory)
    return status.st_blocks * 512 if status.st_nlink == 1 else 0
