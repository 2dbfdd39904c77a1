"""Revisions: a git revision of the files around a manifest, as a directory for as long as it is looked at.

The files are asked for one by one, as they are in the revision. A checkout would run what the repository's
configuration names: hooks, filters and the monitor of the file system, githooks(5) and gitattributes(5).
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, cast

from magpkg.errors import MagpkgError
from magpkg.store.store import Store
from magpkg.store.tree import Tree

_FILE, _PROGRAM, _SYMLINK = "100644", "100755", "120000"
_CHUNK = 1 << 18


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
    inside = os.path.normpath(os.path.join(prefix, path) if path.startswith(("./", "../")) else path)
    store.prepare()
    with store.workspace("revision") as work:
        try:
            os.mkdir(f"{work}/tree")
            with Tree(f"{work}/tree", spec) as tree:
                _Git(top, environment).unpack(found, tree)
            file = f"{work}/tree/{inside}"
            if inside.startswith(("/", "../")) or not os.path.isfile(file):
                raise MagpkgError(f"{spec}: the revision has no file {inside}")
            yield file
        except MagpkgError as error:
            # Nobody knows the directory; what is wrong is wrong in the revision.
            told = [text and text.replace(f"{work}/tree/", f"{revision}:") for text in (error.message, error.hint)]
            raise MagpkgError(told[0] or "", told[1], error.detail) from error


class _Git:
    """The user's git in a directory. It asks no network, though what a repository lacks may be elsewhere."""

    def __init__(self, directory: str, environment: Mapping[str, str]) -> None:
        self._directory, self._environment = directory, {**environment, "GIT_ALLOW_PROTOCOL": "none"}

    def said(self, *words: str) -> str:
        """What git prints, without the line's end."""
        with self._started(*words) as process:
            out, err = process.communicate()
        if process.returncode != 0:
            raise _failure(words[0], os.fsdecode(err), process.returncode)
        return os.fsdecode(out).rstrip("\n")

    def unpack(self, revision: str, tree: Tree) -> None:
        """Write the files and symlinks of a revision; of submodules nothing is known here."""
        listed = self.said("ls-tree", "-r", "-z", "--full-tree", revision)
        with self._started("cat-file", "--batch") as process:
            asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
            for line in filter(None, listed.split("\0")):
                about, _, path = line.partition("\t")
                mode, _, name = about.split(" ")
                if mode not in (_FILE, _PROGRAM, _SYMLINK):
                    continue
                asked.write(f"{name}\n".encode())
                asked.flush()
                content = _content(answers, path)
                if mode == _SYMLINK:
                    tree.make_symlink(path, os.fsdecode(b"".join(content)))
                else:
                    tree.write_file(path, int(mode[-3:], 8), content)
            asked.close()

    def _started(self, *words: str) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(  # noqa: S603 - the words are ours, and the revision stands after --end-of-options
                ["git", *words],  # noqa: S607 - the user's git
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError:
            raise MagpkgError("git is not installed, which knows the revisions", "install it") from None


def _content(answers: IO[bytes], path: str) -> Iterator[bytes]:
    """What the next answer of `git cat-file --batch` holds."""
    head = answers.readline().split()
    if len(head) != 3:
        raise MagpkgError(f"{path}: the repository lacks the content", "have git fetch it first")
    left = int(head[2])
    while left and (chunk := answers.read(min(_CHUNK, left))):
        left -= len(chunk)
        yield chunk
    answers.read(1)  # the line's end


def _failure(command: str, said: str, status: int) -> MagpkgError:
    """What git said, of which the line that begins with `fatal` is the error, and a command below it the remedy."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or [f"exit status {status}"]
    problem = next((line for line in lines if line.startswith("fatal:")), lines[-1])
    remedy = lines[-1] if lines[-1].startswith("git ") else None
    return MagpkgError(f"git {command}: {problem}", remedy and f"if you trust it, run: {remedy}")
