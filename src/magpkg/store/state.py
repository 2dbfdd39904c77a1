"""State: a project's place in the store for what is to outlive its launches, such as a HOME of its own."""

import hashlib
import os
from collections.abc import Iterable

from magpkg.errors import MagpkgError, storage_hint
from magpkg.manifest.mount import STATE, Mount
from magpkg.store.store import Store

_NAME_LENGTH = 40  # characters; with the digest it stays below the 255 bytes that a name may have


def state_directory(store: Store, project: str) -> str:
    """Where the state of the project in the directory `project` is or will be, whatever symlinks lead there."""
    real = os.path.realpath(project)
    digest = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
    return f"{store.root}/state/{os.path.basename(real)[:_NAME_LENGTH]}-{digest}"


def make_state(directory: str, mounts: Iterable[Mount]) -> None:
    """Make those directories in a project's state that the mounts show, for their owner alone."""
    for mount in mounts:
        if mount.source.startswith(STATE):
            path = f"{directory}/{mount.source.removeprefix(STATE)}"
            try:
                os.makedirs(path, 0o700, exist_ok=True)
            except OSError as error:
                raise MagpkgError(f"{mount.where}.source: {path} cannot be made", storage_hint(error)) from error
