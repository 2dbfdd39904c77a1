"""The figures: each function makes what it measures below a scratch directory and returns rows."""

import hashlib
import lzma
import os
import random
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

from magpkg.evaluation.evaluate import evaluate
from magpkg.evaluation.inputs import Inputs
from magpkg.making.rootfs import Member, assemble
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph, make_package
from magpkg.store import cleanup, tree
from magpkg.store.store import Store
from tests.benchmarks.measure import Row, alternating, command, peak_memory
from tests.support.archives import sha256, tar_bytes

_GRAPH = """
local magpkg = import 'magpkg/magpkg.libsonnet';
local layer(below, number) = [
  magpkg.package({ name: 'p-' + number + '-' + index, build: 'true', runDeps: below }) for index in std.range(1, 8)
];
{ packages: std.foldl(layer, std.range(1, %d), []) }
"""
_MOUNTS = """
(import '%s') + { mounts: [{ type: 'tmpfs', target: '/tmp/m-' + index } for index in std.range(1, %d)] }
"""
_EVALUATE = """
import sys
from magpkg.evaluation.evaluate import evaluate
from magpkg.evaluation.inputs import Inputs
from magpkg.manifest.manifest import read_manifest
from magpkg.manifest.package import PackageGraph
graph = PackageGraph()
manifest = read_manifest(evaluate(Inputs(file=sys.argv[1]), graph).value, graph)
print(len(manifest.closure()))
"""


@dataclass(frozen=True)
class Bench:
    """Where to measure, how often, and how large."""

    scratch: str
    manifest: str
    warm_runs: int
    cold_runs: int
    scale: int  # 1,000 packages, 10,000 venvs, 100,000 files where it is 1,000

    def environment(self, store: str = "store") -> dict[str, str]:
        """The environment of a magpkg that uses a store of the benchmark's."""
        return dict(os.environ) | {"MAGPKG_STORE": f"{self.scratch}/{store}"}

    def magpkg(self, *words: str) -> list[str]:
        """The command line of magpkg as it is installed beside this interpreter."""
        return [f"{os.path.dirname(sys.executable)}/magpkg", *words]

    def path(self, name: str) -> str:
        """A path below the scratch directory."""
        return f"{self.scratch}/{name}"


def warm(bench: Bench) -> list[Row]:
    """A warm launch, beside bwrap with the root bound directly and the start of a bare interpreter."""
    words = bench.magpkg("venv", "-f", bench.manifest, "--", "true")
    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    times = _launches(bench, words, {"magpkg": words, "interpreter": bare})
    ratio = (times["magpkg"] - times["bwrap"]) / times["interpreter"]
    return [Row("warm launch: (magpkg - bwrap) / interpreter", ratio, "x", 1.1, _detail(times))]


def shim(bench: Bench) -> list[Row]:
    """A call of a shim away from a terminal, beside bwrap with the root bound directly."""
    times = _launches(
        bench, bench.magpkg("venv", "-f", bench.manifest, "--", "true"), {"shim": _shim(bench, bench.manifest)}
    )
    return [
        Row("shim away from a terminal / bwrap", times["shim"] / times["bwrap"], "x", 2.0, _detail(times)),
        Row("shim away from a terminal", times["shim"] * 1000, "ms", None, "where a launch took 18.4, be below 7.5"),
    ]


def launchers(bench: Bench) -> list[Row]:
    """The short way in Python beside the one in Perl: at 1.25 there need be only one."""
    words = bench.magpkg("venv", "-f", bench.manifest, "--", "true")
    times = _launches(bench, words, {"magpkg": words, "shim": _shim(bench, bench.manifest)})
    return [Row("warm launch / shim", times["magpkg"] / times["shim"], "x", None, _detail(times))]


def mounts(bench: Bench) -> list[Row]:
    """Warm launches with few and with many mounts."""
    jobs = {}
    for count in (6, 60):
        path = bench.path(f"mounts{count}.jsonnet")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_MOUNTS % (bench.manifest, count - 6))  # six are there by default
        jobs[str(count)] = command(bench.magpkg("venv", "-f", path, "--", "true"), bench.environment())
        for _ in range(2):
            jobs[str(count)]()
    times = alternating(bench.warm_runs, jobs)
    return [Row("warm launch: 60 mounts / 6", times["60"] / times["6"], "x", None, _detail(times))]


