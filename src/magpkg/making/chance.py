"""Chance: what Debian's scripts leave that differs from run to run, or must not be shared, and what becomes of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

_DAY = 3652
"""1980-01-01 in days, as of SOURCE_DATE_EPOCH."""


@dataclass(frozen=True, slots=True)
class Row:
    """Paths, as a pattern over the whole path; why they cannot stay as they are; what their content becomes.

    Without `mend` the path is left out: it is as if no script had touched it.
    """

    pattern: str
    reason: str
    mend: Callable[[bytes], bytes] | None = None


def _days(content: bytes) -> bytes:
    """The lines of shadow(5), with one day for every change of a password."""
    lines = [line.split(b":") for line in content.split(b"\n")]
    return b"\n".join(b":".join([*line[:2], b"%d" % _DAY, *line[3:]] if len(line) > 3 else line) for line in lines)


def _sorted_lines(content: bytes) -> bytes:
    return b"".join(sorted(content.splitlines(keepends=True)))


def _sorted_paragraphs(content: bytes) -> bytes:
    """Paragraphs in order, after the comment that the first begins with; without lines that name a time."""
    head, _, rest = content.partition(b"\n\n")
    return b"\n\n".join([head, *sorted(part for part in rest.strip(b"\n").split(b"\n\n") if part)]) + b"\n\n"


def _sorted_listing(content: bytes) -> bytes:
    """What `ls -LAR` printed: its directories by name, and what each has by name; the first line is a comment."""
    head, _, rest = content.partition(b"\n")
    parts = [part.strip(b"\n").split(b"\n") for part in rest.strip(b"\n").split(b"\n\n")]
    return b"\n\n".join([head, *sorted(b"\n".join([part[0], *sorted(part[1:])]) for part in parts)]) + b"\n"


TABLE = (
    Row(r"var/cache/ldconfig/.*", "inodes and times of libraries, of use to the next run only"),
    Row(r"(etc|var/lib/dbus)/machine-id", "stands for one machine, and would stand for all"),
    Row(r"etc/ssh/ssh_host_.*", "a secret: whoever starts a server makes it a key"),
    Row(
        r"etc/ssl/(private|certs)/(ssl-cert-snakeoil.*|[0-9a-f]{8}\.\d+\.snakeoil)",
        "a secret: a key is made where it is used",
    ),
    Row(r"var/lib/(systemd|urandom)/random-seed", "a secret"),
    Row(r"var/cache/debconf/(passwords.dat.*|.*-old)", "a secret, and copies from before the last change"),
    Row(r"(etc|var/lib/dpkg|var/backups)/.*-(old)?", "copies from before the last change"),
    Row(r"etc/\.pwd\.lock|var/lib/dpkg/(lock.*|triggers/Lock)|var/cache/debconf/.*\.lock|.*/\.lock", "locks"),
    Row(r"etc/g?shadow", "the day on which an account was made", _days),
    Row(r"var/log/.+", "logs, with times"),
    Row(r"(var/lib/texmf|usr/share/texmf|var/lib/.*)/.*\.log", "logs, with times"),
    Row(r".*/__pycache__/.*|.*\.py[co]", "compiled modules, with times of their sources; Python does without"),
    Row(r"var/cache/fontconfig/.*|.*/\.uuid", "times of directories; fontconfig makes its cache in HOME"),
    Row(r".*/icon-theme\.cache", "in the order in which a file system lists; GTK reads the directories instead"),
    Row(r"etc/ssl/certs/java/.*", "times of certificates: a fix-up makes the store without"),
    Row(r"var/cache/(man|apt|dictionaries-common/emacsen.*)/.*", "indexes with times, made anew when they are missing"),
    Row(r"var/lib/dpkg/info/(?!.*\.list$).*", "dpkg's copies of scripts, which are the trees' own"),
    Row(r"var/lib/dpkg/(available|cmethopt|parts|arch-native).*", "made by dpkg at its first start, and empty"),
    Row(r"run/.*|tmp/.*|var/tmp/.*|dev/.*|proc/.*|sys/.*", "not of the root"),
    Row(r"root/\.(?!bashrc$|profile$).*", "left by tools that take the home directory for somebody's"),
    Row(r"var/lib/texmf/web2c/tex/tex\.fmt", "has the time in it: a fix-up makes it without"),
    Row(r"(.*/)?ls-R(-.*)?", "in the order in which a file system lists", _sorted_listing),
    Row(r"var/lib/texmf/updmap\.cfg-.*", "in the order in which a file system lists", _sorted_lines),
    Row(r".*/(giomodule\.cache|immodules\.cache)", "in the order in which a file system lists", _sorted_lines),
    Row(r".*/gdk-pixbuf-2\.0/.*/loaders\.cache", "in the order in which a file system lists", _sorted_paragraphs),
)
"""Of several rows that fit a path the first counts."""

_ROWS = tuple((re.compile(row.pattern), row) for row in TABLE)


def row_of(path: str) -> Row | None:
    """The row for a path, relative to the root; None for what can stay."""
    return next((row for pattern, row in _ROWS if pattern.fullmatch(path)), None)
