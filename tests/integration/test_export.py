"""`magpkg export`: the same bytes everywhere, the same root as the venv's, images that podman and skopeo take."""

import hashlib
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.archives import sha256, tar_bytes
from tests.support.files import tree_digest
from tests.support.manifests import expression
from tests.support.process import Magpkg
from tests.support.terminal import Terminal

# Perl has hard links, ca-certificates and libc-bin have what scripts make when the package is built.
MANIFEST = expression(
    ["bash", "coreutils", "perl", "ca-certificates", "libc-bin"],
    envSet={"STAGE": "test"},
    fsEntries=[{"type": "file", "path": "/bin/mine", "contents": "mine\n", "mode": "755"}],
)
# What podman wants of the host it gets in mounts of its own; an unmasked /proc is what the kernel asks of whoever is to
# mount a new one (mount_too_revealing in its fs/namespace.c), and crun takes no host that has cgroups of both versions.
TOOLS = """
packages: [podman, crun, skopeo, util-linux]
envSet: { HOME: /scratch, XDG_RUNTIME_DIR: /scratch/run, TMPDIR: /scratch, _CONTAINERS_USERNS_CONFIGURED: done }
mounts:
- { type: bind, source: '${PWD}', target: /scratch }
- { type: tmpfs, target: /run }
- { type: tmpfs, target: /var/tmp }
- { type: tmpfs, target: /dev/shm }
- { type: bind, source: /proc, target: /proc }
- { type: tmpfs, target: /sys/fs/cgroup }
"""
PODMAN = (
    "podman --root /scratch/root --runroot /scratch/runroot --storage-driver vfs --cgroup-manager cgroupfs"
    " --runtime crun --events-backend none"
)


def exported(magpkg: Magpkg, directory: Path, style: str, manifest: str = MANIFEST, *more: str) -> Path:
    path = directory / f"exported.{style}"
    magpkg.run("export", "-q", "--format", style, "-o", str(path), "-e", manifest, *more).checked()
    return path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("style", ["tar", "oci", "docker"])
