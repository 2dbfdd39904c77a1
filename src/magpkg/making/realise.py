"""Realising: what a closure needs and the store lacks is fetched and built, in parallel where the graph allows it."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from graphlib import TopologicalSorter

from magpkg.errors import MagpkgError
from magpkg.fetch.fetch import Fetcher, Wanted
from magpkg.making.build import Builder
from magpkg.manifest.configuration import is_configuration
from magpkg.manifest.package import UNDEB, UNTAR, Package, runtime_closure
from magpkg.sandbox.namespaces import check
from magpkg.store.finding import require
from magpkg.store.storage import semaphores
from magpkg.store.store import Store

_PR_SET_PDEATHSIG = 1  # prctl(2): no worker outlives the process that it works for


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
        root = () if package.build in (UNTAR, UNDEB) else runtime_closure(package.build_deps + package.run_deps)
        missing[package] = root
        pending.extend(root)
    by_hash = {package.hash: package for package in missing}
    return {
        package: tuple(by_hash[needed.hash] for needed in root if needed.hash in by_hash)
        for package, root in missing.items()
    }


def realise(
    closure: Sequence[Package],
    builder: Builder,
    fetcher: Fetcher,
    report: Callable[[str], None],
    status: Callable[[str], None] = lambda _: None,
) -> None:
    """Make every package tree of `closure` that the store lacks.

    `report` is told what is going on, and `status` how far it is: each text replaces the one before, the last is empty.
    """
    missing = missing_packages(closure, builder.store)
    if not missing:
        return
    # A configuration looks for itself, once it is known whether there is anything to run.
    if any(package.build not in (UNTAR, UNDEB) and not is_configuration(package) for package in missing):
        check(builder.bwrap, filtered=True, builds=True)
    require([semaphores()])
    fetcher.fetch_all(_sources(missing), report)
    report(f"making {len(missing)} package{'s' if len(missing) > 1 else ''}")
    try:
        _build_all(missing, builder, status)
    finally:
        status("")


def fetch_missing(closure: Sequence[Package], store: Store, fetcher: Fetcher, report: Callable[[str], None]) -> None:
    """Fetch what `realise` would, and make nothing: afterwards it needs no network."""
    fetcher.fetch_all(_sources(missing_packages(closure, store)), report)


def _sources(packages: Iterable[Package]) -> Iterator[Wanted]:
    for package in packages:
        for source in package.fetch:
            yield Wanted(source, package.name)


def _build_all(missing: Mapping[Package, Sequence[Package]], builder: Builder, status: Callable[[str], None]) -> None:
    global _worker
    by_hash = {package.hash: package for package in missing}
    _worker = _Worker(by_hash, builder)
    order = TopologicalSorter({package.hash: [needed.hash for needed in before] for package, before in missing.items()})
    order.prepare()
    # Unpacking is Python's own work as much as the decompressor's, so processes; forked ones, since nothing else runs
    # in this process any more and a fresh interpreter would cost more than many a package.
    pool = ProcessPoolExecutor(
        builder.jobs, mp_context=multiprocessing.get_context("fork"), initializer=_begin_worker, initargs=(os.getpid(),)
    )
    running: dict[Future[None], str] = {}
    made = 0
    try:
        while order.is_active():
            # The largest first, so that no long one is left over for the end.
            for key in sorted(order.get_ready(), key=lambda key: -_bytes_fetched(by_hash[key], builder.store)):
                running[pool.submit(_build_one, key)] = key
            names = [by_hash[key].name for future, key in running.items() if future.running()]
            status(f"{made} of {len(missing)} packages made: {', '.join(names[: builder.jobs])}")
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            made += len(done)
            for future in done:
                future.result()
                order.done(running.pop(future))
    except BrokenProcessPool as error:
        raise MagpkgError("a worker process was killed while it made a package", "is there enough memory?") from error
    except BaseException:
        _interrupt(pool)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Worker:
    """What a worker builds from and what it is at.

    Workers are forked and so have the packages as they are; a graph could be too deep to send.
    """

    packages: Mapping[str, Package]
    builder: Builder
    busy: bool = False
    ended: bool = False


_worker: _Worker | None = None


def _build_one(key: str) -> None:
    assert _worker is not None  # noqa: S101 - for the type checker
    _worker.busy = True
    try:
        if not _worker.ended:
            _worker.builder.build(_worker.packages[key])
    finally:
        _worker.busy = False


def _interrupt(pool: ProcessPoolExecutor) -> None:
    """End what the workers do now; each removes its work in progress. A further Ctrl-C changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for process in list((pool._processes or {}).values()):
        process.terminate()


def _begin_worker(parent: int) -> None:
    import ctypes

    # A terminal's Ctrl-C reaches every process of the group; the parent alone decides what ends. A handler rather than
    # SIG_IGN, which what a worker starts would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGTERM, _end_task)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _end_task(_number: int, _frame: object) -> None:
    # An exception, so that work in progress is removed; but only out of a task, never out of the pool's own code.
    assert _worker is not None  # noqa: S101 - for the type checker
    _worker.ended = True
    if _worker.busy:
        _worker.busy = False
        raise SystemExit(1)


def _bytes_fetched(package: Package, store: Store) -> int:
    return sum(os.stat(store.fetched(source.sha256)).st_size for source in package.fetch)
