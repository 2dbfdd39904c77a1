"""The one exception that magpkg raises for what a user can understand and mend."""


class MagpkgError(Exception):
    """A failure that the user should read.

    `message` says what is wrong and where (field, path or package); `hint`, where there is one, says what to do.
    `detail` is long output that belongs to it, such as the last lines of a build log, and is shown below the message.
    """

    def __init__(self, message: str, hint: str | None = None, detail: str | None = None) -> None:
        # The three go to Exception whole so that the error survives the way back from a worker process.
        super().__init__(message, hint, detail)
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"


class CommandNotStarted(MagpkgError):
    """The sandbox could not start the command; `status` is the exit status a shell would give for the reason."""

    def __init__(self, message: str, hint: str | None = None, status: int = 125) -> None:
        super().__init__(message, hint)
        self.status = status


def storage_hint(error: OSError) -> str | None:
    """What to do about a full or a read-only file system; None for any other failure."""
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room there, for instance with magpkg cleanup --all, or set MAGPKG_STORE to a larger place"
    if error.errno == errno.EROFS:
        return "set MAGPKG_STORE to a directory that you can write to"
    return None


def working_directory_gone() -> MagpkgError:
    """The error for a working directory that was removed while the shell was in it."""
    return MagpkgError("the working directory has been removed", "change to another one")
