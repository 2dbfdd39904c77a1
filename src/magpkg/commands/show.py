"""`magpkg show`: what a manifest comes to."""

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import size, tell, tell_json
from magpkg.inspection.configuration import outcome
from magpkg.inspection.outline import outline
from magpkg.inspection.shown import Showing, showing
from magpkg.launch.hostfiles import HostFiles
from magpkg.making.venv import Host
from magpkg.manifest.manifest import Manifest, venv_hash
from magpkg.store import inventory
from magpkg.store.store import Store

if TYPE_CHECKING:
    from magpkg.evaluation.evaluate import Evaluated
    from magpkg.evaluation.inputs import Inputs


@click.command()
@options.manifest_options
@click.option("--values", is_flag=True, help="Show the values of environment variables, too; they may be secrets.")
@click.option("--grants", is_flag=True, help="Show what it opens beyond its directory and the default mounts.")
@options.json_option
@options.debug_option
def show(given: "Inputs", values: bool, grants: bool, as_json: bool) -> None:
    """Show what a manifest comes to.

    Told are its venv's hash, packages with versions, size, mounts and environment.
    """
    manifest, evaluated = options.manifest(given)
    if grants:
        _show_grants(manifest, evaluated, as_json=as_json)
        return
    closure = manifest.closure()
    name = venv_hash(closure, manifest.fs_entries)
    store = options.store(os.environ)
    made = os.path.isdir(store.venv(name))
    held = inventory.usage([store.venv(name)]).total if made else None
    drawn = outline(manifest.packages)
    shown = _showing(manifest, evaluated, store, f"{store.venv(name)}/rootfs")
    configured = outcome(closure, store)
    facts = {
        "manifest": evaluated.origin,
        "hash": name,
        "rootfs": f"{store.venv(name)}/rootfs",
        "made": made,
        "bytes": held,
        "packages": [{"name": drawn.nodes[key].name, "version": drawn.nodes[key].version} for key in drawn.roots],
        "closure": len(drawn.nodes),
        "configure": None if configured is None else asdict(configured),
        "fsEntries": [entry.path for entry in manifest.fs_entries],
        "mountDefaults": manifest.mount_defaults,
        "hostDefaults": manifest.takes_host_defaults,
        "mounts": [str(mount) for mount in manifest.mounts],
        "sources": [mount.real for mount in shown.mounts[len(shown.mounts) - len(manifest.mounts) :]],
        "mountPoints": list(shown.points),
        "mountProblem": shown.problem,
        "envKeep": list(manifest.env_keep),
        "envSet": dict(manifest.env_set) if values else [variable for variable, _ in manifest.env_set],
    }
    if as_json:
        tell_json(facts)
        return
    state = "not made yet" if held is None else f"made, {size(held)}"
    tell(f"manifest   {evaluated.origin}")
    tell(f"venv       {name} ({state})")
    tell(f"packages   {len(drawn.roots)}, {len(drawn.nodes)} with all that they need")
    for key in drawn.roots:
        tell(f"  {drawn.nodes[key]}")
    if configured is not None:
        tell(f"configure  {configured}")
    _print_entry(manifest, shown, values=values)


def _show_grants(manifest: Manifest, evaluated: "Evaluated", *, as_json: bool) -> None:
    from magpkg.inspection.grants import grants

    found = grants(manifest, _host(manifest, evaluated, options.store(os.environ)).variables())
    if as_json:
        plain = [{"kind": item.kind, "what": item.what, "how": item.how, "there": item.there} for item in found]
        tell_json({"manifest": evaluated.origin, "grants": plain})
        return
    for item in found:
        tell(f"{item}{'' if item.there else ' (not on this host)'}")


def _host(manifest: Manifest, evaluated: "Evaluated", store: Store) -> Host:
    environment = dict(os.environ)
    host = Host(environment, options.working_directory(environment), bwrap="", jobs=1)
    return options.located(host, evaluated, store, manifest.mounts, HostFiles())


def _showing(manifest: Manifest, evaluated: "Evaluated", store: Store, rootfs: str) -> Showing:
    return showing(manifest, rootfs, _host(manifest, evaluated, store))


def _print_entry(manifest: Manifest, shown: Showing, *, values: bool) -> None:
    for entry in manifest.fs_entries:
        tell(f"fsEntry    {entry.path}")
    tell(f"mounts     {len(manifest.mounts)}, {'and' if manifest.mount_defaults else 'without'} the default ones")
    for index, mount in enumerate(shown.mounts):
        # Default mounts are in the guide; told is only what else they lead to here.
        if index >= len(shown.mounts) - len(manifest.mounts) or mount.real not in ("", mount.mount.source):
            tell(f"  {mount}")
    for point in shown.points:
        tell(f"makes      {point}, on this host, to mount something there")
    if shown.problem:
        tell(f"problem    {shown.problem}")
    for name in manifest.env_keep:
        tell(f"envKeep    {name}")
    for name, value in manifest.env_set:
        tell(f"envSet     {name}={value}" if values else f"envSet     {name}")
