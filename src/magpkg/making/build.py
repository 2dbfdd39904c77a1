"""Building: one package, with its dependencies in the store, becomes a package tree."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from magpkg.errors import MagpkgError
from magpkg.launch.environment import DEFAULT_PATH
from magpkg.launch.hostfiles import HostFiles
from magpkg.making import archive, script
from magpkg.making.bounds import Bounds, Meter
from magpkg.making.configure import Workshop, configure
from magpkg.making.dpkg import keep_record
from magpkg.making.room import Room
from magpkg.making.rootfs import Member, assemble
from magpkg.manifest.configuration import is_configuration, parameters
from magpkg.manifest.mount import Mount
from magpkg.manifest.package import UNDEB, UNTAR, Package, runtime_closure
from magpkg.sandbox import sandbox
from magpkg.sandbox.placing import place_mounts
from magpkg.sandbox.privileges import WITHOUT_NAMESPACE, proc_covers
from magpkg.sandbox.seccomp import venv_filter
from magpkg.sandbox.view import EXECUTABLE, View
from magpkg.store import listing
from magpkg.store.store import Store
from magpkg.store.tree import Tree, tidy

SOURCE_DATE_EPOCH = 315532800
"""1980-01-01, the first time that every archive format can hold; reproducible-builds.org, SOURCE_DATE_EPOCH."""

# Everything bwrap can unshare, so no network; the build ends with whoever started it; no access to the terminal.
_ISOLATION = ("--unshare-all", "--die-with-parent", "--new-session", *WITHOUT_NAMESPACE)


@dataclass(frozen=True, slots=True)
class Builder:
    """What building needs beside the package: the store, the bwrap binary, how many jobs a build may run, bounds."""

    store: Store
    bwrap: str
    jobs: int
    bounds: Bounds = field(default_factory=Bounds)

    def build(self, package: Package) -> None:
        """Make and publish the package's tree if the store lacks it; its sources and dependencies must be there."""
        path = self.store.package(package.tree_name)
        with self.store.exclusive(path):
            if os.path.isdir(path):
                return
            with self.store.workspace("build", self.store.packages_directory) as work:
                out = f"{work}/out"
                os.mkdir(out, 0o755)
                written: Mapping[int, tuple[int, int, str]] = {}
                if package.build in (UNTAR, UNDEB):
                    written = self._unpack(package, out)
                elif is_configuration(package):
                    self._configure(package, work, out)
                else:
                    self._run_script(package, work, out)
                listing.write(f"{work}/digest", listing.take(out, written))
                self.store.publish(out, path, f"{work}/digest")
            self.store.stamp(path)

    def _unpack(self, package: Package, out: str) -> Mapping[int, tuple[int, int, str]]:
        """Unpack the package's sources; returns what Tree.written has of the files."""
        label = f"package {package.name}"
        meter = Meter(self.bounds)
        with Tree(out, label) as tree:
            for source in package.fetch:
                path, named = self.store.fetched(source.sha256), f"{label}: {source.filename}"
                listed = unpack(tree, path, named, meter)
                if package.build == UNDEB:
                    keep_record(tree, path, named, Meter(self.bounds), listed)
            return tree.written

    def _configure(self, package: Package, work: str, out: str) -> None:
        members = [Member(member, self.store.package(member.tree_name)) for member in runtime_closure(package.run_deps)]
        log = self.store.package(package.tree_name) + ".log"
        configure(parameters(package), members, Workshop(work, out, log, self.bwrap, self.bounds))
        tidy(out, f"package {package.name}", SOURCE_DATE_EPOCH)

    def _run_script(self, package: Package, work: str, out: str) -> None:
        root = f"{work}/root"
        for directory in (root, f"{work}/build"):
            os.mkdir(directory, 0o755)
        members = [
            Member(member, self.store.package(member.tree_name))
            for member in runtime_closure(package.build_deps + package.run_deps)
        ]
        assemble(root, members)
        path = f"{work}/script"
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(package.build)
        os.chmod(path, 0o500)
        log = self.store.package(package.tree_name) + ".log"
        label = f"package {package.name}"
        room = Room(f"{label}: build", (f"{work}/build", out), log, self.bounds)
        options, command = self._sandbox(package, work, root, path)
        status = script.run(self.bwrap, options, command, room, venv_filter())
        if status != 0:
            raise _failure(package, status, log)
        tidy(out, label, SOURCE_DATE_EPOCH)
        room.check([out])

    def _sandbox(self, package: Package, work: str, root: str, path: str) -> tuple[list[str], list[str]]:
        """bwrap's options and the command for the build script at `path`."""
        files = HostFiles()
        placed = place_mounts(root, self._mounts(package, work, path), files, defaults=False)
        shell = _shell(placed.view)
        environment = {
            "BUILD_PARALLELISM": str(self.jobs),
            "CONFIG_SHELL": shell,
            "HOME": "/build",
            "LANG": "C.UTF-8",
            "PATH": DEFAULT_PATH,
            "SHELL": shell,
            "SOURCE_DATE_EPOCH": str(SOURCE_DATE_EPOCH),
            "TZ": "UTC",
        }
        # Without a shebang line the script is a shell's, and ends at the first command that fails.
        words = ["/script"] if package.build.startswith("#!") else [shell, "-e", "/script"]
        drawn = sandbox.draw(placed, root, files, environment, "/build", _ISOLATION, proc_covers())
        return drawn.arguments(), words

    def _mounts(self, package: Package, work: str, path: str) -> list[Mount]:
        sources = [
            Mount("ro-bind", self.store.fetched(source.sha256), f"/fetch/{source.filename}") for source in package.fetch
        ]
        trees = [
            Mount("ro-bind", self.store.package(dependency.tree_name), f"/store/{dependency.tree_name}")
            for dependency in package.build_deps
        ]
        return [
            Mount("proc", "", "/proc"),
            Mount("dev", "", "/dev"),
            Mount("bind", f"{work}/build", "/build"),
            Mount("bind", f"{work}/out", "/out"),
            Mount("ro-bind", path, "/script"),
            *sources,
            *trees,
        ]


def unpack(tree: Tree, path: str, label: str, meter: Meter | None = None) -> list[str]:
    """Write the members of the archive at `path` into `tree`; `label` names the archive in errors.

    What `meter` counts includes the directories that no member is for. Returns the members' paths, in order.
    """
    meter = meter or Meter()
    listed = []

    def count(made: bool) -> None:
        meter.count_entry(label) if made else meter.count_steps(1, label)

    tree.on_step = count
    for entry in archive.read_entries(path, label, meter):
        if entry.kind == archive.DIRECTORY:
            tree.make_directory(entry.path, entry.mode)
        elif entry.kind == archive.FILE:
            tree.write_file(entry.path, entry.mode, entry.chunks(), entry.mtime)
        elif entry.kind == archive.SYMLINK:
            tree.make_symlink(entry.path, entry.target)
        else:
            tree.make_link(entry.path, entry.target)
        listed.append(entry.path)
    return listed


def _shell(view: View) -> str:
    for name in ("bash", "sh"):
        if view.find_command(name, DEFAULT_PATH, "/").state == EXECUTABLE:
            return f"/bin/{name}"
    return "/bin/sh"


def _failure(package: Package, status: int, log: str) -> MagpkgError:
    ended = f"signal {-status}" if status < 0 else f"exit status {status}"
    message = f"package {package.name}: build: failed with {ended}"
    return MagpkgError(message, f"the whole log is in {log}", script.tail(log))
