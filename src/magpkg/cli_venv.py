"""`magpkg venv`."""

import os

import click

from magpkg import launch, options
from magpkg.terminal import say, speaker


@click.command(context_settings={"allow_interspersed_args": False})
@options.manifest_options
@click.option("--jobs", type=click.IntRange(min=1), help="Make at most this many packages at once; default: cores.")
@options.offline_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--debug", is_flag=True, help="Show bwrap's command line, and tracebacks of errors.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def venv(
    expression: str | None,
    file: str | None,
    jpath: tuple[str, ...],
    ext_str: tuple[str, ...],
    tla_str: tuple[str, ...],
    jobs: int | None,
    offline: bool,
    quiet: bool,
    debug: bool,
    command: tuple[str, ...],
) -> int:
    """Run COMMAND, or an interactive shell, in the environment that a manifest describes.

    Without -e or -f the manifest is the nearest magpkg.jsonnet, magpkg.json or magpkg.yaml in the working directory
    or above it. The exit status is the command's; 125 says that magpkg itself failed.
    """
    from magpkg.transport import Transport
    from magpkg.venv import Host, draw, ensure

    environment = dict(os.environ)
    store = options.store(environment)
    manifest, base = options.manifest(options.inputs(expression, file, jpath, ext_str, tla_str))
    bwrap = launch.find_bwrap(environment.get("PATH", os.defpath))
    directory = options.working_directory(environment)
    host = Host(environment, directory, bwrap, jobs or len(os.sched_getaffinity(0)))
    transport = Transport(environment, base, offline=offline)
    rootfs, held = ensure(manifest, store, host, transport, speaker(quiet=quiet))
    sandbox, words = draw(manifest, rootfs, host, command)
    if debug:
        say(sandbox.shown_command(bwrap, words))
    status = launch.run(launch.Launch(bwrap, sandbox.arguments(), words, [held]))
    os.utime(held)
    return status
