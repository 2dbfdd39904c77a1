"""Users: magpkg as another user than the one that the tests run as."""

import importlib.util
import os
import pathlib
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.process import Magpkg

# What magpkg imports; copied, since the checkout may lie where another user cannot look.
_MODULES = ("magpkg", "click", "filelock", "_jsonnet", "debian", "yaml", "_yaml", "urllib3", "zstandard", "chardet")


@contextmanager
def user_without_rights(parent: str | None = None) -> Iterator[Magpkg]:
    """The program as a user without rights, with a HOME of its own: `nobody` where the tests run as root.

    HOME is made in `parent`, by default where temporary files are.
    """
    if os.getuid() != 0:
        home = tempfile.mkdtemp(prefix="magpkg-test-", dir=parent)
        yield Magpkg(f"{home}/.magpkg", home, home)
        subprocess.run(["chmod", "-R", "u+rwx", home], check=True)
        shutil.rmtree(home)
        return
    directory = tempfile.mkdtemp(prefix="magpkg-test-", dir=parent or "/tmp")
    os.chmod(directory, 0o755)  # noqa: S103 - another user works in it
    user = pwd.getpwnam("nobody").pw_uid
    home = f"{directory}/home"
    os.mkdir(home)
    os.chown(home, user, user)
    variables = {"PYTHONPATH": _copied(directory), "PYTHONDONTWRITEBYTECODE": "1"}
    yield Magpkg(f"{home}/.magpkg", home, home, [_interpreter(user)], user, variables)
    shutil.rmtree(directory)


def _copied(directory: str) -> str:
    target = pathlib.Path(directory, "modules")
    target.mkdir()
    for name in _MODULES:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            continue
        origin = pathlib.Path(found.origin)
        if origin.name.startswith("__init__."):
            shutil.copytree(origin.parent, target / name)
        else:
            shutil.copy(origin, target / origin.name)
    subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
    return str(target)


def _interpreter(user: int) -> str:
    """This interpreter, or one of the same version that `user` may run."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (os.path.realpath(sys.executable), f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        try:
            done = subprocess.run(
                [candidate, "-c", "import ssl"], user=user, group=user, extra_groups=[], cwd="/", check=False
            )
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    raise AssertionError(f"no Python {version} that an unprivileged user may run: /usr/bin/python{version} is missing")
