"""Where a project is: its directory by the name that the caller has for it, and the git directory that it needs."""

import os
import posixpath
import re
import stat
from collections.abc import Callable

from magpkg.launch.hostfiles import DIRECTORY, FILE
from magpkg.sandbox.view import Files, is_within

_GIT_FILE_MAX = 1 << 16
_WORKTREE = re.compile(r'^\s*worktree\s*=\s*"?([^"\n]+?)"?\s*$', re.MULTILINE | re.IGNORECASE)


def project_directory(found: str, real_here: str, named_here: str) -> str:
    """The project's directory `found` by the name that the working directory has for it, where that lies in it.

    The working directory comes without symlinks and as the shell has it.
    """
    if is_within(real_here, found):
        below = real_here[len(found.rstrip("/")) :].rstrip("/")
        named = named_here.removesuffix(below) or "/"
        if named_here.endswith(below) and _is_same(named, found):
            return named
    return found


def _is_same(first: str, second: str) -> bool:
    try:
        return os.path.samefile(first, second)
    except OSError:
        return False


def git_directory(project: str, files: Files, note: Callable[[str], None]) -> str:
    """What git needs beside a working copy whose `.git` is a file, as of a worktree or submodule; else ''.

    That file may be anybody's, and what it names is mounted. So git's directory must name the project in return, as
    gitrepository-layout(5) has it: a worktree's in `gitdir`, a submodule's by core.worktree. `note` is told the files
    that were read.
    """
    if files.kind(f"{project}/.git") != FILE:
        return ""
    before, _, directory = _read(f"{project}/.git", note).partition("gitdir: ")
    directory = files.real_path(posixpath.join(project, directory.strip("\n")))
    if before or files.kind(f"{directory}/HEAD") != FILE:
        return ""
    if files.kind(f"{directory}/commondir") == FILE:
        common = files.real_path(posixpath.join(directory, _read(f"{directory}/commondir", note).strip("\n")))
        back = posixpath.join(directory, _read(f"{directory}/gitdir", note).strip("\n"))
        if posixpath.dirname(directory) != f"{common}/worktrees" or not _is_same(back, f"{project}/.git"):
            return ""
        directory = common
    else:
        named = _WORKTREE.search(_read(f"{directory}/config", note))
        if named is None or not _is_same(posixpath.join(directory, named[1]), project):
            return ""
    parts = (files.kind(f"{directory}/{name}") for name in ("objects", "refs"))
    return directory if all(kind == DIRECTORY for kind in parts) else ""


def _read(path: str, note: Callable[[str], None]) -> str:
    """The text of a regular file, '' where there is none or it is larger than any that git writes there."""
    try:
        note(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        status = os.fstat(descriptor)
        return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= _GIT_FILE_MAX else ""
