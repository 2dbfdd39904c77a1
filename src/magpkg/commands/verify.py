"""`magpkg verify`."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import download_line, say, speaker, tell, tell_json
from magpkg.inspection.verify import Finding, Report, Thing, everything
from magpkg.inspection.verify import repair as move_aside
from magpkg.inspection.verify import verify as compare
from magpkg.store.cleanup import FETCHED, PACKAGE, VENV
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.evaluation.inputs import Inputs
    from magpkg.manifest.manifest import Manifest

_SHOWN = 20  # differences of one thing; --json has them all
_PLURALS = {PACKAGE: "package trees", VENV: "venvs", FETCHED: "downloads"}


@click.command()
@options.manifest_options
@click.option("--repair", is_flag=True, help="Move what is damaged aside, and make a manifest's packages again.")
@options.offline_option
@options.json_option
@options.quiet_option
@options.debug_option
def verify(given: "Inputs", repair: bool, offline: bool, as_json: bool, quiet: bool) -> int:
    """Look for damage in the store.

    What it holds is compared with what was published there: content, modes, links, what is missing or new.

    All of the store; with -f or -e only what that manifest's venv is made of. The exit status is 1 if something is
    damaged and was not repaired.
    """
    store = (options.own_store if repair else options.known_store)(os.environ)
    manifest, directory = None, ""
    if given.expression is not None or given.file is not None:
        manifest, evaluated = options.manifest(given)
        directory = evaluated.directory
    report = compare(store, everything(store) if manifest is None else _things(manifest))
    findings, made = report.findings, frozenset[Thing]()
    if repair:
        findings = tuple(move_aside(store, findings, speaker(quiet=quiet)))
        if manifest is not None:
            made = _make_again(store, manifest, directory, findings, offline=offline, quiet=quiet)
    if as_json:
        tell_json(_envelope(report, findings, made))
    elif not quiet:
        _print(report, findings, made)
    damaged = [finding for finding in findings if finding.moved is None]
    if damaged and quiet and not as_json:
        say(f"error: {len(damaged)} of what the store holds is damaged")
    return 1 if damaged else 0


def _things(manifest: "Manifest") -> list[Thing]:
    """What the manifest's venv is made of, and itself."""
    from magpkg.manifest.manifest import venv_hash

    closure = manifest.closure()
    sources = {source.sha256 for package in closure for source in package.fetch}
    downloads = [Thing(FETCHED, name) for name in sorted(sources)]
    packages = [Thing(PACKAGE, package.tree_name) for package in closure]
    return [*downloads, *packages, Thing(VENV, venv_hash(closure, manifest.fs_entries))]


def _make_again(
    store: Store, manifest: "Manifest", directory: str, findings: Sequence[Finding], *, offline: bool, quiet: bool
) -> frozenset[Thing]:
    """Realise what was moved aside; returns it. A download comes back when a package is made from it."""
    from magpkg.fetch.transport import Transport
    from magpkg.making.venv import ensure, make_packages

    moved = {finding.thing for finding in findings if finding.moved is not None and finding.thing.kind != FETCHED}
    if not moved:
        return frozenset()
    environment = dict(os.environ)
    host = options.host(environment, os.getcwd())
    transport = Transport(environment, directory, offline=offline, progress=download_line(quiet=quiet))
    if any(thing.kind == PACKAGE for thing in moved):
        with store.reading():
            make_packages(manifest.closure(), store, host, transport, speaker(quiet=quiet))
    if any(thing.kind == VENV for thing in moved):
        _, held = ensure(manifest, store, host, transport, speaker(quiet=quiet))
        os.close(held)
    return frozenset(moved)


def _envelope(report: Report, findings: Sequence[Finding], made: frozenset[Thing]) -> dict[str, object]:
    damaged = [
        {
            "kind": finding.thing.kind,
            "name": finding.thing.name,
            "running": finding.running,
            "movedTo": finding.moved,
            "madeAgain": finding.thing in made,
            "differences": [{"path": item.path, "what": item.what} for item in finding.differences],
        }
        for finding in findings
    ]
    return {"checked": report.checked, "damaged": damaged, "busy": list(report.busy)}


def _print(report: Report, findings: Sequence[Finding], made: frozenset[Thing]) -> None:
    for finding in findings:
        tell(f"{finding.thing.kind} {finding.thing.name}{', which runs' if finding.running else ''}:")
        for item in finding.differences[:_SHOWN]:
            tell(f"  {f'{item.path}: {item.what}' if item.path else item.what}")
        if len(finding.differences) > _SHOWN:
            tell(f"  and {len(finding.differences) - _SHOWN} more, which --json shows")
        if finding.moved is not None:
            after = "made again" if finding.thing in made else "what needs it next makes it again"
            tell(f"  moved to {finding.moved}; {after}")
    for name in report.busy:
        tell(f"left out venv {name}: it is being made or removed")
    counts = ", ".join(f"{report.checked[kind]} {plural}" for kind, plural in _PLURALS.items())
    tell(f"checked {counts}: {len(findings) or 'nothing'} damaged")
