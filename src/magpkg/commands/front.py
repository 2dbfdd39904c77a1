"""The command line's front: finds the command, runs it, turns whatever it ends in into an exit status.

Each command is in a module beside this one, which is imported only when it is called.
"""

import importlib
import signal
import sys
from collections.abc import Callable

import click

from magpkg.commands.catalogue import COMMANDS, GROUPS
from magpkg.commands.terminal import fail, finish, misused, say, take_over
from magpkg.errors import CommandNotStarted, MagpkgError, storage_hint, working_directory_gone
from magpkg.launch.plan import split_command

OWN_FAILURE = 125
"""The status of `magpkg venv` and `run` for their own failures; any other is a command's, 126 and 127 a shell's."""

INTERRUPTED = -signal.SIGINT

_ENTERING = (["venv"], ["run"])
_MAKING = ("venv", "run", "shim", "fetch", "build", "export")


class _LateGroup(click.Group):
    """A group that imports a command when it is asked for, and knows what other words were meant to be."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and not ctx.resilient_parsing:
            raise _unknown(args[0], ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                rows = [(name, self._line(ctx, name, formatter.width - width - 4)) for name in commands]
                formatter.write_dl([(name.ljust(width), line) for name, line in rows])

    def _line(self, ctx: click.Context, name: str, width: int) -> str:
        command = self.get_command(ctx, name)
        return command.get_short_help_str(width) if command is not None else ""


def _unknown(word: str, context: click.Context) -> click.UsageError:
    from magpkg.commands.catalogue import meant
    from magpkg.commands.terminal import printable

    likely = " or ".join(f"magpkg {command}" for command in meant(word))
    advice = f"did you mean {likely}?" if likely else "magpkg --help lists the commands"
    return click.UsageError(f"there is no command {printable(word)}; {advice}", context)


@click.group(cls=_LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, given: _show_version(context) if given else None,
    help="Show the versions of magpkg, Jsonnet and bwrap.",
)
def magpkg() -> None:
    """Reproducible development environments from one manifest.

    \b
    magpkg init python3 make      a manifest for this directory, and its lock
    magpkg venv                   a shell in the environment
    magpkg venv -- make test      one command in it
    """


def _show_version(context: click.Context) -> None:
    from magpkg.commands.version import show_version

    if not context.resilient_parsing:
        show_version()
        context.exit()


def main() -> int:
    """Run magpkg with the process's arguments: its exit status, or -n where signal n ended the command, or magpkg."""
    take_over()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it, and the command is to inherit it
            signal.signal(number, _end_on_signal)
    status = _status(lambda: magpkg.main(prog_name="magpkg", standalone_mode=False))
    if status < 0:
        finish()
    return status


def _status(run: Callable[[], object]) -> int:
    """Run a command and return its exit status; errors are printed on the way."""
    debug = "--debug" in split_command(sys.argv)[0]
    own_failure = OWN_FAILURE if sys.argv[1:2] in _ENTERING else 1
    try:
        status = run()
        return status if isinstance(status, int) else 0
    except click.UsageError as error:
        misused(error)
        return max(2, own_failure)
    except CommandNotStarted as error:
        return fail(error, error.status, debug=debug)
    except MagpkgError as error:
        return fail(error, own_failure, debug=debug)
    except OSError as error:
        return fail(_explained(error), own_failure, debug=debug)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else own_failure
    except (click.Abort, KeyboardInterrupt):
        making = sys.argv[1:2] and sys.argv[1] in _MAKING
        say("interrupted; what is fetched and made is kept" if making else "interrupted")
        return INTERRUPTED


def _explained(error: OSError) -> MagpkgError:
    """What can show anywhere: a full disk, a lost file system or directory. All else is a MagpkgError by now."""
    if isinstance(error, FileNotFoundError) and error.filename is None:  # as of getcwd(3)
        return working_directory_gone()
    named = f"{error.filename}: " if error.filename else ""
    return MagpkgError(f"{named}{error.strerror or error}", storage_hint(error))


def _end_on_signal(number: int, _frame: object) -> None:
    # As an exception, so that work in progress is removed on the way out.
    sys.exit(-number)
