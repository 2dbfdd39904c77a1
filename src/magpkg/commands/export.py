"""`magpkg export`."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

import click

from magpkg.commands import options
from magpkg.commands.terminal import download_line, say, size, speaker, standard_output
from magpkg.errors import MagpkgError, storage_hint

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs
    from magpkg.manifest.manifest import Manifest
    from magpkg.store.store import Store

_FORMATS = ("tar", "oci", "docker")


@click.command()
@options.manifest_options
@click.option("--format", "style", type=click.Choice(_FORMATS), default="tar", help="What to write; default: tar.")
@click.option("-o", "--output", metavar="FILE", help="Write to this file; default: standard output.")
@click.option("--tag", metavar="NAME[:TAG]", help="The image's name; default: magpkg and the beginning of the hash.")
@options.jobs_option
@options.offline_option
@options.quiet_option
@options.debug_option
def export(
    given: "Inputs",
    style: str,
    output: str | None,
    tag: str | None,
    jobs: int | None,
    offline: bool,
    quiet: bool,
) -> None:
    """Write a venv as a tarball or an image.

    A tarball has its root; an image, for podman or docker, its environment too.

    The same manifest gives the same bytes on every machine.
    """
    from magpkg.fetch.transport import Transport
    from magpkg.making.venv import ensure, make_packages

    if tag is not None and style == "tar":
        raise MagpkgError("--tag names an image, which --format tar writes none of", "add --format oci or docker")
    if output is None:
        standard_output()  # which says at once where it is a terminal
    else:
        _check_directory(output)
    environment = dict(os.environ)
    store = options.entered_store(environment)
    manifest, evaluated = options.manifest(given)
    host = options.host(environment, evaluated.directory, jobs)
    transport = Transport(environment, evaluated.directory, offline=offline, progress=download_line(quiet=quiet))
    path, held = ensure(manifest, store, host, transport, speaker(quiet=quiet))
    try:
        with store.reading():
            closure = manifest.closure()
            if not all(os.path.isdir(store.package(package.tree_name)) for package in closure):
                # A venv can do without them: `magpkg verify --repair` may have moved one aside.
                make_packages(closure, store, host, transport, speaker(quiet=quiet))
            with _opened(output) as file:
                written = sum(file.write(chunk) for chunk in _chunks(style, manifest, store, path, tag))
    finally:
        os.close(held)
    if not quiet and output is not None:
        say(f"{output}: {size(written)}")


def _chunks(style: str, manifest: "Manifest", store: "Store", venv: str, tag: str | None) -> Iterator[bytes]:
    from magpkg.export.image import LAYERS_MAX, Image, architecture, docker_archive, oci_archive
    from magpkg.export.layer import check_names, join_layers, limit_layers, make_layers
    from magpkg.export.tarball import tarball
    from magpkg.inspection.outline import debian_architecture
    from magpkg.making.rootfs import Member
    from magpkg.making.venv import bare_environment
    from magpkg.sandbox.shell import bare_shell
    from magpkg.sandbox.user import ROOT

    closure = manifest.closure()
    members = [Member(package, store.package(package.tree_name)) for package in closure]
    texts = (("etc/passwd", ROOT.passwd()), ("etc/group", ROOT.group()))
    layers = make_layers(members, manifest.fs_entries, texts)
    if style == "tar":
        return tarball(join_layers(layers, whole=True).entries)
    check_names(layers)
    variables = bare_environment(manifest)
    shell = bare_shell(f"{venv}/rootfs", variables["PATH"])
    image = Image(
        tag or f"localhost/magpkg:{os.path.basename(venv)[:12]}",
        limit_layers(layers, LAYERS_MAX),
        variables,
        [os.path.basename(shell)] if shell else [],
        architecture(debian_architecture(closure)),
    )
    return oci_archive(image) if style == "oci" else docker_archive(image)


def _check_directory(output: str) -> None:
    """Say now, not when all is made, that there is nowhere to write to."""
    directory = os.path.dirname(os.path.realpath(output))
    if os.path.isdir(output):
        raise MagpkgError(f"{output}: cannot be written: it is a directory")
    if not os.path.isdir(directory):
        raise MagpkgError(f"{output}: cannot be written: there is no directory {directory}")


@contextmanager
def _opened(output: str | None) -> Iterator[BinaryIO]:
    """The file to write to. One that is new, or replaces one, shows under its name when it is whole."""
    if output is None:
        yield standard_output()
        standard_output().flush()
        return
    if os.path.exists(output) and not stat.S_ISREG(os.stat(output).st_mode):
        with open(output, "wb") as file:  # a pipe or a device
            yield file
        return
    path = os.path.realpath(output)  # a symlink stays, and leads to the new file
    # Not by the process id: in a container each run may have the same, and one may have been killed.
    partial = f"{path}.{secrets.token_hex(4)}.partial"
    try:
        try:
            with open(partial, "xb") as file:
                yield file
            os.rename(partial, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(partial)
            raise
    except OSError as error:
        if error.filename not in (partial, None):  # a file that was read
            raise
        raise MagpkgError(f"{output}: cannot be written: {error.strerror}", storage_hint(error)) from error
