"""Revisions: a git revision of the files around a manifest, as a directory for as long as it is looked at."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from magpkg.errors import MagpkgError
from magpkg.store import Store


@contextmanager
def checked_out(spec: str, directory: str, environment: Mapping[str, str], store: Store) -> Iterator[str]:
    """The path of the file that git calls `REVISION:PATH` in `directory`, with all that the revision has beside it.

    As in git, PATH is seen from the repository's top, and from the working directory where it begins with a dot.
    Neither the working tree nor the index is touched. It is work in progress of the store, since an evaluation may be
    killed; cleanup then removes it.
    """
    revision, _, path = spec.partition(":")
    git = _Git(directory, environment)
    top, prefix = git.said("rev-parse", "--show-toplevel"), git.said("rev-parse", "--show-prefix")
    try:
        found = git.said("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}")
    except MagpkgError:
        raise MagpkgError(f"{spec}: {revision} is no revision of the repository {top}") from None
    inside = os.path.normpath(os.path.join(prefix, path) if path.startswith("./") or path.startswith("../") else path)
    store.prepare()
    with store.workspace("revision") as work:
        try:
            own = _Git(top, {**environment, "GIT_INDEX_FILE": f"{work}/index"})
            own.said("read-tree", found)
            own.said("checkout-index", "--all", "--quiet", f"--prefix={work}/tree/")
            file = f"{work}/tree/{inside}"
            if inside.startswith(("/", "..")) or not os.path.isfile(file):
                raise MagpkgError(f"{spec}: the revision has no file {inside}")
            yield file
        except MagpkgError as error:
            # Nobody knows the directory; what is wrong is wrong in the revision.
            told = [text and text.replace(f"{work}/tree/", f"{revision}:") for text in (error.message, error.hint)]
            raise MagpkgError(told[0] or "", told[1], error.detail) from error


class _Git:
    def __init__(self, directory: str, environment: Mapping[str, str]) -> None:
        self._directory, self._environment = directory, environment

    def said(self, *words: str) -> str:
        """What git prints, without the line's end."""
        try:
            done = subprocess.run(  # noqa: S603 - the words are ours, and the revision stands after --end-of-options
                ["git", *words],  # noqa: S607 - the user's git
                cwd=self._directory,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError:
            raise MagpkgError("git is not installed, which knows the revisions", "install it") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise MagpkgError(f"git {words[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
        return done.stdout.rstrip("\n")
