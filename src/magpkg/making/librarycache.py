"""The library cache: /etc/ld.so.cache, as ldconfig(8) of the closure itself makes it."""

import os
import subprocess
from collections.abc import Iterator, Sequence

from magpkg.errors import MagpkgError
from magpkg.making.rootfs import Member
from magpkg.store.tree import Tree

_ALWAYS = ("lib", "lib32", "lib64", "usr/lib", "usr/lib32", "usr/lib64", "usr/local/lib")
_PROGRAMS = ("sbin/ldconfig", "usr/sbin/ldconfig")
_SETTINGS = ("etc/ld.so.conf", "etc/ld.so.conf.d")


def write_library_cache(tree: Tree, members: Sequence[Member], work: str, bwrap: str) -> None:
    """Write the cache of the libraries of `members`, in merge order, into `tree`; nothing where none has ldconfig.

    ldconfig is linked statically, so that it runs in a root that has nothing but libraries.
    """
    root = f"{work}/libraries"
    for directory in (root, f"{work}/cache"):
        os.mkdir(directory, 0o755)
    with Tree(root, "library cache") as libraries:
        for directory in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "out"):
            libraries.make_directory(directory)
        for name in ("bin", "sbin", "lib", "lib64"):
            libraries.make_symlink(name, f"usr/{name}")
        directories = [*_ALWAYS, *_named_directories(members)]
        for member in members:
            for path in (*_PROGRAMS, *_SETTINGS):
                _adopt(libraries, member.tree, path)
            for directory in directories:
                _adopt_libraries(libraries, member.tree, directory)
    if not os.path.isfile(f"{root}/usr/sbin/ldconfig"):
        return
    # fmt: off
    command = [
        bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--ro-bind", root, "/",
        "--bind", f"{work}/cache", "/out", "--clearenv", "--", "/usr/sbin/ldconfig", "-X", "-i", "-C", "/out/cache",
    ]
    # fmt: on
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env={}, check=False)  # noqa: S603
    if not os.path.isfile(f"{work}/cache/cache"):
        # Without it the same packages would come to another tree on this host than on others.
        said = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise MagpkgError(f"ldconfig of the packages failed with status {done.returncode}: {said}", "try magpkg doctor")
    with open(f"{work}/cache/cache", "rb") as file:
        tree.write_file("etc/ld.so.cache", 0o644, [file.read()])


def _named_directories(members: Sequence[Member]) -> Iterator[str]:
    """The directories that files in /etc/ld.so.conf.d name; ld.so(8)."""
    for member in members:
        directory = f"{member.tree}/etc/ld.so.conf.d"
        if (
            not os.path.isdir(directory)
            or os.path.realpath(directory) != os.path.realpath(member.tree) + "/etc/ld.so.conf.d"
        ):
            continue
        for name in sorted(os.listdir(directory)):
            if name.endswith(".conf") and not os.path.islink(f"{directory}/{name}"):
                with open(f"{directory}/{name}", encoding="utf-8", errors="replace") as file:
                    yield from (line.strip().strip("/") for line in file if line.startswith("/") and ".." not in line)


def _adopt(libraries: Tree, source: str, path: str) -> None:
    found = f"{source}/{path}"
    if os.path.realpath(found) != f"{os.path.realpath(source)}/{path}":
        return
    if os.path.isdir(found):
        libraries.adopt_files(path, found, [name for name in os.listdir(found) if os.path.isfile(f"{found}/{name}")])
    elif os.path.isfile(found):
        libraries.adopt_files(os.path.dirname(path), os.path.dirname(found), [os.path.basename(found)])


def _adopt_libraries(libraries: Tree, source: str, directory: str) -> None:
    found = f"{source}/{directory}"
    if not os.path.isdir(found) or os.path.realpath(found) != f"{os.path.realpath(source)}/{directory}":
        return
    with os.scandir(found) as entries:
        names = sorted(
            entry.name for entry in entries if ".so" in entry.name and not entry.is_dir(follow_symlinks=False)
        )
    if names:
        libraries.adopt_files(directory, found, names)
