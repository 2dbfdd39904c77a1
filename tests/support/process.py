"""magpkg as a process, and how it ended."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

TIMEOUT = 240.0

_PASSED_ON = ("PATH", "MAGPKG_DEBIAN_MIRROR", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")


@dataclass(frozen=True)
class Outcome:
    """How a process ended and what it said."""

    status: int
    stdout: str
    stderr: str

    def checked(self) -> "Outcome":
        """Itself, after making sure that the process succeeded."""
        assert self.status == 0, f"status {self.status}\n{self.stdout}\n{self.stderr}"
        return self


@dataclass(frozen=True)
class Magpkg:
    """Runs `python -m magpkg` with an environment of its own: PATH, HOME, MAGPKG_STORE and what a test adds."""

    store: str
    home: str
    directory: str
    python: Sequence[str] = (sys.executable,)
    user: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The whole environment of a run."""
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        own = {"HOME": self.home, "MAGPKG_STORE": self.store}
        return passed | own | dict(self.variables) | dict(extra or {})

    def words(self, *arguments: str) -> list[str]:
        """The command line of a run."""
        return [*self.python, "-m", "magpkg", *arguments]

    def run(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: str = "",
    ) -> Outcome:
        """Run magpkg to its end."""
        return self.call(self.words(*arguments), env=env, cwd=cwd, stdin=stdin)

    def call(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: str = "",
        errors: str = "replace",
    ) -> Outcome:
        """Run any command to its end as its user, away from a terminal."""
        done = subprocess.run(
            words,
            env=self.environment(env),
            cwd=cwd or self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            errors=errors,
            timeout=TIMEOUT,
            check=False,
            **self._identity(),  # type: ignore[call-overload]
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def spawn(self, words: Sequence[str]) -> "subprocess.Popen[str]":
        """Start any command in a session of its own, with nothing to read and its output in pipes."""
        return subprocess.Popen(
            words,
            env=self.environment(),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def venv(self, manifest: str, *command: str, **options: object) -> Outcome:
        """Run a command in the venv of a Jsonnet expression."""
        return self.run("venv", "-e", manifest, "--", *command, **options)  # type: ignore[arg-type]

    @contextmanager
    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
        """Start magpkg with pipes; what is left of it in the end is killed."""
        with subprocess.Popen(
            self.words(*arguments),
            env=self.environment(env),
            cwd=self.directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **self._identity(),  # type: ignore[call-overload]
        ) as process:
            # A test that waits for a line that does not come fails; it does not hang.
            watchdog = threading.Timer(TIMEOUT / 4, _kill_group, [process.pid])
            watchdog.start()
            try:
                yield process
            finally:
                watchdog.cancel()
                _kill_group(process.pid)

    def _identity(self) -> dict[str, object]:
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}

    def rootfs(self, manifest: str) -> str:
        """The rootfs of a manifest's venv, which is made if it is not there."""
        venvs = f"{self.store}/venv"
        debug = self.run("venv", "--debug", "-e", manifest, "--", "/bin/true").checked().stderr
        match = re.search(re.escape(venvs) + r"/[0-9a-f]{64}/rootfs", debug)
        assert match, debug
        return match.group(0)


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
