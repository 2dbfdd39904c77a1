"""Failures: why a url gave nothing, in a few words that hold no credentials."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from magpkg.errors import MagpkgError


class Unreachable(OSError):
    """No server was reached at all; the text says why in a few words."""


class Unreached(MagpkgError):
    """The error for a try in which nobody answered."""


@dataclass(frozen=True, slots=True)
class Failure:
    """That reading `url` failed; `of_mirror` where the url is a path below a mirror."""

    url: str
    error: Exception
    of_mirror: bool = False

    def __str__(self) -> str:
        if isinstance(self.error, MagpkgError):  # which names the place by itself
            return self.error.message
        return f"{shown_url(self.url)}: {reason(self.error)}"


def reason(error: Exception) -> str:
    """Why reading a url failed, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def shown_url(url: str) -> str:
    """A url as messages may have it: without the user and the password that it may hold."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where a password has a slash in it, say: its end is then not to be found
    except ValueError:
        return url if "@" not in url else f"{url.partition(':')[0]}:..."
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def nothing_reached(what: str, failures: Sequence[Failure]) -> Unreached | None:
    """The error for a try of which no part reached a server; None where any did.

    It is one short line: how each url failed stands in its cause, which --debug shows.
    """
    if not failures or not all(isinstance(failure.error, Unreachable) for failure in failures):
        return None
    hosts = sorted({urlsplit(failure.url).hostname or "" for failure in failures})
    place = ", ".join(hosts)
    if all(failure.of_mirror for failure in failures):
        place = "the mirror" if len(hosts) == 1 else "any mirror"
    reasons = "; ".join(dict.fromkeys(reason(failure.error) for failure in failures))
    made = Unreached(f"{what}: cannot reach {place} ({reasons})")
    made.__cause__ = OSError("; ".join(str(failure) for failure in failures))
    return made
