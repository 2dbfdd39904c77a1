"""Evaluation: a Jsonnet expression, or a Jsonnet, JSON or YAML file, becomes a plain value.

What is data is parsed here; what is a program, see program.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from magpkg.errors import MagpkgError
from magpkg.evaluation.inputs import Inputs, LockStandIn
from magpkg.evaluation.program import DATA_DIRECTORY, Program
from magpkg.manifest.field import nearest, shown
from magpkg.manifest.manifest import read_presets, read_suites
from magpkg.manifest.package import PackageGraph
from magpkg.manifest.sources import MANIFEST_NAMES, Sources, find_manifest

_PRESETS = "(import 'magpkg/magpkg.libsonnet').host"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """An evaluation's plain value, what it came from, and the directory that relative paths in it are seen from.

    `origin` is the manifest's file, or says that there is none.
    """

    value: object
    origin: str
    directory: str
    sources: Sources

    @property
    def name(self) -> str:
        """What people call this manifest: its file, or its directory where every project's file has that name."""
        file = os.path.basename(self.origin) if os.path.isabs(self.origin) else MANIFEST_NAMES[0]
        return os.path.basename(self.directory) if file in MANIFEST_NAMES else file.partition(".")[0]


def evaluate(inputs: Inputs, graph: PackageGraph, stand_in: LockStandIn | None = None) -> Evaluated:
    """The plain value of `inputs`; packages made on the way are registered in `graph`.

    Where the manifest reads the lock file that `stand_in` stands for, it gets what that offers, file or no file.
    Raises MagpkgError with the evaluator's own message and place for whatever fails.
    """
    evaluated = _evaluated(inputs, graph, stand_in, "")
    value = evaluated.value
    names = read_presets(value.get("presets")) if isinstance(value, dict) else ()
    return replace(evaluated, value=_with_presets(value, names, evaluated.sources)) if names else evaluated


def _with_presets(value: object, names: Sequence[str], sources: Sources) -> object:
    """A plain value with what the presets of these names add to it, as `+ magpkg.host.NAME` does in a program."""
    jsonnet = Program(Inputs(), PackageGraph(), sources)
    known = jsonnet.run("<presets>", f"std.objectFields({_PRESETS})")
    assert isinstance(known, list)  # noqa: S101 - for the type checker
    for index, name in enumerate(names):
        if name not in known:
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            raise MagpkgError(f"venv.presets[{index}]: there is no preset {shown(name)}", hint)
    text = " + ".join([json.dumps(value), *(f"presets[{json.dumps(name)}]" for name in names)])
    return jsonnet.run("<presets>", f"local presets = {_PRESETS}; {text}")


def suites_of(inputs: Inputs) -> tuple[str, ...]:
    """The suites that a manifest names; of a program nothing else is evaluated for it, so no lock need be there.

    A manifest that is a function of outside arguments names none here: what it will have is known when it is called.
    """
    value = _evaluated(inputs, PackageGraph(), None, "suites").value
    return read_suites(value.get("suites") if isinstance(value, dict) else None)


def _evaluated(inputs: Inputs, graph: PackageGraph, stand_in: LockStandIn | None, only: str) -> Evaluated:
    """As `evaluate`; where a field is named by `only`, a program's value is an object with at most that."""
    sources = Sources((DATA_DIRECTORY, *inputs.import_path))
    jsonnet = Program(inputs, graph, sources, stand_in)
    if inputs.expression is not None:
        value = jsonnet.run("<expression>", _only(inputs.expression, only))
        return Evaluated(value, f"an expression in {os.getcwd()}", os.getcwd(), sources)
    if inputs.file is None:
        path = find_manifest(os.getcwd(), sources)
    else:
        path = inputs.file
        if inputs.found:
            sources.guard(path)
        else:
            sources.owners = sources.owners.with_those_of(path)
    text = sources.read_text(path)
    value = parse_plain(path, text) if is_plain(path) else jsonnet.run(os.path.abspath(path), _only(text, only))
    path = os.path.abspath(path)
    return Evaluated(value, path, os.path.dirname(path), sources)


def _only(text: str, name: str) -> str:
    """The program `text`, or one that evaluates the field `name` of it and no other; lines keep their numbers."""
    if not name:
        return text
    has = f"std.isObject(manifest) && std.objectHasAll(manifest, '{name}')"
    return f"local manifest = ({text}\n); if {has} then {{ {name}: manifest.{name} }} else {{}}"


def is_plain(path: str) -> bool:
    """Whether a manifest of this name is JSON or YAML, which is data and no program."""
    return path.endswith((".json", ".yaml", ".yml"))


def parse_plain(path: str, text: str) -> object:
    """What the text of a JSON or YAML manifest comes to; errors name `path` and the place in it."""
    if not path.endswith(".json"):
        from magpkg.evaluation import yamltext

        return yamltext.load(path, text)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise MagpkgError(f"{path}: is nested too deeply") from error
    except ValueError as error:
        raise MagpkgError(f"{path}: {error}") from error