def supervisor(bench: Bench) -> list[Row]:
    """The memory of what waits for a command, and many launches at once."""
    words, environment = (
        bench.magpkg("venv", "-f", bench.manifest, "--", "sh", "-c", "echo; read line"),
        bench.environment(),
    )
    command(bench.magpkg("venv", "-f", bench.manifest, "--", "true"), environment)()
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        resident, own = (_memory(process.pid, field) for field in ("Rss", "Pss"))
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
            sentinel = [_memory(int(pid), "Pss") for pid in file.read().split()]
        process.communicate(b"\n")
    begin = time.perf_counter()
    many = [subprocess.Popen([*words[:4], "--", "true"], env=environment, stdin=subprocess.DEVNULL) for _ in range(32)]
    assert [process.wait() for process in many] == [0] * 32
    taken = time.perf_counter() - begin
    return [
        Row("memory of the supervisor", resident, "MB", 9.6, "resident"),
        Row(
            "memory of the supervisor and its sentinel, own part",
            own + min(sentinel),
            "MB",
            None,
            "of shared pages a share",
        ),
        Row("32 warm launches at once", taken * 1000, "ms", None, f"{os.cpu_count()} cores"),
    ]


def _memory(pid: int, field: str) -> float:
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        (line,) = [line for line in file if line.startswith(f"{field}:")]
    return int(line.split()[1]) / 1000


def _shim(bench: Bench, manifest: str) -> list[str]:
    command(bench.magpkg("shim", "-q", "-f", manifest, bench.path("shims"), "true"), bench.environment())()
    return [bench.path("shims/true")]


def _detail(times: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in times.items())


def _launches(bench: Bench, words: list[str], others: Mapping[str, list[str]]) -> dict[str, float]:
    """The medians of these jobs and of `bwrap`, which has the same venv with its root bound directly."""
    environment = bench.environment()
    for once in (words, *others.values()):
        command(once, environment)()
    shown = subprocess.run(
        [*words[:2], "--debug", *words[2:]], env=environment, check=True, capture_output=True, text=True
    ).stderr
    rootfs = re.search(rf"{re.escape(bench.path('store'))}/venv/[0-9a-f]{{64}}/rootfs", shown)
    assert rootfs, shown
    direct = (
        f"bwrap --ro-bind {shlex.quote(rootfs.group())} / --dev-bind /dev /dev --proc /proc --ro-bind /sys /sys "
        "--ro-bind /etc/resolv.conf /etc/resolv.conf --ro-bind /etc/hosts /etc/hosts --bind /tmp /tmp true"
    )
    jobs = {name: command(other, environment) for name, other in others.items()}
    jobs["bwrap"] = command(shlex.split(direct), environment)
    return alternating(bench.warm_runs, jobs)


