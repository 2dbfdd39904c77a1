"""Where magpkg starts: a launch by a kept plan goes straight to the sandbox, all else is the command line's.

This is a second way to do what `commands.venv` does, for the sake of speed: reading the options, evaluating and drawing
take ten times as long as the launch itself. It decides nothing: whatever is not plainly as the plan has it is left to
the first way, errors included.

`bin/magpkg` starts Python without its module `site`, which would be a fifth of a launch. The first way needs it.
"""

import posix
import sys

from magpkg.launch.inherited import host_environment, set_right

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magpkg.launch.plan import Plan


def main() -> None:
    """Run magpkg with the process's arguments and exit."""
    if set_right() or sys.getfilesystemencoding() != "utf-8":  # the latter by `python -m magpkg`, in an older locale
        posix.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    status = _launched(sys.argv[1:]) if sys.argv[1:2] in (["venv"], ["run"]) else None
    if status is None:
        _find_libraries()
        from magpkg.commands.front import main as command_line

        status = command_line()
        if status >= 0:
            sys.exit(status)
    from magpkg.launch.kernel import end_like

    end_like(status)  # nothing is left to flush, and taking the interpreter down would cost a millisecond


def _find_libraries() -> None:
    """Have Python look for libraries where it always does, and where magpkg itself is."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        own = sys.path.pop(0)  # the standard library comes first
        site.main()
        site.addsitedir(own)


def _launched(arguments: "Sequence[str]") -> int | None:
    """The status of a launch by a cached plan; None where there is none that fits."""
    from magpkg.launch.environment import sandbox_environment, store_root
    from magpkg.launch.plan import load, make_key, plan_path, split_command, untold

    environment = host_environment()
    root = store_root(environment)
    if root is None:
        return None
    options, command = split_command(arguments)
    try:
        key = make_key(options, environment)
    except OSError:
        return None
    path = plan_path(root, key)
    plan = load(path, key)
    if plan is None or (posix.isatty(2) and posix.access(untold(path), posix.F_OK)):
        return None
    values = sandbox_environment(plan.keep, plan.assigned, environment)
    words = command or [plan.shell]
    if not _is_there(words[0], plan.rootfs, values["PATH"]):
        return None
    return _run(plan, words, values, environment)


def _is_there(name: str, rootfs: str, search_path: str) -> bool:
    """Whether the rootfs plainly has the command; one given by its path is left for bwrap to find."""
    if "/" in name:
        return True
    for directory in search_path.split(":"):
        if directory.startswith("/") and posix.access(f"{rootfs}{directory}/{name}", posix.X_OK):
            return True
    return False


def _run(
    plan: "Plan", words: "Sequence[str]", values: "Mapping[str, str]", environment: "Mapping[str, str]"
) -> int | None:
    """Start bwrap, check meanwhile whether the plan holds, and then tell bwrap what to do."""
    from magpkg.errors import CommandNotStarted, MagpkgError
    from magpkg.launch.bwrap import Waiting, find_bwrap

    try:
        program = find_bwrap(environment.get("PATH", "/bin:/usr/bin"))  # not as the plan has it
        if program != plan.bwrap:
            return None
        waiting = Waiting(program, words, plan.options)
    except MagpkgError:
        return None
    from magpkg.launch.environment import bwrap_arguments
    from magpkg.launch.lock import hold, stamp

    held = hold(plan.venv) if plan.holds(environment) else None
    if held is None:
        waiting.give_up()
        return None
    waiting.tell(bwrap_arguments(plan.options, values, plan.directory))
    # Only now, while bwrap is at work: what this imports takes as long as bwrap needs to make the sandbox.
    from magpkg.launch.supervise import let_go, supervise

    try:
        status = supervise(waiting, words[0], held, tied=plan.tied)
    except CommandNotStarted:
        import os

        from magpkg.launch.plan import TRIED, sum_of

        let_go(waiting)
        posix.close(held)
        os.environ[TRIED] = sum_of((*plan.options, *words))
        return None  # the long way finds out why
    stamp(held)
    return status
