"""`magpkg init`."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace

import click

from magpkg.commands import completion, options
from magpkg.commands.terminal import printable, say, show_lock, speaker
from magpkg.debian.lockfile import LOCK_NAME, Lock, check_debian_name, lock_text
from magpkg.debian.locking import Market, Scope, make_lock, visit
from magpkg.debian.suite import Trust
from magpkg.debian.textfile import already_there, draft
from magpkg.manifest.manifest import read_suites
from magpkg.manifest.sources import MANIFEST_NAMES, check_place
from magpkg.project.needs import DEFAULT, Need, find_needs
from magpkg.project.skeleton import jsonnet_text, yaml_text


@click.command()
@click.option(
    "--yaml/--jsonnet",
    "as_yaml",
    default=True,
    help="Write magpkg.yaml, the default, or magpkg.jsonnet, a program, which `magpkg add` cannot change.",
)
@click.option("--no-lock", is_flag=True, help="Write no lock and ask no network; names are not checked.")
@options.scope_options
@options.trust_options
@options.offline_option
@options.quiet_option
@options.debug_option
@click.argument("names", nargs=-1, shell_complete=completion.suite_names)
def init(
    as_yaml: bool,
    no_lock: bool,
    scoped: Callable[[Lock | None], Scope],
    trust: Callable[[], Trust],
    offline: bool,
    quiet: bool,
    names: tuple[str, ...],
) -> None:
    """Write a first manifest and its lock.

    They get the packages that the files in the working directory ask for, and NAMES.

    Nothing is overwritten: where the directory has a manifest or a lock, that is an error.
    """
    directory = options.working_directory(os.environ)
    path = os.path.join(directory, "magpkg.yaml" if as_yaml else MANIFEST_NAMES[0])
    lock_path = os.path.join(directory, LOCK_NAME)
    for taken in (*(os.path.join(directory, name) for name in MANIFEST_NAMES), lock_path):
        if os.path.lexists(taken):
            raise already_there(taken)
    check_place(directory)
    where = scoped(None)
    named = read_suites(list(where.suites))
    needs = _needs(os.listdir(directory), names)
    lock = None
    if not no_lock:
        suites = options.suites(options.own_store(os.environ), speaker(quiet=quiet), offline=offline)
        market = visit(suites, where, trust(), None)
        needs = _on_offer(needs, market, quiet=quiet)
        wanted = [name for need in needs for name in need.packages]
        lock = make_lock(market, wanted, {}, recommends=False)
    text = yaml_text if as_yaml else jsonnet_text
    git_file = os.path.isfile(os.path.join(directory, ".git"))
    write_project(path, text(needs, named, git_file=git_file), lock_path, lock)
    if not quiet:
        for need in needs:
            say(f"{need.reason}: {', '.join(need.packages)}")
        _tell(path, lock_path, lock)


def _needs(files: Sequence[str], names: Sequence[str]) -> list[Need]:
    found = find_needs(files)
    named = {name for need in found for name in need.packages}
    for name in names:
        check_debian_name(name)
    more = tuple(name for name in dict.fromkeys(names) if name not in named)
    if more:
        found.append(Need("asked for", more))
    return [replace(need, reason=_one_line(need.reason)) for need in found] or [Need("for a start", DEFAULT)]


def _one_line(name: str) -> str:
    # It becomes a comment: the name of a file may have a line break in it, or bytes that are no text.
    return printable(name.encode("utf-8", "replace").decode())


def _on_offer(needs: Sequence[Need], market: Market, *, quiet: bool) -> list[Need]:
    """The needs that can be met; what the files of the project ask for in vain is said, and left out."""
    offered = market.universe.names()
    met = []
    for need in needs:
        lost = [name for name in need.packages if name not in offered] if need.reason != "asked for" else []
        if lost and not quiet:
            say(f"warning: left out, since the suite has no such package: {', '.join(lost)} ({need.reason})")
        kept = tuple(name for name in need.packages if name not in lost)
        if kept:
            met.append(replace(need, packages=kept))
    return met or [Need("for a start", DEFAULT)]


def write_project(path: str, text: str, lock_path: str, lock: Lock | None) -> None:
    """Write a manifest and its lock, both or none; MagpkgError where one of them is there, or would not be used."""
    check_place(os.path.dirname(path))
    with ExitStack() as stack:
        manifest = stack.enter_context(draft(path, text))
        pins = stack.enter_context(draft(lock_path, lock_text(lock))) if lock is not None else None
        manifest.add()
        if pins is not None:
            try:
                pins.add()
            except BaseException:
                with suppress(FileNotFoundError):
                    os.unlink(path)
                raise


def _tell(path: str, lock_path: str, lock: Lock | None) -> None:
    say(f"{path}: written")
    if lock is None:
        say("hint: run magpkg lock before magpkg venv")
    else:
        show_lock(lock_path, None, lock)
