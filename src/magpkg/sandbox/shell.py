"""The shell of a venv, for who names none."""

from magpkg.launch.environment import DEFAULT_PATH
from magpkg.launch.hostfiles import MISSING, HostFiles
from magpkg.sandbox.view import NOT_EXECUTABLE, View

_NAMES = ("bash", "sh")  # the better first


def find_shell(view: View, search_path: str, directory: str) -> str:
    """The path of bash if the venv has it, else of sh; empty where it has neither."""
    for name in _NAMES:
        path = shell_path(view, name, search_path, directory)
        if path:
            return path
    return ""


def shell_path(view: View, name: str, search_path: str, directory: str) -> str:
    """Where the venv has the shell of this name, as PATH leads there; empty where it has none."""
    found = view.find_command(name, search_path, directory)
    return "" if found.state in (MISSING, NOT_EXECUTABLE) else found.named


def bare_shell(rootfs: str, search_path: str = DEFAULT_PATH) -> str:
    """What `find_shell` finds where nothing is mounted."""
    return find_shell(View(rootfs, HostFiles()), search_path, "/")
