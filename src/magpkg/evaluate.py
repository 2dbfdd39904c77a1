"""Evaluation: a Jsonnet expression, or a Jsonnet, JSON or YAML file, becomes a plain value.

The only module that knows Jsonnet. Package definitions arrive through native callbacks while the evaluation runs, since
JSON, which is what an evaluation ends in, cannot share: a dependency named twice would come out twice.
"""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.package import REFERENCE_FIELD, PackageGraph
from magpkg.plan import identity

DATA_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data")
"""What `import 'magpkg/...'` is looked up in last; holds the folder `magpkg`."""

MANIFEST_NAMES = ("magpkg.jsonnet", "magpkg.json", "magpkg.yaml", "magpkg.yml")

# Frames of the evaluator, not bytes: a chain of 1,000 packages needs some 10 frames a package.
_STACK_FRAMES_MAX = 20_000
# A package may be varied by one that it then stands below (a bootstrap compiler), but not without end.
_SAME_NAME_DEPTH_MAX = 16


@dataclass(frozen=True, slots=True)
class Inputs:
    """What an evaluation starts from: an expression or a file, the import path and the outside arguments."""

    expression: str | None = None
    file: str | None = None
    import_path: tuple[str, ...] = ()
    external: tuple[tuple[str, str], ...] = ()
    top_level: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation's plain value, the directory that relative paths in it are seen from, and what it came from.

    `inputs` has the identity of each file that was read; `absent` the paths where a file, were there one, would have
    been read instead.
    """

    value: object
    directory: str
    inputs: Mapping[str, str]
    absent: Sequence[str]


def evaluate(inputs: Inputs, graph: PackageGraph) -> Evaluated:
    """The plain value of `inputs`; packages made on the way are registered in `graph`.

    Raises MagpkgError with the evaluator's own message and place for whatever fails.
    """
    sources = _Sources()
    if inputs.expression is not None:
        value = _Evaluation(inputs, graph, sources).run("<expression>", inputs.expression)
        return Evaluated(value, os.getcwd(), sources.read_files, sources.absent)
    path = inputs.file or _nearest_manifest(os.getcwd(), sources)
    text = _text(path, sources.read(path))
    if path.endswith((".yaml", ".yml")):
        value = _parse_yaml(path, text)
    elif path.endswith(".json"):
        value = _parse_json(path, text)
    else:
        value = _Evaluation(inputs, graph, sources).run(os.path.abspath(path), text)
    return Evaluated(value, os.path.dirname(os.path.abspath(path)), sources.read_files, sources.absent)


class _Sources:
    """The files that an evaluation read, and those that it looked for in vain."""

    def __init__(self) -> None:
        self.read_files: dict[str, str] = {}
        self.absent: list[str] = []

    def find(self, candidates: Iterable[str]) -> str | None:
        for path in candidates:
            if os.path.isfile(path):
                return path
            if not os.path.exists(path):
                self.absent.append(os.path.abspath(path))
        return None

    def read(self, path: str) -> bytes:
        try:
            # Before it is read: a change in between then shows as one that came later.
            self.read_files.setdefault(os.path.abspath(path), identity(path))
            with open(path, "rb") as file:
                return file.read()
        except OSError as error:
            raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error


def _nearest_manifest(directory: str, sources: _Sources) -> str:
    folders = [directory]
    while folders[-1] != os.path.dirname(folders[-1]):
        folders.append(os.path.dirname(folders[-1]))
    found = sources.find(os.path.join(folder, name) for folder in folders for name in MANIFEST_NAMES)
    if found is None:
        hint = "write one, or name a manifest with -f FILE or -e EXPRESSION"
        raise MagpkgError(f"no {MANIFEST_NAMES[0]} in {directory} or above it", hint)
    return found


@dataclass
class _Evaluation:
    inputs: Inputs
    graph: PackageGraph
    sources: _Sources
    _names: list[str] = field(default_factory=list)
    _error: MagpkgError | None = None

    def run(self, name: str, text: str) -> object:
        import _jsonnet

        try:
            with _interruptible():
                result = _jsonnet.evaluate_snippet(
                    name,
                    text,
                    max_stack=_STACK_FRAMES_MAX,
                    ext_vars=dict(self.inputs.external),
                    tla_vars=dict(self.inputs.top_level),
                    import_callback=self._import,
                    native_callbacks=self._natives(),
                )
            return json.loads(result)
        except RecursionError as error:
            raise MagpkgError(f"{name}: the value is nested too deeply") from error
        except RuntimeError as error:
            raise self._explained(str(error)) from error
        except UnicodeError as error:
            raise MagpkgError(f"{name}: the manifest and its arguments must be UTF-8 text") from error

    def _natives(self) -> dict[str, tuple[tuple[str, ...], Callable[..., object]]]:
        return {
            "magpkg.enter": (("name",), self._reporting(self._enter)),
            "magpkg.package": (("definition",), self._reporting(self._package)),
            "magpkg.lockset": (("text",), self._reporting(self._lockset)),
        }

    def _reporting(self, callback: Callable[[str], object]) -> Callable[[str], object]:
        # Only the text of an exception passes through the evaluator, so the error itself waits here.
        def call(argument: str) -> object:
            try:
                return callback(argument)
            except MagpkgError as error:
                self._error = error
                raise

        return call

    def _enter(self, name: str) -> bool:
        self._names.append(name)
        if self._names.count(name) > _SAME_NAME_DEPTH_MAX:
            first = len(self._names) - 2 - self._names[-2::-1].index(name)
            circle = " -> ".join(self._names[first:])
            raise MagpkgError(f"package {name}: depends on itself: {circle}")
        return True

    def _package(self, definition: str) -> str:
        package = self.graph.define(json.loads(definition), "package")
        self._names.pop()
        return self.graph.register(package)

    def _lockset(self, text: str) -> dict[str, dict[str, str]]:
        from magpkg.debian import FIXUP_DIRECTORY, lockset_packages

        for name in ("", *os.listdir(FIXUP_DIRECTORY)):
            path = os.path.join(FIXUP_DIRECTORY, name)
            self.sources.read_files[path] = identity(path)
        packages = lockset_packages(text)
        return {name: {REFERENCE_FIELD: self.graph.register(package)} for name, package in packages.items()}

    def _import(self, directory: str, relative: str) -> tuple[str, bytes]:
        bases = (directory, *self.inputs.import_path, DATA_DIRECTORY)
        path = self.sources.find(os.path.abspath(os.path.join(base, relative)) for base in bases)
        if path is not None:
            return path, self.sources.read(path)
        raise MagpkgError(f"no such file in the importing folder, the import path or magpkg: {relative}")

    def _explained(self, text: str) -> MagpkgError:
        headline, _, trace = text.strip().partition("\n")
        message = headline.removeprefix("RUNTIME ERROR: ").removeprefix("STATIC ERROR: ")
        place = _place(trace)
        if self._error is not None:
            return MagpkgError(f"{place}{self._error.message}", self._error.hint)
        if message.startswith("max stack frames exceeded") and self._names:
            return MagpkgError(
                f"{place}package {self._names[0]}: evaluation does not end", "does something name itself?"
            )
        return MagpkgError(f"{place}{message}")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let signals end the process at once: the evaluator comes back to Python, and its handlers, only when it is done.

    Nothing has been made yet that would have to be removed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.getsignal(number) for number in numbers}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _place(trace: str) -> str:
    """The innermost place in the evaluator's trace that is the user's, as `file:line:column: `, or nothing."""
    for line in trace.splitlines():
        place = line.strip().split("\t")[0].split(" ")[0]
        if ":" in place and not place.startswith(DATA_DIRECTORY):
            return f"{place}: "
    return ""


def _text(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MagpkgError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def _reason(error: Exception) -> str:
    return "is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _parse_json(path: str, text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MagpkgError(f"{path}: {_reason(error)}") from error


def _parse_yaml(path: str, text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except (ValueError, RecursionError) as error:
        raise MagpkgError(f"{path}: {_reason(error)}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise MagpkgError(f"{place}: {getattr(error, 'problem', None) or error}") from error
