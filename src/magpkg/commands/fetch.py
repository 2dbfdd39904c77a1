"""`magpkg fetch`."""

import os
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import download_line, say, speaker

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs


@click.command()
@options.manifest_options
@options.offline_option
@options.quiet_option
@options.debug_option
def fetch(
    given: "Inputs",
    offline: bool,
    quiet: bool,
) -> None:
    """Download what a venv is made from; make nothing.

    Afterwards `magpkg build` and `magpkg venv` with the same manifest need no network, which --offline promises them.
    """
    from magpkg.fetch.fetch import Fetcher
    from magpkg.fetch.transport import Transport
    from magpkg.making.realise import fetch_missing

    environment = dict(os.environ)
    store = options.own_store(environment)
    manifest, evaluated = options.manifest(given)
    fetcher = Fetcher(
        store, Transport(environment, evaluated.directory, offline=offline, progress=download_line(quiet=quiet))
    )
    with store.reading():
        fetch_missing(manifest.closure(), store, fetcher, speaker(quiet=quiet))
    if not quiet:
        say("everything that the manifest needs is in the store")
