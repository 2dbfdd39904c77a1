"""`magpkg show`: what a manifest comes to."""

import os
from typing import TYPE_CHECKING

import click

from magpkg.commands import options
from magpkg.commands.terminal import size, tell, tell_json
from magpkg.inspection.outline import outline
from magpkg.manifest.manifest import Manifest, venv_hash
from magpkg.store import inventory

if TYPE_CHECKING:
    from magpkg.evaluation.evaluate import Inputs


@click.command()
@options.manifest_options
@click.option("--values", is_flag=True, help="Show the values of environment variables, too; they may be secrets.")
@options.json_option
@options.debug_option
def show(given: "Inputs", values: bool, as_json: bool) -> None:
    """Show what a manifest comes to.

    Told are its venv's hash, packages with versions, size, mounts and environment.
    """
    manifest, evaluated = options.manifest(given)
    closure = manifest.closure()
    name = venv_hash(closure, manifest.fs_entries)
    store = options.store(os.environ)
    made = os.path.isdir(store.venv(name))
    held = inventory.usage([store.venv(name)]).total if made else None
    drawn = outline(manifest.packages)
    facts = {
        "manifest": evaluated.origin,
        "hash": name,
        "rootfs": f"{store.venv(name)}/rootfs",
        "made": made,
        "bytes": held,
        "packages": [{"name": drawn.nodes[key].name, "version": drawn.nodes[key].version} for key in drawn.roots],
        "closure": len(drawn.nodes),
        "fsEntries": [entry.path for entry in manifest.fs_entries],
        "mountDefaults": manifest.mount_defaults,
        "hostDefaults": manifest.takes_host_defaults,
        "mounts": [str(mount) for mount in manifest.mounts],
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
    _print_entry(manifest, values=values)


def _print_entry(manifest: Manifest, *, values: bool) -> None:
    for entry in manifest.fs_entries:
        tell(f"fsEntry    {entry.path}")
    tell(f"mounts     {len(manifest.mounts)}, {'and' if manifest.mount_defaults else 'without'} the default ones")
    for mount in manifest.mounts:
        tell(f"  {mount}")
    for name in manifest.env_keep:
        tell(f"envKeep    {name}")
    for name, value in manifest.env_set:
        tell(f"envSet     {name}={value}" if values else f"envSet     {name}")
