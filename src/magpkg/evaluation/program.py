"""Programs: a text in Jsonnet is run, and what it hands over on the way is taken.

The only module that knows Jsonnet. Package definitions arrive through native callbacks while the evaluation runs, since
JSON, which is what an evaluation ends in, cannot share: a dependency named twice would come out twice.
"""

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.evaluation.inputs import Inputs, LockStandIn
from magpkg.evaluation.stack import check_length, roomy
from magpkg.manifest.field import near
from magpkg.manifest.package import REFERENCE_FIELD, PackageGraph
from magpkg.manifest.sources import Sources

DATA_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data")
"""Where `import 'magpkg/...'` is looked up, and nowhere else; holds the folder `magpkg`."""

CORE_LOCK = f"{DATA_DIRECTORY}/magpkg/packages/core.lock.json"
"""The lock of the packages that ship."""

SHIPPED = "magpkg/"
"""How the names of imports begin that are magpkg's own. What is here, or on an import path, is never taken for them."""

LOCK_ENDING = ".lock.json"

_MISSING_FIELD = re.compile(r"(?i)field does not exist: (\S+)")

# Frames of the evaluator, not bytes: a chain of 1,000 packages needs some 10 frames a package.
_STACK_FRAMES_MAX = 20_000
# Values of the evaluator that may come to be before it looks for those of no more use, some 100 MB. It walks all that
# are left each time, and what a graph of packages holds does not fit into a processor's cache: twice the packages would
# take 2.7 times as long with its own 1,000.
_VALUES_UNSWEPT = 500_000
# A package may be varied by one that it then stands below (a bootstrap compiler), but not without end.
_SAME_NAME_DEPTH_MAX = 16


def evaluator_version() -> str:
    """The version of the Jsonnet evaluator."""
    import _jsonnet

    return str(_jsonnet.version).removeprefix("v")


@dataclass
class Program:
    """An evaluation of one text; packages made on the way are registered in `graph`, files read noted in `sources`."""

    inputs: Inputs
    graph: PackageGraph
    sources: Sources
    stand_in: LockStandIn | None = None
    _locked: set[str] = field(default_factory=set)
    _names: list[str] = field(default_factory=list)
    _entered: dict[str, int] = field(default_factory=dict)
    _error: MagpkgError | None = None

    def run(self, name: str, text: str) -> object:
        import _jsonnet

        check_length(name, text.encode("utf-8", "surrogateescape"))
        try:
            with _interruptible(), roomy():
                result = _jsonnet.evaluate_snippet(
                    name,
                    text,
                    max_stack=_STACK_FRAMES_MAX,
                    gc_min_objects=_VALUES_UNSWEPT,
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
        self._entered[name] = self._entered.get(name, 0) + 1
        if self._entered[name] > _SAME_NAME_DEPTH_MAX:
            first = len(self._names) - 2 - self._names[-2::-1].index(name)
            circle = " -> ".join(self._names[first:])
            raise MagpkgError(f"package {name}: depends on itself: {circle}")
        return True

    def _package(self, definition: str) -> str:
        package = self.graph.define(json.loads(definition), "package")
        self._entered[self._names.pop()] -= 1
        return self.graph.register(package)

    def _lockset(self, text: str) -> dict[str, object]:
        from magpkg.debian.lockset import lockset, note_data

        if self.stand_in is not None and text == self.stand_in.text:
            offered = self.stand_in.lockset()
            self._locked.update(offered)
            return {"packages": {name: {REFERENCE_FIELD: key} for name, key in offered.items()}, "base": []}
        note_data(self.sources)
        locked = lockset(text)
        self._locked.update(locked.packages)
        references = {name: {REFERENCE_FIELD: self.graph.register(item)} for name, item in locked.packages.items()}
        return {"packages": references, "base": list(locked.base)}

    def _import(self, directory: str, relative: str) -> tuple[str, bytes]:
        if relative.startswith(SHIPPED):
            return self._import_shipped(relative)
        bases = (directory, *self.inputs.import_path)
        path = self.sources.find(os.path.abspath(os.path.join(base, relative)) for base in bases)
        if path is not None:
            content = self.sources.read(path)
            try:
                check_length(path, content)
            except MagpkgError as error:
                raise self._failed(error.message, error.hint) from error
            return path, content
        if self.stand_in is not None and os.path.abspath(os.path.join(directory, relative)) == self.stand_in.path:
            return self.stand_in.path, self.stand_in.text.encode()
        message = f"no such file in the importing folder or the import path: {relative}"
        raise self._failed(message, "run magpkg lock, which makes it" if relative.endswith(LOCK_ENDING) else None)

    def _import_shipped(self, relative: str) -> tuple[str, bytes]:
        path = os.path.abspath(os.path.join(DATA_DIRECTORY, relative))
        if path.startswith(f"{DATA_DIRECTORY}/{SHIPPED}") and os.path.isfile(path):
            return path, self.sources.read(path)
        hint = f"names that begin with {SHIPPED} are magpkg's own; a folder of yours of that name is ./{SHIPPED}"
        raise self._failed(f"magpkg ships no such file: {relative}", hint)

    def _failed(self, message: str, hint: str | None) -> MagpkgError:
        """The error, which waits here until the evaluator comes back, as in `_reporting`."""
        self._error = MagpkgError(message, hint)
        return self._error

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
        if name == "override":
            return "a package of a lock is as Debian made it; magpkg.package makes one that can be varied"
        asked = f"did you mean {close}?" if close else ""
        if self.stand_in is not None:
            return asked or "the suite has no package of that name"
        return f"if {name} is a Debian package, run magpkg lock, which adds it" + (f"; or {asked}" if asked else "")


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
