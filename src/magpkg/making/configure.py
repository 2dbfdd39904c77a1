"""Configuring: a closure of Debian packages becomes what installing it as a whole adds to the packages' files.

dpkg's database, the library cache and links of alternatives are always made. Debian's own scripts run where that is
asked for, or where some package's do more than is known to be of no use; what they add and change is compared with the
closure as it was merged.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.making import scripts
from magpkg.making.bounds import Bounds
from magpkg.making.changes import keep_changes, stamps
from magpkg.making.choices import write_choices
from magpkg.making.dpkg import INSTALLED, UNPACKED, Record, records, write_database
from magpkg.making.installation import Failed, Installation
from magpkg.making.librarycache import write_library_cache
from magpkg.making.rootfs import Member, assemble
from magpkg.manifest.configuration import ALWAYS, NAME, NEVER, Configuration
from magpkg.sandbox.namespaces import check
from magpkg.store.tree import Tree

NOTE = "var/lib/magpkg/configuration.json"
"""Where the tree says whose scripts ran, and why."""

_UNNEEDED = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data/magpkg/fixups/unneeded.txt")
_LOG_LINES_SHOWN = 30


_LEFT_OUT = ("mariadb-server",)
"""Packages whose scripts fail away from a machine of their own: all that they do is to stop and start a server."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a configuration is made: a directory to work in, one for the result, the log, bwrap, what is allowed."""

    work: str
    out: str
    log: str
    bwrap: str
    bounds: Bounds


def configure(wanted: Configuration, members: Sequence[Member], shop: Workshop) -> None:
    """Fill `shop.out` with what configuring the packages of `members`, in merge order, adds to them.

    Raises MagpkgError where a script fails or does not end, or where there is no dpkg to run any.
    """
    packages = records(member.tree for member in members)
    _check_names(wanted.skip, packages)
    because = {} if wanted.mode == NEVER else _needed(packages, wanted.skip)
    # Where nobody asked for it, a few packages without the base are taken for what they are.
    ran = wanted.mode == ALWAYS or (bool(because) and any(record.name == "dpkg" for record in packages))
    if ran:
        _run_scripts(wanted, members, packages, because, shop)
    with Tree(shop.out, f"package {NAME}") as tree:
        if not ran:
            write_database(tree, packages, INSTALLED)
            write_choices(tree, packages, members)
            write_library_cache(tree, members, shop.work, shop.bwrap)
        note = {"scripts": ran, "because": because, "skipped": list(wanted.skip), "packages": len(packages)}
        tree.write_file(NOTE, 0o644, [f"{json.dumps(note, indent=2, sort_keys=True)}\n".encode()])


def _check_names(skip: Sequence[str], packages: Sequence[Record]) -> None:
    for name in skip:
        if not any(record.name == name for record in packages):
            raise MagpkgError(f"venv.configureSkip: {name} is no Debian package of this venv")


def _needed(packages: Sequence[Record], skip: Sequence[str]) -> dict[str, str]:
    """Why scripts must run, by the package whose; empty where none must."""
    with open(_UNNEEDED, encoding="utf-8") as file:
        unneeded = {line.split()[0] for line in file if line.strip() and not line.startswith("#")}
    found = {
        record.name: scripts.needs(record, packages, only_triggers=f"{record.name}@triggers" in unneeded)
        for record in packages
        if record.name not in unneeded and record.name not in skip
    }
    return {name: reason for name, reason in found.items() if reason}


def _run_scripts(
    wanted: Configuration,
    members: Sequence[Member],
    packages: Sequence[Record],
    because: dict[str, str],
    shop: Workshop,
) -> None:
    check(shop.bwrap, filtered=True, builds=True)
    before, root = f"{shop.work}/before", f"{shop.work}/root"
    for directory in (before, root):
        os.mkdir(directory, 0o755)
    assemble(before, members)
    if not os.path.isfile(f"{before}/usr/bin/dpkg"):
        hint = "add the base (docs/lock.md), or say configure: false"
        raise MagpkgError(f"package {NAME}: there is no dpkg in the venv to run Debian's scripts", hint)
    assemble(root, members, links=False)
    untouched = stamps(root)
    with Tree(root, f"package {NAME}") as tree:
        write_database(tree, packages, UNPACKED)
    try:
        Installation(root, shop.log, shop.bwrap, shop.bounds, packages, frozenset((*wanted.skip, *_LEFT_OUT))).run(
            members
        )
    except Failed as failed:
        raise _failure(failed, shop.log) from None
    keep_changes(before, root, untouched, shop.out)


def _failure(failed: Failed, log: str) -> MagpkgError:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    named = f"'{failed.package}'" if failed.package else "a package"
    hint = (
        f"configureSkip: [{named}] leaves its scripts out; configure: false leaves out all. The whole log is in {log}"
    )
    where = f"package {failed.package}: " if failed.package else ""
    return MagpkgError(f"{where}configuring: {failed.what}", hint, "\n".join(lines[-_LOG_LINES_SHOWN:]))
