"""`magpkg tree`, `magpkg why` and `magpkg graph`: the dependencies of a manifest's packages."""

import os
from typing import TYPE_CHECKING

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import download_line, speaker, tell, tell_json
from magpkg.errors import MagpkgError
from magpkg.inspection.outline import Node, Outline, dot_lines, mermaid_lines, outline, tree_lines, without_shortcuts
from magpkg.manifest.field import near

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs

_FORMATS = {"dot": dot_lines, "mermaid": mermaid_lines}


@click.command()
@options.manifest_options
@options.json_option
@options.debug_option
def tree(
    given: "Inputs",
    as_json: bool,
) -> None:
    """Show the packages, each above what it needs."""
    drawn = _outline(given)
    if as_json:
        nodes = {key: _plain(node) | {"depends": list(node.depends)} for key, node in drawn.nodes.items()}
        tell_json({"roots": list(drawn.roots), "packages": nodes})
        return
    for line in tree_lines(drawn):
        tell(line)


@click.command()
@options.manifest_options
@options.json_option
@options.debug_option
@click.argument("package", shell_complete=completion.locked_names)
def why(
    given: "Inputs",
    as_json: bool,
    package: str,
) -> None:
    """Show why PACKAGE is part of a venv.

    Told is the shortest path to it from each package that the manifest names.
    """
    drawn = _outline(given)
    found = drawn.named(package)
    if not found:
        close = near(package, sorted({node.name for node in drawn.nodes.values()}))
        raise MagpkgError(f"{package} is not in the closure", f"did you mean {close}?" if close else None)
    paths = [path for node in found for path in drawn.shortest_paths(node.key)]
    if as_json:
        plain = [[_plain(node) for node in path] for path in paths]
        tell_json({"package": package, "paths": plain})
        return
    for path in paths:
        tell(" -> ".join(str(node) for node in path))


@click.command()
@options.manifest_options
@click.option("--format", "style", type=click.Choice([*_FORMATS, "svg"]), default="dot", help="What to write.")
@options.offline_option
@options.quiet_option
@options.debug_option
def graph(
    given: "Inputs",
    style: str,
    offline: bool,
    quiet: bool,
) -> None:
    """Write the graph of the packages, or draw it.

    It is for graphviz or mermaid to draw, or a picture.

    The picture, svg, is drawn by graphviz in a venv of its own, which is made the first time.
    """
    drawn = _outline(given)
    if style == "svg":
        _print_svg(drawn, offline=offline, quiet=quiet)
        return
    for line in _FORMATS[style](drawn):
        tell(line)


def _print_svg(drawn: Outline, *, offline: bool, quiet: bool) -> None:
    from magpkg.commands.diagram import print_svg
    from magpkg.fetch.transport import Transport

    environment = dict(os.environ)
    host = options.host(environment, "/")
    transport = Transport(environment, "/", offline=offline, progress=download_line(quiet=quiet))
    lines = dot_lines(without_shortcuts(drawn))
    print_svg(lines, options.entered_store(environment), host, transport, speaker(quiet=quiet))


def _outline(
    given: "Inputs",
) -> Outline:
    manifest, _ = options.manifest(given)
    return outline(manifest.packages)


def _plain(node: Node) -> dict[str, object]:
    return {"name": node.name, "version": node.version, "hash": node.key}
