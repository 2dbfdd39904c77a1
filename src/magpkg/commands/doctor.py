"""`magpkg doctor`."""

import os
from collections.abc import Iterator, Mapping

import click

from magpkg.commands import options
from magpkg.commands.terminal import tell, tell_json
from magpkg.errors import MagpkgError
from magpkg.store.finding import Finding, failed
from magpkg.store.store import Store


@click.command()
@options.json_option
@options.debug_option
def doctor(as_json: bool) -> int:
    """Try what magpkg needs of this machine.

    Where something fails, it says what to do.

    It runs bwrap, makes the store if there is none, and does in it what a store does. It asks no network. The exit
    status is 1 if anything failed.
    """
    found = []
    for finding in _findings(dict(os.environ)):
        found.append(finding)
        if not as_json:
            tell(f"{'pass' if finding.passed else 'FAIL'}  {finding.name}: {finding.message}")
            if finding.fix:
                tell(f"      hint: {finding.fix}")
    passed = all(finding.passed for finding in found)
    if as_json:
        plain = [{"name": item.name, "passed": item.passed, "message": item.message, "fix": item.fix} for item in found]
        tell_json({"passed": passed, "findings": plain})
    return 0 if passed else 1


def _findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    yield from _bwrap(environment)
    yield _evaluation()
    from magpkg.store.storage import scratch, semaphores

    try:
        store = options.store(environment)
    except MagpkgError as error:
        yield failed("home", error)
    else:
        yield from _store(store, environment)
    yield scratch()
    yield semaphores()
    yield _mirror(environment)


def _bwrap(environment: Mapping[str, str]) -> Iterator[Finding]:
    from magpkg.sandbox.links import links
    from magpkg.sandbox.namespaces import namespaces

    try:
        bwrap = options.bwrap(environment)
    except MagpkgError as error:
        yield failed("bwrap", error)
        return
    works = True
    for finding in namespaces(bwrap):
        works = works and finding.passed
        yield finding
    if works:
        yield links(bwrap)


def _evaluation() -> Finding:
    try:
        from magpkg.evaluation.inputs import Inputs

        options.manifest(Inputs("{ packages: (import 'magpkg/packages/core.libsonnet').base }"))
    except MagpkgError as error:
        return failed("jsonnet", error)
    except ImportError as error:
        return Finding("jsonnet", False, f"Jsonnet cannot be loaded: {error}", "pip install --force-reinstall jsonnet")
    return Finding("jsonnet", True, "manifests can be evaluated")


def _store(store: Store, environment: Mapping[str, str]) -> Iterator[Finding]:
    from magpkg.store.storage import file_system, ownership, writing

    for finding in ownership(store, environment):
        yield finding
        if not finding.passed:
            return  # nothing is tried in what is somebody else's
    finding = writing(store)
    yield finding
    if finding.passed:
        yield from file_system(store)


def _mirror(environment: Mapping[str, str]) -> Finding:
    from magpkg.fetch.mirror import VARIABLE, mirrors

    try:
        count = len(mirrors(environment))
    except MagpkgError as error:
        return failed("mirror", error)
    origin = VARIABLE if environment.get(VARIABLE, "").strip() else "the apt sources of this machine"
    return Finding("mirror", True, f"{count} mirror{'s' if count > 1 else ''} of Debian named by {origin}")
