"""What a sandbox keeps from its command, tried from inside: as whoever runs the tests, root too, and as a user without
rights."""

import ctypes
import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.integration.test_doctor import below
from tests.support import probes
from tests.support.manifests import expression
from tests.support.process import Magpkg

PROBES = pathlib.Path(probes.__file__).read_text(encoding="utf-8")
PACKAGES = ["python3", "bash", "coreutils"]
NOTHING = {"mountDefaults": False, "network": False, "unshare": ["pid", "ipc", "uts", "cgroup"]}
DEFAULTS = {"mounts": [{"type": "tmpfs", "target": "/tmp"}]}  # where the tests' own store may lie
REFUSED = {"EPERM", "EACCES", "ENOENT", "ESRCH", "EROFS", "ENOSYS", "ENODEV", "ESTALE", "nothing"}
OWN = {"reboot": "EINVAL"}  # of a pid namespace of its own it ends no more than that


@dataclass(frozen=True)
class Outside:
    """Something of the host, and a process of it, that no sandbox may reach."""

    secret: str
    pid: int
    key: str

    def told(self) -> str:
        """What the probes need to know of it, as JSON."""
        return json.dumps(
            {
                "secret": self.secret,
                "pid": self.pid,
                "key": self.key,
                "device": os.stat("/").st_dev,
                "handle": handle(self.secret),
            }
        )


def handle(path: str) -> tuple[int, str]:
    """The kernel's name for a file, name_to_handle_at(2): its type, its bytes in hexadecimal."""
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer((128).to_bytes(4, "little") + bytes(132))
    mount = ctypes.c_int()
    assert libc.name_to_handle_at(-100, os.fsencode(path), text, ctypes.byref(mount), 0) == 0
    size, kind = (int.from_bytes(text.raw[at : at + 4], "little") for at in (0, 4))
    return kind, text.raw[8 : 8 + size].hex()


@pytest.fixture
def outside(magpkg: Magpkg) -> Iterator[Outside]:
    """A secret on the file system of the store, which mounts of the rootfs show a part of, and a process."""
    secret = pathlib.Path(magpkg.store, "secret-of-the-host")
    secret.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret.write_text("secret")
    environment = {**os.environ, "SECRET_OF_THE_HOST": "1"}
    with subprocess.Popen(["sleep", "600"], env=environment) as process:
        yield Outside(str(secret), process.pid, "magpkg-test")
        process.kill()
    secret.unlink()


@pytest.mark.parametrize("fields", [NOTHING, DEFAULTS], ids=["nothing is shared", "the default mounts"])
def test_no_way_out(magpkg: Magpkg, outside: Outside, fields: dict[str, object]) -> None:
    done = magpkg.venv(expression(PACKAGES, **fields), "python3", "-c", PROBES, outside.told()).checked()
    found = json.loads(done.stdout)
    assert len(found) == 2 * len(probes.PROBES)
    reached = {name: outcome for name, outcome in found.items() if outcome not in REFUSED}
    assert reached.items() <= (OWN if fields == NOTHING else {}).items()


def test_root_without_a_user_namespace_has_no_way_out_either(magpkg: Magpkg, outside: Outside) -> None:
    words = magpkg.words("venv", "-e", expression(PACKAGES, **NOTHING), "--", "python3", "-c", PROBES, outside.told())
    way = [] if os.getuid() == 0 else ["unshare", "-rm"]
    done = magpkg.call([*way, "sh", "-euc", below("users"), "sh", *words]).checked()
    found = json.loads(done.stdout)
    assert {found["mount, nested"], found["mknod, nested"]} == {"EPERM"}  # there is no user namespace to be had
    reached = {name: outcome for name, outcome in found.items() if outcome not in REFUSED}
    assert reached.items() <= OWN.items()


def test_root_works_on_the_files_of_all_users(magpkg: Magpkg) -> None:
    directory = pathlib.Path(magpkg.directory, "theirs")
    directory.mkdir()
    (directory / "file").write_text("")
    if os.getuid() == 0:
        os.chown(directory / "file", 1234, 55)
        os.chown(directory, 1234, 55)
        directory.chmod(0o700)
    program = "echo x >>theirs/file; stat -c %u:%g theirs/file; chown 7:8 theirs/file; stat -c %u:%g theirs/file"
    for _ in range(2):
        done = magpkg.venv(expression(mounts=["${PWD}"]), "sh", "-c", program)
        if os.getuid() != 0:
            assert "not permitted" in done.stderr
            return
        assert done.checked().stdout == "1234:55\n7:8\n"
        os.chown(directory / "file", 1234, 55)


def test_a_user_without_rights_has_no_way_out(unprivileged: Magpkg) -> None:
    told = json.dumps({"secret": "/etc/shadow", "pid": os.getpid(), "key": "k", "device": 1, "handle": (1, "00" * 8)})
    manifest = expression(PACKAGES, **DEFAULTS)
    found = json.loads(unprivileged.venv(manifest, "python3", "-c", PROBES, told).checked().stdout)
    assert {name: outcome for name, outcome in found.items() if outcome not in REFUSED} == {}
