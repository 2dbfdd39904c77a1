"""`magpkg --version`."""

import os
import subprocess

from magpkg import __version__
from magpkg.commands import options
from magpkg.commands.terminal import tell
from magpkg.errors import MagpkgError
from magpkg.evaluation.program import evaluator_version

_SECONDS = 10  # a program that is named bwrap, and is something else, may wait for what never comes


def show_version() -> None:
    """Print the versions of magpkg and of the programs that its work depends on; those that are missing, too."""
    tell(f"magpkg, version {__version__}")
    tell(f"jsonnet {evaluator_version()}")
    tell(f"bwrap {_bwrap_version()}")


def _bwrap_version() -> str:
    try:
        path = options.bwrap(os.environ)
    except MagpkgError as error:
        return f"is not installed; {error.hint}"
    try:
        said = subprocess.run(  # noqa: S603 - by the path that was found
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=True
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.SubprocessError) as error:
        return f"at {path} does not work: {getattr(error, 'strerror', None) or error}"
    return f"{said.strip().removeprefix('bubblewrap ')} at {path}"
