"""Evaluation: a Jsonnet expression, or a Jsonnet, JSON or YAML file, becomes a plain value.

The only module that knows Jsonnet. Package definitions arrive through native callbacks while the evaluation runs, since
JSON, which is what an evaluation ends in, cannot share: a dependency named twice would come out twice.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.field import near
from magpkg.package import REFERENCE_FIELD, PackageGraph

DATA_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data")
"""What `import 'magpkg/...'` is looked up in last; holds the folder `magpkg`."""

MANIFEST_NAMES = ("magpkg.jsonnet", "magpkg.json", "magpkg.yaml", "magpkg.yml")

LOCK_ENDING = ".lock.json"

_MISSING_FIELD = re.compile(r"(?i)field does not exist: (\S+)")

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
    """An evaluation's plain value, and the directory that relative paths in it are seen from."""

    value: object
    directory: str


def find_manifest(directory: str) -> str:
    """The nearest manifest file in `directory` or above it."""
    current = os.path.abspath(directory)
    while True:
        for name in MANIFEST_NAMES:
            candidate = os.path.join(current, name)
            if os.path.isfile(candidate):
                return candidate
        parent = os.path.dirname(current)
        if parent == current:
            hint = "write one, or name a manifest with -f FILE or -e EXPRESSION"
            raise MagpkgError(f"no {MANIFEST_NAMES[0]} in {directory} or above it", hint)
        current = parent


class LockStandIn(Protocol):
    """What stands in for one lock file while a manifest is asked what it wants of it; see wanted.WantedNames."""

    path: str
    text: str

    def lockset(self) -> Mapping[str, str]:
        """The key of every package that there could be, by name."""


def evaluate(inputs: Inputs, graph: PackageGraph, stand_in: LockStandIn | None = None) -> Evaluated:
    """The plain value of `inputs`; packages made on the way are registered in `graph`.

    Where the manifest reads the lock file that `stand_in` stands for, it gets what that offers, file or no file.
    Raises MagpkgError with the evaluator's own message and place for whatever fails.
    """
    if inputs.expression is not None:
        return Evaluated(_Evaluation(inputs, graph, stand_in).run("<expression>", inputs.expression), os.getcwd())
    path = inputs.file or find_manifest(os.getcwd())
    text = _read_manifest(path)
    if path.endswith((".yaml", ".yml")):
        value = _parse_yaml(path, text)
    elif path.endswith(".json"):
        value = _parse_json(path, text)
    else:
        value = _Evaluation(inputs, graph, stand_in).run(path, text)
    return Evaluated(value, os.path.dirname(os.path.abspath(path)))


@dataclass
class _Evaluation:
    inputs: Inputs
    graph: PackageGraph
    stand_in: LockStandIn | None = None
    _locked: set[str] = field(default_factory=set)
    _names: list[str] = field(default_factory=list)
    _error: MagpkgError | None = None

    def run(self, name: str, text: str) -> object:
        import _jsonnet

        try:
            result = _jsonnet.evaluate_snippet(
                name,
                text,
                max_stack=_STACK_FRAMES_MAX,
                ext_vars=dict(self.inputs.external),
                tla_vars=dict(self.inputs.top_level),
                import_callback=self._import,
                native_callbacks=self._natives(),
            )
        except RuntimeError as error:
            raise self._explained(str(error)) from error
        return json.loads(result)

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
        from magpkg.debian import lockset_packages

        if self.stand_in is not None and text == self.stand_in.text:
            offered = self.stand_in.lockset()
            self._locked.update(offered)
            return {name: {REFERENCE_FIELD: key} for name, key in offered.items()}
        packages = lockset_packages(text)
        self._locked.update(packages)
        return {name: {REFERENCE_FIELD: self.graph.register(package)} for name, package in packages.items()}

    def _import(self, directory: str, relative: str) -> tuple[str, bytes]:
        for base in (directory, *self.inputs.import_path, DATA_DIRECTORY):
            path = os.path.join(base, relative)
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    return path, file.read()
        if self.stand_in is not None and os.path.abspath(os.path.join(directory, relative)) == self.stand_in.path:
            return self.stand_in.path, self.stand_in.text.encode()
        hint = "run magpkg lock, which makes it" if relative.endswith(LOCK_ENDING) else None
        message = f"no such file in the importing folder, the import path or magpkg: {relative}"
        self._error = MagpkgError(message, hint)
        raise self._error

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
        return MagpkgError(f"{place}{message}", self._hint(message))

    def _hint(self, message: str) -> str | None:
        """What to do about a field that does not exist, where it may have been meant as one of a lock set."""
        match = _MISSING_FIELD.match(message)
        if match is None or not self._locked:
            return None
        name, close = match.group(1), near(match.group(1), sorted(self._locked))
        asked = f"did you mean {close}?" if close else ""
        if self.stand_in is not None:
            return asked or "the suite has no package of that name"
        return f"if {name} is a Debian package, run magpkg lock, which adds it" + (f"; or {asked}" if asked else "")


def _place(trace: str) -> str:
    """The innermost place in the evaluator's trace that is the user's, as `file:line:column: `, or nothing."""
    for line in trace.splitlines():
        place = line.strip().split("\t")[0].split(" ")[0]
        if ":" in place and not place.startswith(DATA_DIRECTORY):
            return f"{place}: "
    return ""


def _read_manifest(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise MagpkgError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MagpkgError(f"{path}: is not UTF-8 text (byte {error.start})") from error


def _parse_json(path: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise MagpkgError(f"{path}: {error}") from error


def _parse_yaml(path: str, text: str) -> object:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise MagpkgError(f"{place}: {getattr(error, 'problem', None) or error}") from error
