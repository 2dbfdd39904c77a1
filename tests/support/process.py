"""What several tests share: the magpkg process, a real terminal, a fake file system, manifests, archives."""

import hashlib
import io
import json
import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from magpkg.manifest.package import Package, Source, make_package

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")
TIMEOUT = 240.0

_PASSED_ON = ("PATH", "MAGPKG_DEBIAN_MIRROR", "http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")


# ---- manifests and packages


def expression(packages: Sequence[str] | None = None, **fields: object) -> str:
    """A Jsonnet manifest of shipped packages: those named, else core.base; the other fields are given as values."""
    names = "core.base" if packages is None else "[" + ", ".join(f"core[{json.dumps(name)}]" for name in packages) + "]"
    return f"local core = import 'magpkg/packages/core.libsonnet'; {{ packages: {names} }} + {json.dumps(fields)}"


def package(name: str, *run: Package, build: str = "untar", make: Sequence[Package] = ()) -> Package:
    """A package of just a name and dependencies."""
    return make_package(name, build, (), run, make)


def source(filename: str = "a.tar", sha256: str = "0" * 64, *urls: str) -> Source:
    """A source, by default one that no test fetches."""
    return Source(filename, sha256, urls or ("https://files.example/a.tar",))


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def tar_bytes(members: Mapping[str, str | bytes], mode: str = "w") -> bytes:
    """A tar archive: text beginning with `-> ` is a symlink, a name ending in / a directory, anything else a file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            data = content.encode() if isinstance(content, str) else content
            info.mode = 0o755 if name.endswith("/") else 0o644
            if name.endswith("/"):
                info.type, data = tarfile.DIRTYPE, b""
            elif data.startswith(b"-> "):
                info.type, info.linkname, data = tarfile.SYMTYPE, data[3:].decode(), b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def ar_bytes(members: Mapping[str, bytes]) -> bytes:
    """An ar archive, deb(5)."""
    pieces = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        pieces += [header.encode(), data, b"\n" if len(data) % 2 else b""]
    return b"".join(pieces)


def tree_digest(root: str) -> dict[str, tuple[str | int, ...]]:
    """Everything that can be told of each path below `root`: kind, mode, time, size, links, content."""
    told: dict[str, tuple[str | int, ...]] = {}
    pending = [root]
    while pending:
        path = pending.pop()
        status = os.lstat(path)
        content = ""
        if os.path.islink(path):
            content = os.readlink(path)
        elif os.path.isdir(path):
            names = sorted(os.listdir(path))
            pending += [f"{path}/{name}" for name in names]
            content = "\n".join(names)
        elif os.path.isfile(path):
            with open(path, "rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        told[path.removeprefix(root)] = (status.st_mode, status.st_mtime_ns, status.st_size, status.st_uid, content)
    return told


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what is written there ends early, as on a full disk, and then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def certificate(directory: str) -> tuple[str, str]:
    """A new certificate for 127.0.0.1 that is its own CA, made with openssl: the paths of it and of its key."""
    made, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made]
    subprocess.run(words, check=True, capture_output=True)
    return made, key


# ---- a file system that is a dictionary


@dataclass
class DictFiles:
    """`magpkg.view.Files` by a dictionary: "dir", "file", "exe" or "-> target" by path; parents come by themselves."""

    nodes: Mapping[str, str]
    modes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole = {"/": "dir"}
        for path, node in self.nodes.items():
            parent = os.path.dirname(path)
            while parent != "/":
                whole.setdefault(parent, "dir")
                parent = os.path.dirname(parent)
            whole[path] = node
        self.nodes = whole

    def kind(self, path: str, *, follow: bool = False) -> str:
        """See magpkg.view.Files."""
        node = self.nodes.get(self.real_path(path) if follow else self._above(path))
        if node is None:
            return "missing"
        return {"dir": "directory", "file": "file", "exe": "file"}.get(node, "symlink")

    def link_target(self, path: str) -> str:
        """See magpkg.view.Files."""
        node = self.nodes[self._above(path)]
        assert node.startswith("-> ")
        return node.removeprefix("-> ")

    def names(self, path: str) -> Sequence[str]:
        """See magpkg.view.Files."""
        directory = self.real_path(os.path.normpath(path))
        return sorted(
            os.path.basename(node) for node in self.nodes if node != "/" and os.path.dirname(node) == directory
        )

    def mode(self, path: str) -> int:
        """See magpkg.view.Files."""
        return self.modes.get(path, 0o755)

    def executable(self, path: str) -> bool:
        """See magpkg.view.Files."""
        return self.nodes[self.real_path(path)] == "exe"

    def _above(self, path: str) -> str:
        """`path` without symlinks above its last part."""
        return path if path == "/" else os.path.join(self.real_path(os.path.dirname(path)), os.path.basename(path))

    def real_path(self, path: str) -> str:
        """See magpkg.view.Files."""
        for _ in range(40):
            for end in range(len(parts := path.split("/"))):
                head = "/".join(parts[: end + 1])
                node = self.nodes.get(head, "")
                if node.startswith("-> "):
                    rest = "/".join(parts[end + 1 :])
                    path = os.path.normpath(os.path.join(os.path.dirname(head), node[3:], rest))
                    break
            else:
                return path
        return path


# ---- magpkg as a process


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
