"""The environment of a sandboxed command: pure, from the manifest's wishes and the host's values.

Part of every launch, so it imports next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
DEFAULT_LIBRARY_PATH = "/usr/lib64:/usr/lib:/lib"
DEFAULT_LOCALE = "C.UTF-8"  # text of any language, and built into the C library since 2.35

_LOCALE = ("LANG", "LC_ALL", "LC_CTYPE")

ALWAYS_KEPT = ("HOME", "TERM")
"""What a shell and a terminal program need to know of the host, where the host has it."""

_OWN = ("PATH", "LD_LIBRARY_PATH", "PWD")  # what the venv says itself, unless somebody names just these


def own_variables(name: str) -> "tuple[tuple[str, str], ...]":
    """What a command is told of its venv: the name, and that again for the prompt of Debian's bash."""
    # A directory may be called anything, and a prompt goes to the terminal as it is.
    name = "".join(character if character.isprintable() else "?" for character in name)
    return (("MAGPKG_VENV", name), ("debian_chroot", name))


def sandbox_environment(
    keep: "Iterable[str]", assigned: "Iterable[tuple[str, str]]", host: "Mapping[str, str]"
) -> dict[str, str]:
    """The whole environment of the command: of `host` what is to be kept, overridden by what is `assigned`."""
    environment = {"PATH": DEFAULT_PATH, "LD_LIBRARY_PATH": DEFAULT_LIBRARY_PATH}
    for name in (*ALWAYS_KEPT, *keep):
        if "*" in name:
            environment.update((found, host[found]) for found in host if is_kept(found, (name,)))
        elif name in host:
            environment[name] = host[name]
    environment.update(assigned)
    if not any(name in environment for name in _LOCALE):
        environment["LANG"] = DEFAULT_LOCALE
    return environment


def is_kept(name: str, keep: "Iterable[str]") -> bool:
    """Whether a variable is among the names and patterns in `keep`; a `*` stands for any text, but for no own name."""
    return any(name == each or ("*" in each and name not in _OWN and _matches(name, each)) for each in keep)


def _matches(name: str, pattern: str) -> bool:
    start, *between, end = pattern.split("*")
    position = len(start)
    if not name.startswith(start):
        return False
    for part in between:
        position = name.find(part, position)
        if position < 0:
            return False
        position += len(part)
    return name.endswith(end) and len(name) - len(end) >= position


def bwrap_arguments(options: "Iterable[str]", environment: "Mapping[str, str]", directory: str) -> list[str]:
    """bwrap's arguments before the command: `options`, then just this environment and the working directory.

    They hold the environment's values, so that their place is `--args`, never a command line.
    """
    arguments = [*options, "--clearenv"]
    for name in sorted(environment):
        arguments += ["--setenv", name, environment[name]]
    return [*arguments, "--chdir", directory]


def store_root(host: "Mapping[str, str]") -> str | None:
    """The root of the store: what MAGPKG_STORE names, else `.magpkg` in HOME; None where neither is usable."""
    named = host.get("MAGPKG_STORE", "")
    if named and (not named.startswith("/") or {"", ".", ".."}.intersection(named[1:].split("/"))):
        from os.path import abspath

        return abspath(named)
    home = host.get("HOME", "")
    return named or (f"{home.rstrip('/')}/.magpkg" if home.startswith("/") else None)
