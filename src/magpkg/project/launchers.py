"""Shims: small launchers that run a command in a venv as if it were installed, and where they are written.

A launcher is a few lines of shell. On a terminal it is `magpkg venv`, which supervises. Elsewhere it goes the short way
of `data/shims/launcher.pl`, if this machine has Perl.
"""

import hashlib
import os
import secrets
import shlex
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError
from magpkg.manifest.manifest import not_a_command

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
# All that perlrun(1) knows, and the C library's for Perl: none of them is for the launcher, which puts them back.
_PERL_VARIABLES = (
    "PERL5OPT", "PERL5LIB", "PERLLIB", "PERL5DB", "PERL5DB_THREADED", "PERL5SHELL", "PERLIO", "PERLIO_DEBUG",
    "PERL_BADLANG", "PERL_DEBUG_MSTATS", "PERL_DESTRUCT_LEVEL", "PERL_DL_DEBUG", "PERL_DL_NONLAZY", "PERL_ENCODING",
    "PERL_HASH_SEED", "PERL_HASH_SEED_DEBUG", "PERL_INTERNAL_RAND_SEED", "PERL_MEM_LOG", "PERL_PERTURB_KEYS",
    "PERL_RAND_SEED", "PERL_SIGNALS", "PERL_SKIP_LOCALE_INIT", "PERL_STRICT_LOCALE", "PERL_UNICODE",
    "PERL_USE_UNSAFE_INC",
)  # fmt: skip


def program(called: str, executable: str) -> list[str]:
    """The words that run this very magpkg from anywhere: the script as it was `called`, else the interpreter's -m."""
    script = os.path.abspath(called)
    if os.path.basename(script) == "magpkg" and os.access(script, os.X_OK):
        return [script]
    return [executable, "-P", "-m", "magpkg"]  # -P: not from the directory where the shim is called


@dataclass(frozen=True, slots=True)
class Inside:
    """How a shim knows that it is called inside its own venv, by a directory that is there, and its command's path."""

    marker: str
    path: str


def marker(origin: str, expression: str | None) -> str:
    """The directory that the venvs of a manifest, and no others, have inside.

    `origin` is the manifest's file, or says that there is none; its name tells nothing of it.
    """
    place = os.path.realpath(origin) if os.path.isabs(origin) else origin
    text = "\0".join((place, expression or ""))
    return f"/run/magpkg-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def launcher(
    magpkg: Sequence[str], options: Sequence[str], command: str, store: str, machine: str, inside: Inside
) -> str:
    """The text of the shim for `command`: `magpkg venv` with `options`, with the store named unless it is ''.

    Inside its own venv it is the command itself.
    """
    words = shlex.join([*magpkg, "venv", *options, "--", command])
    short = f"{SCRIPTS}/launcher.pl"
    lines = [f'[ -d {inside.marker} ] && exec {shlex.quote(inside.path)} "$@"', f'set -- {words} "$@"']
    if store:
        lines.append(f'[ "${{MAGPKG_STORE-}}" ] || export MAGPKG_STORE={shlex.quote(store)}')
    if machine in _SYSTEM_CALLS and os.access(_PERL, os.X_OK):
        lines += [
            *(f"[ -e /proc/self/fd/{n} ] || exec {n}{'<>'[n > 0]}/dev/null" for n in range(3)),
            f'if [ -t 0 ] || [ -t 1 ] || [ -t 2 ] || ! [ -r {shlex.quote(short)} ]; then exec "$@"; fi',
            *_perl_variables_aside(),
            f'{_PLAIN_PERL} exec {_PERL} -C0 {shlex.quote(short)} {_SYSTEM_CALLS[machine]} "$@"',
        ]
    else:
        lines.append('exec "$@"')
    return _HEAD + "".join(f"{line}\n" for line in lines)


def _perl_variables_aside() -> list[str]:
    """The lines that keep from Perl what is meant for other programs in Perl; launcher.pl puts it back."""
    any_set = "".join(f"${{{name}+x}}" for name in _PERL_VARIABLES)
    return [
        f'case "{any_set}" in *x*)',
        f"  for name in {' '.join(_PERL_VARIABLES)}; do",
        r'    eval "[ \"\${$name+x}\" ] && export _MAGPKG_$name=\"\$$name\" && unset $name || :"',
        "  done",
        "esac",
    ]


def check_name(command: str) -> None:
    """Raise MagpkgError for what cannot be the name of a shim."""
    reason = not_a_command(command)
    if reason:
        raise MagpkgError(f"{command}: {reason}")


def check_place(directory: str, commands: Sequence[str], store: str) -> None:
    """Raise MagpkgError where something else than a shim has the name of one, and for a place in the store."""
    real, root = os.path.realpath(directory), os.path.realpath(store)
    if f"{real}/".startswith(f"{root}/"):
        # Whoever named it to the hook would be anybody who can have it named by a symlink in a project.
        raise MagpkgError(
            f"{directory}: lies in the store, {store}, which is no place for shims", "name another directory with --dir"
        )
    for command in commands:
        _check_replaced(f"{directory}/{command}")


def _check_replaced(path: str) -> None:
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


def offered_directory(shims: str, directory: str) -> tuple[str | None, str]:
    """Where the hooks find the shims of a project's PLACE, below `shims` at the directory's own path, else why not.

    No reason is given for another directory than PLACE, where the hooks do not look. One that a symlink leads to is
    another project's, or nobody's.
    """
    if not directory.endswith(f"/{PLACE}"):
        return None, ""
    real = os.path.realpath(directory)
    if real != f"{os.path.realpath(directory.removesuffix(PLACE))}/{PLACE}".replace("//", "/"):
        return None, f"a symlink leads from {directory} to {real}"
    offered = f"{shims}{real}"
    unfit = next((letter for letter in ":\n" if letter in offered), None)
    if unfit is not None:
        return None, f"PATH cannot hold {'a colon' if unfit == ':' else 'a line break'}, and {offered} has one"
    return offered, ""


def withdraw(offered: str, directory: str) -> None:
    """Offer no longer what has been removed from the project's directory."""
    for name in os.listdir(offered):
        if not os.path.lexists(f"{directory}/{name}"):
            with suppress(FileNotFoundError):
                os.unlink(f"{offered}/{name}")


def hook(shell: str, shims: str) -> str:
    """What the shell is to run: the script that ships for it, told where the shims are."""
    if ":" in shims or "\n" in shims:
        message = f"{shims}: cannot be in PATH, in which a colon separates directories and a line break has no place"
        raise MagpkgError(message, "let MAGPKG_STORE name another directory for the store")
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
            _check_replaced(path)
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
