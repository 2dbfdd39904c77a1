"""The one writer: all that magpkg says passes here, and nothing of a stranger's reaches a terminal as a command to it.

Part of the command line.
"""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, TextIO

from magpkg.errors import MagpkgError

if TYPE_CHECKING:
    from click import UsageError

    from magpkg.debian.lockfile import Lock


def say(message: str) -> None:
    """Print a message of magpkg's own to standard error; standard output is the command's."""
    _write(sys.stderr, f"magpkg: {_printable_lines(message)}\n")


def tell(text: str) -> None:
    """Print one line of facts to standard output, for people; what is exact is JSON."""
    _write(sys.stdout, f"{printable(text)}\n")


def tell_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of facts as columns; on a terminal the last column ends where the terminal does."""
    import shutil

    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    end = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        tell("  ".join(cells).rstrip()[:end])


def tell_json(facts: Mapping[str, object]) -> None:
    """Print facts to standard output for programs; `version` says that no field has changed its meaning since."""
    import json

    # All but ASCII is escaped by json, and this one character of ASCII by no one else.
    _write(sys.stdout, json.dumps({"version": 1, **facts}, indent=2).replace("\x7f", "\\u007f") + "\n")


def tell_code(text: str) -> None:
    """Print code of magpkg's own, for a shell to read, as it is; what it quotes of others must be quoted by then."""
    sys.stdout.buffer.write(os.fsencode(text))  # paths in it may be no text
    sys.stdout.buffer.flush()


def standard_output() -> BinaryIO:
    """Standard output for bytes that are no text, such as an archive; a terminal is nothing for them."""
    if sys.stdout.isatty():
        raise MagpkgError("an archive is nothing for a terminal", "add -o FILE, or | podman load")
    return sys.stdout.buffer


def finish() -> None:
    """Have what was printed be on its way, before a signal ends this process."""
    sys.stdout.flush()


def is_watched() -> bool:
    """Whether somebody reads what is said: standard error is a terminal."""
    return sys.stderr.isatty()


def take_over() -> None:
    """Let neither libraries nor Python write to the terminal by themselves: what they say may quote a stranger."""
    import logging

    sys.excepthook = lambda kind, error, trace: _write(
        sys.stderr, _printable_lines("".join(traceback.format_exception(kind, error, trace)))
    )
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(True)


def _write(stream: TextIO, text: str) -> None:
    """Write text; what the locale cannot say comes out as a question mark, never as an error."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()


def speaker(*, quiet: bool) -> Callable[[str], None]:
    """Where the steps report what they do: `say`, or nowhere."""
    return (lambda _: None) if quiet else say


def show_lock(path: str, old: "Lock | None", new: "Lock") -> None:
    """Print what a lock has that the one before had not, and how large it is."""
    from magpkg.debian.candidate import lower
    from magpkg.debian.lockfile import changes

    if old is not None:
        for line in changes(old.pins, new.pins):
            tell(line)
        down = lower(old.pins, new.pins)
        if down:
            named = ", ".join(f"{name} {old.pins[name].version} -> {new.pins[name].version}" for name in down[:5])
            more = f" and {len(down) - 5} more" if len(down) > 5 else ""
            say(f"warning: to a lower version, which may lack fixes: {named}{more}")
    say(f"{path}: {len(new.pins)} packages for {len(new.names)} name{'s' if len(new.names) != 1 else ''}")


def fail(error: MagpkgError, status: int, *, debug: bool = False) -> int:
    """Print an error in magpkg's one way and return the exit status it is to have."""
    if debug:
        _write(sys.stderr, _printable_lines(traceback.format_exc()) + "\n")
    if error.detail:
        _write(sys.stderr, _printable_lines(error.detail) + "\n")
    say(f"error: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    return status


def size(count: int) -> str:
    """A number of bytes for people to read."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def age(seconds: float) -> str:
    """A span of time for people to read, in its largest unit."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "a moment"


def printable(text: str) -> str:
    """Text of strangers without what a terminal would take for a command."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def misused(error: "UsageError") -> None:
    """Print what is wrong with a command line, as click has it."""
    from click.exceptions import NoArgsIsHelpError

    context = error.ctx
    if isinstance(error, NoArgsIsHelpError):
        _write(sys.stderr, f"{error.format_message()}\n")
        return
    if context is not None:
        help_option = max(context.command.get_help_option_names(context), key=len, default="")
        hint = f"Try '{context.command_path} {help_option}' for help.\n" if help_option else ""
        _write(sys.stderr, f"{context.get_usage()}\n{hint}\n")
    _write(sys.stderr, f"Error: {_printable_lines(error.format_message())}\n")


def _printable_lines(text: str) -> str:
    return "\n".join(printable(line.expandtabs()) for line in text.split("\n"))


def _draw(text: str) -> None:
    """Let `text` be the terminal's last line, in place of what was drawn there before."""
    import shutil

    width = shutil.get_terminal_size().columns - 1
    _write(sys.stderr, f"\r{printable(text[:width])}\x1b[K")


class DownloadLine:
    """A line on a terminal that tells how downloads go on: files, bytes, rate, time left, and what is on its way."""

    _INTERVAL = 0.1  # seconds between two forms of the line

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files = self._done = self._bytes = 0
        self._started = self._shown = 0.0
        self._open: dict[str, tuple[int, int]] = {}

    def begin(self, files: int) -> None:
        """See transport.Progress."""
        self._files, self._started = files, time.monotonic()

    def received(self, url: str, position: int, size: int) -> None:
        """See transport.Progress."""
        with self._lock:
            self._bytes += position - self._open.get(url, (0, 0))[0]
            self._open[url] = (position, size)
            now = time.monotonic()
            if now - self._shown >= self._INTERVAL:
                self._shown = now
                _draw(self._text(now))

    def finished(self, url: str) -> None:
        """See transport.Progress."""
        with self._lock:
            self._done += 1
            self._open.pop(url, None)

    def end(self) -> None:
        """See transport.Progress."""
        with self._lock:
            if self._shown:
                _draw("")

    def _text(self, now: float) -> str:
        seconds = max(now - self._started, 0.001)
        parts = [f"{self._done} of {self._files} files", size(self._bytes), f"{size(int(self._bytes / seconds))}/s"]
        if self._done:
            parts.append(f"{age(seconds / self._done * (self._files - self._done))} left")
        files = [
            f"{url.rpartition('/')[2]}{f' {at * 100 // whole}%' if whole else ''}"
            for url, (at, whole) in self._open.items()
        ]
        return f"magpkg: {', '.join(parts)}: {', '.join(sorted(files)[:3])}"


def download_line(*, quiet: bool) -> DownloadLine | None:
    """The line for downloads where somebody watches: standard error is a terminal, and quiet was not asked for."""
    return None if quiet or not sys.stderr.isatty() else DownloadLine()


def status_line(*, quiet: bool) -> Callable[[str], None]:
    """Where the steps report how far they are: a line that changes where somebody watches, or nowhere."""
    if quiet or not sys.stderr.isatty():
        return lambda _: None
    return lambda text: _draw(f"magpkg: {text}" if text else "")
