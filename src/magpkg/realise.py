"""Realising: what a closure needs and the store lacks is fetched and built, in parallel where the graph allows it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from graphlib import TopologicalSorter

from magpkg.build import Builder
from magpkg.errors import MagpkgError
from magpkg.fetch import Fetcher, Wanted
from magpkg.package import UNTAR, Package, runtime_closure
from magpkg.store import Store


def missing_packages(closure: Iterable[Package], store: Store) -> dict[Package, tuple[Package, ...]]:
    """The packages to make, each with those of them that must be made before it.

    A package that is only unpacked needs nothing before it; one that is built needs the runtime closures of its
    dependencies, which are no part of the venv's closure and are made only where a build is to run.
    """
    missing: dict[Package, tuple[Package, ...]] = {}
    seen: dict[str, bool] = {}
    pending = list(closure)
    while pending:
        package = pending.pop()
        if package.hash in seen:
            continue
        seen[package.hash] = os.path.isdir(store.package(package.tree_name))
        if seen[package.hash]:
            store.stamp(store.package(package.tree_name))
            continue
        root = () if package.build == UNTAR else runtime_closure(package.build_deps + package.run_deps)
        missing[package] = root
        pending.extend(root)
    by_hash = {package.hash: package for package in missing}
    return {
        package: tuple(by_hash[needed.hash] for needed in root if needed.hash in by_hash)
        for package, root in missing.items()
    }


def realise(closure: Sequence[Package], builder: Builder, fetcher: Fetcher, report: Callable[[str], None]) -> None:
    """Make every package tree of `closure` that the store lacks; `report` is told what is going on."""
    missing = missing_packages(closure, builder.store)
    if not missing:
        return
    fetcher.fetch_all(_sources(missing), report)
    report(f"making {len(missing)} package{'s' if len(missing) > 1 else ''}")
    _build_all(missing, builder)


def fetch_missing(closure: Sequence[Package], store: Store, fetcher: Fetcher, report: Callable[[str], None]) -> None:
    """Fetch what `realise` would, and make nothing: afterwards it needs no network."""
    fetcher.fetch_all(_sources(missing_packages(closure, store)), report)


def _sources(packages: Iterable[Package]) -> Iterator[Wanted]:
    for package in packages:
        for source in package.fetch:
            yield Wanted(source, package.name)


def _build_all(missing: Mapping[Package, Sequence[Package]], builder: Builder) -> None:
    by_hash = {package.hash: package for package in missing}
    order = TopologicalSorter({package.hash: [needed.hash for needed in before] for package, before in missing.items()})
    order.prepare()
    # Unpacking is Python's own work as much as the decompressor's, so processes; forked ones, since nothing else runs
    # in this process any more and a fresh interpreter would cost more than many a package.
    pool = ProcessPoolExecutor(
        builder.jobs, mp_context=multiprocessing.get_context("fork"), initializer=_leave_signals_to_parent
    )
    running: dict[Future[None], str] = {}
    try:
        while order.is_active():
            for key in order.get_ready():
                running[pool.submit(builder.build, by_hash[key])] = key
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                future.result()
                order.done(running.pop(future))
    except BrokenProcessPool as error:
        raise MagpkgError("a worker process was killed while it made a package", "is there enough memory?") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_signals_to_parent() -> None:
    # A terminal's Ctrl-C reaches every process of the group; the parent alone decides what ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
