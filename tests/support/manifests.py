"""Manifests and packages that tests are made of."""

import json
from collections.abc import Sequence

from magpkg.manifest.package import Package, Source, make_package


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
