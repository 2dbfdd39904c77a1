"""Links: whether this host's bwrap is led onto the host by symlinks that the commands of a sandbox can make."""

import os
import subprocess
import tempfile
from contextlib import suppress

from magpkg.sandbox.trial import run
from magpkg.store.finding import Finding


def follows_links(bwrap: str) -> bool:
    """Whether this bwrap, told to make something inside, is led onto the host by a symlink there: CVE-2026-87766.

    It is tried, since distributions mend it in versions of any number.
    """
    with tempfile.TemporaryDirectory(prefix="magpkg-") as place:
        # That there is no program to start comes out only after all that is asked for was made.
        with suppress(OSError, subprocess.SubprocessError):
            run([bwrap, "--tmpfs", "/", "--symlink", f"/oldroot{place}", "/l", "--dir", "/l/x", "--", "/none"])
        return os.path.exists(f"{place}/x")


def links(bwrap: str) -> Finding:
    """Whether what a command writes can mislead the launch of another, see follows_links; nothing fails of it."""
    if not follows_links(bwrap):
        return Finding("links", True, "bwrap follows no symlink of a sandbox onto the host")
    message = (
        f"{bwrap} follows symlinks of a sandbox onto the host (CVE-2026-87766): a command that runs can have another "
        "launch make empty files outside, where that mounts something below a directory that the command can write to"
    )
    return Finding("links", True, message, "upgrade bubblewrap to 0.12, or to what your system has against this")