def test_two_machines_write_the_same_bytes(magpkg: Magpkg, own_machine: Magpkg, style: str, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        one = sha256_of(exported(magpkg, tmp_path, style))
        os.umask(0o077)
        assert sha256_of(exported(own_machine, tmp_path, style)) == one
        # The same root once more, after something has used, shared and touched its files.
        magpkg.venv(MANIFEST, "true").checked()
        piped = subprocess.run(
            magpkg.words("export", "--format", style, "-e", MANIFEST),
            env=magpkg.environment({"LC_ALL": "C", "TZ": "Asia/Tokyo"}),
            cwd=magpkg.directory,
            check=True,
            capture_output=True,
        )
        assert hashlib.sha256(piped.stdout).hexdigest() == one
    finally:
        os.umask(before)


@pytest.fixture(scope="module")
def own_machine(tmp_path_factory: pytest.TempPathFactory) -> Magpkg:
    """The program with a store, home and directory that have nothing of the others."""
    store, home, directory = (str(tmp_path_factory.mktemp(name)) for name in ("other-store", "elsewhere", "p"))
    return Magpkg(f"{store}/store", home, directory)


def test_the_tarball_is_the_rootfs(magpkg: Magpkg, tmp_path: Path) -> None:
    path = exported(magpkg, tmp_path, "tar")
    (tmp_path / "root").mkdir()
    subprocess.run(["tar", "-xpf", str(path), "-C", str(tmp_path / "root")], check=True)
    with tarfile.open(path) as archive:
        links = [info for info in archive if info.islnk()]
    rootfs = magpkg.rootfs(MANIFEST)
    unpacked, venv = (kinds_and_contents(root) for root in (str(tmp_path / "root"), rootfs))
    changed = {name for name in venv.keys() | unpacked.keys() if venv.get(name) != unpacked.get(name)}
    assert changed == {"/tmp", "/var/tmp", "/etc/passwd", "/etc/group"}
    assert stat.S_IMODE(os.stat(tmp_path / "root/tmp").st_mode) == 0o1777
    assert (tmp_path / "root/etc/passwd").read_text().startswith("root:x:0:0:")
    assert os.stat(tmp_path / "root/usr/bin/bash").st_mtime == os.stat(f"{rootfs}/usr/bin/bash").st_mtime
    assert any(os.path.samefile(tmp_path / "root" / info.name, tmp_path / "root" / info.linkname) for info in links)


def kinds_and_contents(root: str) -> dict[str, tuple[str | int, ...]]:
    """Mode and content of each path below the root."""
    return {path: (mode, content) for path, (mode, *_, content) in tree_digest(root).items() if path}


def test_images_share_the_layers_of_packages(magpkg: Magpkg, tmp_path: Path) -> None:
    layers = []
    for packages in (["bash", "perl"], ["bash", "perl", "git"]):
        with tarfile.open(exported(magpkg, tmp_path, "oci", expression(packages))) as archive:
            layers.append({info.name: info.size for info in archive if info.size > 100_000})
    assert layers[0]
    assert layers[0].items() <= layers[1].items()


def test_what_a_terminal_or_a_full_pipe_makes_of_it(magpkg: Magpkg, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("kept")
    refused = magpkg.run("export", "--tag", "x:1", "-o", str(there), "-e", MANIFEST)
    assert (refused.status, there.read_text()) == (1, "kept")
    assert "--tag names an image" in refused.stderr
    full = magpkg.run("export", "-o", "/dev/full", "-e", MANIFEST)
    assert full.status == 1
    assert "No space left" in full.stderr
    assert os.listdir(tmp_path) == ["there"]
    limited = ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *magpkg.words("export", "-o", "x", "-e", MANIFEST)]
    stopped = subprocess.run(limited, cwd=tmp_path, env=magpkg.environment(), capture_output=True, text=True)
    assert (stopped.returncode, stopped.stderr) == (1, "magpkg: error: x: cannot be written: File too large\n")
    assert os.listdir(tmp_path) == ["there"]
    terminal = Terminal(magpkg.words("export", "-e", MANIFEST), magpkg.environment(), magpkg.directory)
    terminal.expect("an archive is nothing for a terminal")
    assert terminal.wait() == 1
    terminal.close()


def test_where_nothing_can_be_written_nothing_is_made(own_store: Magpkg, tmp_path: Path) -> None:
    own_store.run("list")
    for output, problem in ((tmp_path / "none/x", f"there is no directory {tmp_path}/none"), (tmp_path, "it is a dir")):
        done = own_store.run("export", "-o", str(output), "-e", MANIFEST)
        assert done.status == 1
        assert f"error: {output}: cannot be written: {problem}" in done.stderr
        assert "making" not in done.stderr


class Tools:
    """podman and skopeo of Debian, in a venv: root of a user namespace, which needs no privilege."""

    def __init__(self, magpkg: Magpkg, directory: Path) -> None:
        self._magpkg, self._manifest, self.directory = magpkg, directory / "tools.yaml", directory / "work"
        self.directory.mkdir()
        (self.directory / "run").mkdir()
        (self.directory / ".config/containers").mkdir(parents=True)
        policy = {"default": [{"type": "insecureAcceptAnything"}]}
        (self.directory / ".config/containers/policy.json").write_text(json.dumps(policy))
        self._manifest.write_text(TOOLS)
        magpkg.run("lock", "-q", "-f", str(self._manifest)).checked()

    def run(self, script: str) -> str:
        words = ["venv", "-q", "-f", str(self._manifest), "--chdir", "/scratch", "--"]
        wrapped = ["unshare", "--map-root-user", "--mount", "sh", "-euc", script]
        return self._magpkg.run(*words, *wrapped, cwd=str(self.directory)).checked().stdout


@pytest.fixture(scope="module")
def tools(shared_store: str, tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The tools, in the session's store."""
    directory = tmp_path_factory.mktemp("tools")
    return Tools(Magpkg(shared_store, str(directory), str(directory)), directory)


SMALL = expression(
    ["dash"],
    envSet={"STAGE": "test"},
    fsEntries=[{"type": "file", "path": "/bin/mine", "contents": "#!/bin/sh\necho mine in $STAGE\n", "mode": "755"}],
)


def test_no_image_has_a_file_that_makes_another_vanish(own_machine: Magpkg, tmp_path: Path) -> None:
    data = tar_bytes({"opt/keep/": "", "opt/keep/a": "a", "opt/keep/.wh.a": ""})
    (tmp_path / "a.tar").write_bytes(data)
    source = {"filename": "a.tar", "sha256": sha256(data), "urls": [f"file:{tmp_path}/a.tar"]}
    manifest = json.dumps({"packages": [{"name": "white", "build": "untar", "fetch": [source]}]})
    for style in ("oci", "docker"):
        refused = own_machine.run("export", "--format", style, "-o", f"{tmp_path}/image", "-e", manifest)
        assert refused.status != 0 and "opt/keep/.wh.a: would make another file vanish" in refused.stderr
        assert not (tmp_path / "image").exists()
    with tarfile.open(exported(own_machine, tmp_path, "tar", manifest)) as archive:
        assert "opt/keep/.wh.a" in archive.getnames()


@pytest.mark.parametrize("style", ["oci", "docker"])
def test_podman_runs_the_image(magpkg: Magpkg, tools: Tools, style: str) -> None:
    exported(magpkg, tools.directory, style, SMALL, "--tag", f"localhost/{style}:1")
    container = f"{PODMAN} run -i --rm --network none --cgroups disabled localhost/{style}:1"
    script = "mine; read -r user < /etc/passwd; echo $user; echo x > /tmp/x && echo $PATH $LANG $0"
    said = tools.run(f"{PODMAN} load -q -i exported.{style} >&2; echo '{script}' | {container}\nrm -rf root runroot")
    root = "root:x:0:0:root:/root:/bin/sh"
    assert said.splitlines() == ["mine in test", root, "/usr/bin:/bin:/usr/sbin:/sbin C.UTF-8 sh"]


def test_skopeo_takes_an_image_of_many_packages(own_machine: Magpkg, tools: Tools, tmp_path: Path) -> None:
    sources = []
    for number in range(150):
        data = tar_bytes({"usr/share/": "", f"usr/share/{number}": str(number), "usr/share/last": f"{number:03}"})
        (tmp_path / f"{number}.tar").write_bytes(data)
        sources.append({"filename": "a.tar", "sha256": sha256(data), "urls": [f"file:{tmp_path}/{number}.tar"]})
    packages = [{"name": f"p{number:03}", "build": "untar", "fetch": [item]} for number, item in enumerate(sources)]
    manifest = json.dumps({"packages": packages})
    for style in ("oci", "docker"):
        exported(own_machine, tools.directory, style, manifest)
        tools.run(f"skopeo copy -q {style}-archive:exported.{style} dir:{style}")
        copied = json.loads((tools.directory / style / "manifest.json").read_text())
        assert len(copied["layers"]) == 125
        merged: dict[str, bytes] = {}
        for layer in copied["layers"]:
            with tarfile.open(tools.directory / style / layer["digest"].removeprefix("sha256:")) as archive:
                merged |= {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}  # type: ignore[union-attr]
        assert {name: merged[f"usr/share/{name}"] for name in ("0", "149", "last")} == {
            "0": b"0", "149": b"149", "last": b"149",
        }  # fmt: skip
