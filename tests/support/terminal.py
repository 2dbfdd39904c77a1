"""A real terminal for a test to type at."""

import os
import pty
import re
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress


class Terminal:
    """A process on a real terminal of its own, typed to and read from."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], directory: str) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(directory)
                os.execvpe(words[0], list(words), dict(environment))  # noqa: S606 - a terminal of its own needs it
            finally:
                os._exit(99)
        self.seen = ""

    def type(self, text: str) -> None:
        """Type `text`; control characters reach the terminal's line discipline."""
        os.write(self._master, text.encode())

    def expect(self, pattern: str, seconds: float = 30.0) -> str:
        """Read until `pattern` shows in what was printed since the last match; returns everything up to its end."""
        end = time.monotonic() + seconds
        while True:
            match = re.search(pattern, self.seen)
            if match:
                seen, self.seen = self.seen[: match.end()], self.seen[match.end() :]
                return seen
            ready, _, _ = select.select([self._master], [], [], max(0.0, end - time.monotonic()))
            data = b""
            if ready:
                with suppress(OSError):
                    data = os.read(self._master, 65536)
            assert data, f"{pattern!r} did not show; there was {self.seen!r}"
            self.seen += data.decode(errors="replace")

    def interrupt(self, pattern: str) -> None:
        """Press Ctrl-C until `pattern` shows.

        Once is not always enough for Python: a signal between its prompt and its wait for a key is acted on with the
        next key (readline_until_enter_or_signal in CPython's Modules/readline.c).
        """
        for _ in range(20):
            self.type("\x03")
            with suppress(AssertionError):
                self.expect(pattern, 1.0)
                return
        raise AssertionError(f"{pattern!r} did not show; there was {self.seen!r}")

    def wait(self, seconds: float = 30.0) -> int:
        """The exit status, after everything was read."""
        with suppress(OSError):
            while select.select([self._master], [], [], seconds)[0] and os.read(self._master, 65536):
                pass
        assert select.select([os.pidfd_open(self.pid)], [], [], seconds)[0], f"still runs; there was {self.seen!r}"
        _, code = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(code)

    def close(self) -> None:
        """End what still runs."""
        if self.pid:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._master)
