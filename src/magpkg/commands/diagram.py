"""Diagrams: a graph in the language of graphviz to a picture, drawn by graphviz in a venv of its own."""

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from magpkg.errors import MagpkgError
from magpkg.evaluation.evaluate import evaluate
from magpkg.evaluation.inputs import Inputs
from magpkg.evaluation.program import DATA_DIRECTORY
from magpkg.launch import supervise
from magpkg.launch.hostfiles import HostFiles
from magpkg.making.venv import Host, draw, ensure
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.fetch.transport import Transport

_MANIFEST = f"{DATA_DIRECTORY}/magpkg/tools/dot.jsonnet"
_ORIGIN = "magpkg graph --format svg"  # for magpkg list


def print_svg(
    lines: Iterable[str], store: Store, host: Host, transport: "Transport", report: Callable[[str], None]
) -> None:
    """Draw the graph to standard output as SVG. Takes standard input for itself."""
    graph = PackageGraph()
    manifest = read_manifest(evaluate(Inputs(file=_MANIFEST), graph).value, graph)
    path, held = ensure(manifest, store, host, transport, report)
    store.note_origin(os.path.basename(path), _ORIGIN)
    sandbox = draw(manifest, f"{path}/rootfs", host, HostFiles(), start="/").sandbox
    text = os.memfd_create("graph", os.MFD_CLOEXEC)
    with open(text, "wb") as file:
        file.writelines(f"{line}\n".encode() for line in lines)
        file.flush()
        os.lseek(text, 0, os.SEEK_SET)
        os.dup2(text, 0)
    status = supervise.run(host.bwrap, sandbox.arguments(), ["dot", "-Tsvg"], held)
    if status != 0:
        raise MagpkgError(f"dot: cannot draw the graph: exit status {status}")
