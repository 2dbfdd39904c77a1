"""Where magpkg starts: a launch by a kept plan goes straight to the sandbox, all else is the command line's.

This is a second way to do what `commands.venv` does, for the sake of speed: reading the options, evaluating and drawing
take ten times as long as the launch itself. It decides nothing: whatever is not plainly as the plan has it is left to
the first way, errors included.
"""

import os
import sys

from magpkg.errors import CommandNotStarted
from magpkg.launch.environment import bwrap_arguments, sandbox_environment, store_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magpkg.launch.plan import Plan


def main() -> None:
    """Run magpkg with the process's arguments and exit."""
    status = _launched(sys.argv[1:], os.environ) if sys.argv[1:2] in (["venv"], ["run"]) else None
    if status is None:
        from magpkg.commands.front import main as command_line

        command_line()
    else:
        os._exit(status)  # nothing is left to flush, and taking the interpreter down would cost a millisecond


def _launched(arguments: "Sequence[str]", environment: "Mapping[str, str]") -> int | None:
    """The status of a launch by a cached plan; None where there is none that fits."""
    from magpkg.launch.plan import load, make_key, plan_path, split_command

    root = store_root(environment)
    if root is None:
        return None
    options, command = split_command(arguments)
    try:
        key = make_key(options, environment)
    except OSError:
        return None
    plan = load(plan_path(root, key), key, environment)
    if plan is None:
        return None
    values = sandbox_environment(plan.keep, plan.assigned, environment)
    words = command or [plan.shell]
    return _run(plan, words, values) if _is_there(words[0], plan.rootfs, values["PATH"]) else None


def _is_there(name: str, rootfs: str, search_path: str) -> bool:
    """Whether the rootfs plainly has the command; one given by its path is left for bwrap to find."""
    if "/" in name:
        return True
    for directory in search_path.split(":"):
        if directory.startswith("/") and os.access(f"{rootfs}{directory}/{name}", os.X_OK):
            return True
    return False


def _run(plan: "Plan", words: "Sequence[str]", values: "Mapping[str, str]") -> int | None:
    from magpkg.launch.lock import hold, stamp
    from magpkg.launch.supervise import run

    held = hold(plan.venv)
    if held is None:
        return None
    arguments = bwrap_arguments(plan.options, values, plan.directory)
    try:
        status = run(plan.bwrap, arguments, words, held)
    except CommandNotStarted:
        os.close(held)
        return None  # the long way finds out why
    stamp(held)
    return status
