"""The host's file system as the pure steps ask about it, and what they were told.

Part of every launch, so it imports next to nothing.
"""

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

DIRECTORY, FILE, SYMLINK, MISSING, UNKNOWN = "directory", "file", "symlink", "missing", "unknown"

# stat(2): the modules `stat` and `os` would be two more to import.
_KIND, _KINDS = 0o170000, {0o040000: DIRECTORY, 0o120000: SYMLINK}
_LINKS_MAX = 40  # as the kernel has it


class HostFiles:
    """Questions about paths of this host."""

    def kind(self, path: str, *, follow: bool = False) -> str:
        """DIRECTORY, SYMLINK, MISSING, FILE for anything else, UNKNOWN where the user may not look."""
        try:
            kind = posix.stat(path, follow_symlinks=follow).st_mode & _KIND
        except (FileNotFoundError, NotADirectoryError):
            return MISSING
        except OSError:
            return UNKNOWN
        return _KINDS.get(kind, FILE)

    def source_kind(self, path: str) -> str:
        """What a mount finds at `path`, which has no symlinks: as `kind`, but what is mounted on access is mounted.

        To look does not do that, stat(2), so that an automount that fails looks like a directory.
        """
        kind = self.kind(path)
        if kind == DIRECTORY:
            try:
                posix.close(posix.open(path, posix.O_PATH | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC))
            except (FileNotFoundError, NotADirectoryError):
                return MISSING
            except OSError:
                return UNKNOWN
        return kind

    def link_target(self, path: str) -> str:
        """The target of the symlink at `path`."""
        return posix.readlink(path)

    def names(self, path: str) -> "Sequence[str]":
        """The names in the directory at `path`, sorted."""
        return sorted(posix.listdir(path))

    def mode(self, path: str) -> int:
        """The permission bits of what is at `path`."""
        return posix.stat(path).st_mode & 0o7777

    def executable(self, path: str) -> bool:
        """Whether the user may execute the file at `path`."""
        return posix.access(path, posix.X_OK)

    def real_path(self, path: str) -> str:
        """`path` without symlinks."""
        from os.path import realpath

        return realpath(path)


Answer = tuple[str, str, str]
"""A question that was asked: which, about what path, and the answer."""


class RecordingFiles(HostFiles):
    """The host's file system, with a record of the answers that lie outside `unchanging`, a published tree."""

    def __init__(self, unchanging: str) -> None:
        self._unchanging = unchanging + "/"
        self._answers: dict[tuple[str, str], str] = {}

    def kind(self, path: str, *, follow: bool = False) -> str:
        """See HostFiles."""
        return self._recorded("kind followed" if follow else "kind", path, super().kind(path, follow=follow))

    def source_kind(self, path: str) -> str:
        """See HostFiles."""
        return self._recorded("kind", path, super().source_kind(path))

    def link_target(self, path: str) -> str:
        """See HostFiles."""
        return self._recorded("link", path, super().link_target(path))

    def real_path(self, path: str) -> str:
        """See HostFiles."""
        real = super().real_path(path)
        # Each step of the way is a simple question, and most have been asked before.
        return real if self._walked(path) == real else self._recorded("real", path, real)

    def _walked(self, path: str) -> str | None:
        at, rest, links = "", path.split("/")[::-1], 0
        while rest:
            name = rest.pop()
            if name == "..":
                at = at.rpartition("/")[0]
            elif name not in ("", "."):
                at = f"{at}/{name}"
                if self.kind(at) == SYMLINK:
                    target = self.link_target(at)
                    at = "" if target.startswith("/") else at.rpartition("/")[0]
                    rest += target.split("/")[::-1]
                    links += 1
                    if links > _LINKS_MAX:
                        return None
        return at or "/"

    def answers(self) -> list[Answer]:
        """What was asked and answered so far."""
        return [(question, path, answer) for (question, path), answer in self._answers.items()]

    def _recorded(self, question: str, path: str, answer: str) -> str:
        if not path.startswith(self._unchanging):
            self._answers[question, path] = answer
        return answer


def still_true(answer: Answer) -> bool:
    """Whether the host would give this answer again."""
    question, path, told = answer
    files = HostFiles()
    if question == "kind":
        return files.kind(path) == told
    if question == "kind followed":
        return files.kind(path, follow=True) == told
    if question == "real":
        return files.real_path(path) == told
    try:
        return files.link_target(path) == told
    except OSError:
        return False
