"""Shims: small launchers that run a command in a venv as if it were installed, and where they are written.

A launcher is a few lines of shell. On a terminal it is `magpkg venv`, which supervises. Elsewhere it goes the short way
of `data/shims/launcher.pl`, if this machine has Perl.
"""

import os
import secrets
import shlex
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError

PLACE = ".magpkg/bin"
"""The directory of shims in a project that the hooks look for."""

SCRIPTS = os.path.join(os.path.dirname(package_file), "data", "shims")
"""What ships for shims and hooks."""

_HEAD = "#!/bin/sh\n# A shim of magpkg: written by `magpkg shim`, and to be written over by it.\n"
_PERL = "/usr/bin/perl"  # the system's: what else is in PATH may load no end of things
# The numbers of statx, prctl, rt_sigprocmask, rt_sigtimedwait, exit_group, keyctl, waitid and rt_sigaction:
# asm/unistd_64.h, asm-generic/unistd.h.
_SYSTEM_CALLS = {"x86_64": "332,157,14,128,231,250,247,13", "aarch64": "291,167,135,137,94,219,95,134"}
# Perl tells of a locale that is not installed, and reads one that is, unless these are set.
_PLAIN_PERL = "PERL_BADLANG=0 PERL_SKIP_LOCALE_INIT=1"


def program(called: str, executable: str) -> list[str]:
    """The words that run this very magpkg from anywhere: the script as it was `called`, else the interpreter's -m."""
    script = os.path.abspath(called)
    if os.path.basename(script) == "magpkg" and os.access(script, os.X_OK):
        return [script]
    return [executable, "-P", "-m", "magpkg"]  # -P: not from the directory where the shim is called


def launcher(magpkg: Sequence[str], options: Sequence[str], command: str, store: str, machine: str) -> str:
    """The text of the shim for `command`: `magpkg venv` with `options`, with the store named unless it is ''."""
    words = shlex.join([*magpkg, "venv", *options, "--", command])
    short = f"{SCRIPTS}/launcher.pl"
    lines = [f'set -- {words} "$@"']
    if store:
        lines.append(f'[ "$MAGPKG_STORE" ] || export MAGPKG_STORE={shlex.quote(store)}')
    if machine in _SYSTEM_CALLS and os.access(_PERL, os.X_OK):
        lines += [
            f'if [ -t 0 ] || [ -t 1 ] || [ -t 2 ] || ! [ -r {shlex.quote(short)} ]; then exec "$@"; fi',
            f'{_PLAIN_PERL} exec {_PERL} -C0 {shlex.quote(short)} {_SYSTEM_CALLS[machine]} "$@"',
        ]
    else:
        lines.append('exec "$@"')
    return _HEAD + "".join(f"{line}\n" for line in lines)


def check_name(command: str) -> None:
    """Raise MagpkgError for what cannot be the name of a shim."""
    if not command or "/" in command or command.startswith((".", "-")) or not command.isprintable():
        raise MagpkgError(f"{command}: a shim has the name of a command, not a path or an option")
    if command == "bwrap":
        raise MagpkgError("bwrap: can be no shim, since magpkg itself would find it in PATH and run for ever")


def check_place(directory: str, commands: Sequence[str]) -> None:
    """Raise MagpkgError where something else than a shim has the name of one."""
    for command in commands:
        path = f"{directory}/{command}"
        if os.path.lexists(path) and not _is_shim(path):
            raise MagpkgError(f"{path}: is there already and is no shim of magpkg", "remove it, or name another DIR")


def write(directory: str, texts: Mapping[str, str]) -> None:
    """Write the shims, each whole at once; one that is there is replaced, anything else is an error."""
    try:
        os.makedirs(directory, exist_ok=True)
        for command, text in texts.items():
            _write_one(directory, command, text)
    except OSError as error:
        raise MagpkgError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error


def offered_directory(shims: str, directory: str) -> str | None:
    """Where the hooks find the shims of a project's PLACE: below `shims`, at the directory's own path.

    None where they do not look for them, or where the path cannot stand in PATH.
    """
    real = os.path.realpath(directory)
    if not real.endswith(f"/{PLACE}") or ":" in real or "\n" in real:
        return None
    return f"{shims}{real}"


def withdraw(offered: str, directory: str) -> None:
    """Offer no longer what has been removed from the project's directory."""
    for name in os.listdir(offered):
        if not os.path.lexists(f"{directory}/{name}"):
            with suppress(FileNotFoundError):
                os.unlink(f"{offered}/{name}")


def hook(shell: str, shims: str) -> str:
    """What the shell is to run: the script that ships for it, told where the shims are."""
    with open(f"{SCRIPTS}/hook.{shell}", encoding="utf-8") as file:
        text = file.read()
    escaped = shims.replace("\\", "\\\\").replace("'", "\\'")
    return text.replace("@SHIMS@", f"'{escaped}'" if shell == "fish" else shlex.quote(shims))


def _write_one(directory: str, command: str, text: str) -> None:
    partial, path = f"{directory}/.{command}.{secrets.token_hex(8)}", f"{directory}/{command}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(partial, flags, 0o700), "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        try:
            os.link(partial, path)  # unlike rename(2) it never replaces what came meanwhile
        except OSError:  # also where a file system has no links
            check_place(directory, [command])
            os.rename(partial, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(partial)


def _is_shim(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        with open(path, "rb") as file:
            return file.read(len(_HEAD)) == _HEAD.encode()
    except FileNotFoundError:
        return True  # gone meanwhile
