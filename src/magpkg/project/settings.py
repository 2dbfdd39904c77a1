"""Settings: the user's own lists, written."""

import os
from collections.abc import Mapping, Sequence

from magpkg.debian.textfile import draft
from magpkg.errors import MagpkgError
from magpkg.manifest.owners import setting_path


def own_setting(environment: Mapping[str, str], name: str) -> str:
    """Where the user's setting of this name is or will be; MagpkgError where there is no place for any."""
    path = setting_path(environment, name)
    if path is None:
        raise MagpkgError("neither XDG_CONFIG_HOME nor HOME is set, so there is no place for settings", "set HOME")
    return path


def write_setting(path: str, lines: Sequence[str]) -> None:
    """Have just these lines in the setting at `path`, whose folder is made where it is missing."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        owner = os.stat(folder).st_uid
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be written: {error.strerror}") from error
    if owner != os.geteuid():
        raise MagpkgError(f"{folder}: belongs to user {owner}, and you are user {os.geteuid()}", "set HOME to your own")
    with draft(path, "".join(f"{line}\n" for line in lines)) as made:
        made.replace()
        os.chmod(path, 0o600)  # a list that others can write to would not be believed