def closure_size(bench: Bench) -> list[Row]:
    """A warm launch of a venv of many packages beside one of a hundredth as many."""
    os.makedirs(bench.path("tars"), exist_ok=True)
    busybox = "local core = import 'magpkg/packages/core.libsonnet'; core['busybox-static']"
    for count in (max(2, bench.scale // 100), bench.scale):
        packages = []
        for number in range(count):
            data = tar_bytes({f"usr/share/p{number}": f"{number}"})
            with open(bench.path(f"tars/{number}.tar"), "wb") as file:
                file.write(data)
            packages.append(
                f"m.package({{name: 'p{number}', build: 'untar', fetch: [{{filename: 'a.tar', "
                f"sha256: '{sha256(data)}', urls: ['file://{bench.path(f'tars/{number}.tar')}']}}]}})"
            )
        with open(bench.path(f"closure{count}.jsonnet"), "w", encoding="utf-8") as file:
            listed = ", ".join(packages)
            file.write(f"local m = import 'magpkg/magpkg.libsonnet'; {{ packages: [{busybox}, {listed}] }}")
    small, large = max(2, bench.scale // 100), bench.scale
    jobs = {}
    for count in (small, large):
        words = bench.magpkg("venv", "-f", bench.path(f"closure{count}.jsonnet"), "--", "/bin/busybox", "true")
        command(words, bench.environment())()
        jobs[str(count)] = command(words, bench.environment())
    times = alternating(bench.warm_runs, jobs)
    detail = ", ".join(f"{count} packages {seconds * 1000:.1f} ms" for count, seconds in times.items())
    return [Row("warm launch: many packages / few", times[str(large)] / times[str(small)], "x", 1.1, detail)]


def evaluation(bench: Bench) -> list[Row]:
    """Evaluation and hashing of packages in layers of eight, each of which depends on the whole layer below."""
    jobs, words = {}, {}
    for name, count in (("once", bench.scale), ("twice", 2 * bench.scale)):
        path = bench.path(f"graph-{name}.jsonnet")
        with open(path, "w", encoding="utf-8") as file:
            file.write(_GRAPH % max(1, count // 8))
        words[name] = [sys.executable, "-c", _EVALUATE, path]
        jobs[name] = command(words[name])
    times = alternating(bench.cold_runs, jobs)
    memory = peak_memory(words["once"], bench.environment()) / 1e6
    detail = f"{2 * bench.scale} packages {times['twice']:.2f} s, {bench.scale} packages {times['once']:.2f} s"
    return [
        Row(f"evaluation of {bench.scale} packages", times["once"], "s", 1.0, "a process of its own"),
        Row("evaluation: peak memory", memory, "MB", 200.0, ""),
        Row("evaluation: twice the packages", times["twice"] / times["once"], "x", 2.2, detail),
    ]


_UNFLUSHED = """
import sys
from magpkg.commands import front
from magpkg.store import store
store.Store._flush = lambda self, directory: None
front.main()
"""


def cold(bench: Bench) -> list[Row]:
    """A venv from downloaded files, beside dpkg-deb and tar on the same files, as many at once as there are cores."""
    environment = bench.environment("cold")
    command(bench.magpkg("fetch", "-f", bench.manifest), environment)()
    os.makedirs(bench.path("debs"), exist_ok=True)
    for name in os.listdir(bench.path("cold/fetch")):
        with open(bench.path(f"cold/fetch/{name}"), "rb") as file:
            if file.read(8) == b"!<arch>\n":
                shutil.copy(file.name, bench.path(f"debs/{name}.deb"))
    unpack = f"cd {shlex.quote(bench.path('debs'))} && ls *.deb | xargs -P$(nproc) -n1 " + (
        """sh -c 'dpkg-deb --fsys-tarfile "$0" | tar x -C ../out'"""
    )
    taken: dict[str, list[float]] = {"magpkg": [], "unflushed": [], "dpkg-deb": []}
    memory = 0
    words = bench.magpkg("venv", "-q", "-f", bench.manifest, "--", "true")
    for _ in range(bench.cold_runs):
        for job, started in {"magpkg": words, "unflushed": [sys.executable, "-c", _UNFLUSHED, *words[1:]]}.items():
            for name in ("venv", "pkgs", "eval"):
                shutil.rmtree(bench.path(f"cold/{name}"), ignore_errors=True)
            os.sync()
            begin = time.perf_counter()
            memory = max(memory, peak_memory(started, environment))
            taken[job].append(time.perf_counter() - begin)
        tree.remove(bench.path("out"))
        os.mkdir(bench.path("out"))
        begin = time.perf_counter()
        command(["sh", "-c", unpack])()
        taken["dpkg-deb"].append(time.perf_counter() - begin)
    ours, unflushed, theirs = (sorted(times)[len(times) // 2] for times in taken.values())
    detail = f"magpkg {ours:.2f} s, dpkg-deb {theirs:.2f} s"
    return [
        Row("cold: with the flush before publishing / without", ours / unflushed, "x", 1.2, "give --scratch on a disk"),
        Row("cold: venv from downloads / dpkg-deb | tar", ours / theirs, "x", 0.8, detail),
        Row("cold: peak memory of any process", memory / 1e6, "MB", 300.0, ""),
    ]


def large(bench: Bench) -> list[Row]:
    """Unpacking one very large package: a file of a million bytes for each package of the scale, as xz."""
    size = bench.scale * 1_000_000
    block = random.Random(0).randbytes(50_000)  # noqa: S311 - to be repeated
    path = bench.path("large.tar.xz")
    with lzma.open(path, "wb", preset=0) as file:
        info = tarfile.TarInfo("file")
        info.size = size
        file.write(info.tobuf())
        for _ in range(0, size, len(block)):
            file.write(block)
        file.write(bytes(-size % 512 + 1024))
    with open(path, "rb") as made:
        checksum = hashlib.file_digest(made, "sha256").hexdigest()
    text = (
        f"{{ packages: [{{ name: 'large', build: 'untar', fetch: [{{ filename: 'large.tar.xz', sha256: '{checksum}', "
        f"urls: ['{path}'] }}] }}] }}"
    )
    memory = peak_memory(bench.magpkg("build", "-q", "-e", text), bench.environment("large"))
    return [Row(f"one package of {size / 1e9:g} GB: peak memory", memory / 1e6, "MB", 300.0, "")]


def shared(bench: Bench) -> list[Row]:
    """Merging a real venv whose packages are all there beside `cp -al` of what comes out."""
    command(bench.magpkg("venv", "-q", "-f", bench.manifest, "--", "true"), bench.environment())()
    store = Store(bench.path("store"))
    graph = PackageGraph()
    closure = read_manifest(evaluate(Inputs(file=bench.manifest), graph).value, graph).closure()
    members = [Member(package, store.package(package.tree_name)) for package in closure]

    def merge() -> None:
        os.mkdir(bench.path("merged"))
        assemble(bench.path("merged"), members)

    def copy() -> None:
        command(["cp", "-al", bench.path("merged"), bench.path("copied")])()

    taken: dict[str, list[float]] = {"merge": [], "copy": []}
    for _ in range(bench.warm_runs):
        for name, job in {"merge": merge, "copy": copy}.items():
            begin = time.perf_counter()
            job()
            taken[name].append(time.perf_counter() - begin)
        tree.remove(bench.path("merged"))
        tree.remove(bench.path("copied"))
    ours, theirs = (statistics.median(times) for times in taken.values())
    detail = f"{ours:.3f} s, cp -al {theirs:.3f} s"
    return [Row(f"merging {len(members)} packages that are there / cp -al", ours / theirs, "x", 1.0, detail)]


def merging(bench: Bench) -> list[Row]:
    """Merging many files of ten packages beside `cp -al` of what was merged."""
    members = []
    for number in range(10):
        root = bench.path(f"merge/{number}")
        for directory in range(10):
            os.makedirs(f"{root}/usr/share/{directory}", exist_ok=True)
            for file in range(bench.scale):
                with open(f"{root}/usr/share/{directory}/{number}-{file}", "wb"):
                    pass
        members.append(Member(make_package(f"p{number}", "untar"), root))

    def merge() -> None:
        tree.remove(bench.path("merged"))
        os.mkdir(bench.path("merged"))
        begin = time.perf_counter()
        assemble(bench.path("merged"), members)
        merged.append(time.perf_counter() - begin)

    def copy() -> None:
        tree.remove(bench.path("copied"))
        begin = time.perf_counter()
        command(["cp", "-al", bench.path("merged"), bench.path("copied")])()
        copied.append(time.perf_counter() - begin)

    merged: list[float] = []
    copied: list[float] = []
    alternating(min(3, bench.cold_runs), {"merge": merge, "copy": copy})
    ours, theirs = sorted(merged)[len(merged) // 2], sorted(copied)[len(copied) // 2]
    return [
        Row(f"merging {100 * bench.scale} files", ours, "s", 3.0, ""),
        Row("merging / cp -al of the merged tree", ours / theirs, "x", None, f"cp -al {theirs:.2f} s"),
    ]


def cleaning(bench: Bench) -> list[Row]:
    """Cleanup of many venvs of which half are old: finding them, and removing them beside `rm -rf`."""
    store, count = Store(bench.path("cleaned")), 10 * bench.scale
    _make_venvs(bench.path("cleaned"), count, 20)
    _make_venvs(bench.path("reference"), count, 20)
    begin = time.perf_counter()
    report = cleanup.clean(store, [cleanup.VENV], 30, dry_run=True)
    selection = time.perf_counter() - begin
    assert len(report.removed) == count // 2
    begin = time.perf_counter()
    assert len(cleanup.clean(store, [cleanup.VENV], 30).removed) == count // 2
    removal = time.perf_counter() - begin
    old = [bench.path(f"reference/venv/{number:064x}") for number in range(0, count, 2)]
    listed = "\0".join([*old, *(f"{path}.lock" for path in old)])
    with open(bench.path("old"), "w", encoding="utf-8") as file:
        file.write(listed)
    begin = time.perf_counter()
    command(["sh", "-c", f"xargs -0 rm -rf < {shlex.quote(bench.path('old'))}"])()
    reference = time.perf_counter() - begin
    return [
        Row(f"cleanup: dry run over {count} venvs, half old", selection, "s", 1.0, "selecting and measuring"),
        Row("cleanup: removal / rm -rf", removal / reference, "x", None, f"{removal:.2f} s, rm -rf {reference:.2f} s"),
    ]


def _make_venvs(root: str, count: int, files: int = 1) -> None:
    store = Store(root)
    store.prepare()
    for number in range(count):
        path = store.venv(f"{number:064x}")
        os.makedirs(f"{path}/rootfs")
        for name in ("packages", *(f"rootfs/{file}" for file in range(files))):
            with open(f"{path}/{name}", "w", encoding="utf-8"):
                pass
        with open(f"{path}.lock", "w", encoding="utf-8"):
            pass
        if number % 2 == 0:
            os.utime(f"{path}.lock", (0, 0))


FIGURES = {
    "warm": warm,
    "shim": shim,
    "launchers": launchers,
    "mounts": mounts,
    "supervisor": supervisor,
    "closure-size": closure_size,
    "evaluation": evaluation,
    "cold": cold,
    "large": large,
    "shared": shared,
    "merging": merging,
    "cleaning": cleaning,
}
