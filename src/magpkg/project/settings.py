"""Settings: the user's own lists, written."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from magpkg.debian.textfile import draft
from magpkg.errors import MagpkgError
from magpkg.manifest.owners import setting_path


def own_setting(environment: Mapping[str, str], name: str) -> str:
    """Where the user's setting of this name is or will be; MagpkgError where there is no place for any."""
    path = setting_path(environment, name)
    if path is None:
        raise MagpkgError("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for settings", "set HOME")
    return path


@contextmanager
def changing(path: str) -> Iterator[None]:
    """Hold the folder of the setting at `path`, made where it is missing: what is read of it is what is changed."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be written: {error.strerror}") from error
    try:
        owner = os.fstat(held).st_uid
        if owner != os.geteuid():
            message = f"{folder}: belongs to user {owner}, and you are user {os.geteuid()}"
            raise MagpkgError(message, "set HOME to your own")
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def write_setting(path: str, lines: Sequence[str]) -> None:
    """Have just these lines in the setting at `path`, which is held by `changing`."""
    with draft(path, "".join(f"{line}\n" for line in lines)) as made:
        made.replace()
        os.chmod(path, 0o600)  # a list that others can write to would not be believed
