"""`magpkg list` and `magpkg du`: what the store holds."""

import os

import click

from magpkg.commands import options
from magpkg.commands.terminal import age, size, tell, tell_json
from magpkg.store import inventory
from magpkg.store.cleanup import FETCHED, PACKAGE, VENV, clean
from magpkg.store.inventory import Usage, VenvRecord
from magpkg.store.store import Store

_AGES = (7, 30, 90)  # days


@click.command("list")
@options.json_option
@options.debug_option
def list_venvs(as_json: bool) -> None:
    """List the venvs of the store.

    The last used comes first.

    For each: its hash, whether it runs, its last use, how many packages it is made of, its size (and what of it nothing
    else shares), and the manifests that led to it.
    """
    store = options.known_store(os.environ)
    found = [(record, inventory.usage([store.venv(record.hash)])) for record in inventory.venvs(store)]
    if as_json:
        tell_json({"venvs": [_plain_venv(*pair) for pair in found]})
        return
    for record, usage in found:
        state = "running" if record.running else f"used {age(record.idle_seconds)} ago"
        sizes = f"{size(usage.total)} ({size(usage.alone)} alone)"
        tell(f"{record.hash[:12]}  {state}  {len(record.packages)} packages  {sizes}")
        for origin in record.origins:
            tell(f"  {origin}")


@click.command()
@options.json_option
@options.debug_option
def du(as_json: bool) -> None:
    """Show what the store takes of the disk.

    Told by kind, with what cleanup would free.

    Files are shared between package trees and venvs: what a kind has alone would be freed if all of that kind were
    removed. What cleanup would free is for `magpkg cleanup --all` and several ages.
    """
    store = options.known_store(os.environ)
    kinds, whole = inventory.kinds(store), inventory.usage([store.root])
    freed = {days: _freed(store, days) for days in _AGES}
    if as_json:
        plain = [{"kind": item.kind, "count": item.count, **_plain_usage(item.usage)} for item in kinds]
        cleanup = [{"maxAgeDays": days, "freedBytes": count} for days, count in freed.items()]
        tell_json({"store": store.root, "bytes": whole.total, "kinds": plain, "cleanup": cleanup})
        return
    for item in kinds:
        sizes = f"{size(item.usage.total):>10}  {size(item.usage.alone):>10} alone"
        tell(f"{item.kind:<17} {item.count:>6}  {sizes}")
    tell(f"{'all':<17} {'':>6}  {size(whole.total):>10}")
    for days, count in freed.items():
        tell(f"magpkg cleanup --all --max-age-days {days} would free {size(count)}")


def _freed(store: Store, days: int) -> int:
    return clean(store, (VENV, PACKAGE, FETCHED), days, dry_run=True).freed_bytes


def _plain_venv(record: VenvRecord, usage: Usage) -> dict[str, object]:
    return {
        "hash": record.hash,
        "manifests": list(record.origins),
        "packages": list(record.packages),
        "running": record.running,
        "idleDays": round(record.idle_seconds / 86400, 3),
        **_plain_usage(usage),
    }


def _plain_usage(usage: Usage) -> dict[str, object]:
    return {"bytes": usage.total, "aloneBytes": usage.alone}
