"""`magpkg build`."""

import os
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import download_line, speaker, status_line, tell

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs


@click.command()
@options.manifest_options
@options.jobs_option
@options.offline_option
@options.quiet_option
@options.debug_option
def build(
    given: "Inputs",
    jobs: int | None,
    offline: bool,
    quiet: bool,
) -> None:
    """Make the packages of a manifest; start nothing.

    Prints where the tree of each package that the manifest names is, one a line, in the manifest's order.
    """
    from magpkg.fetch.transport import Transport
    from magpkg.making.venv import make_packages

    environment = dict(os.environ)
    store = options.own_store(environment)
    manifest, evaluated = options.manifest(given)
    host = options.host(environment, evaluated.directory, jobs)
    transport = Transport(environment, evaluated.directory, offline=offline, progress=download_line(quiet=quiet))
    with store.reading():
        make_packages(manifest.closure(), store, host, transport, speaker(quiet=quiet), status_line(quiet=quiet))
    for package in manifest.packages:
        tell(store.package(package.tree_name))
