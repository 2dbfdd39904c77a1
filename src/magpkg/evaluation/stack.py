"""The evaluator's stack: room for long chains of operators, and an error for those that it cannot hold."""

import re
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from magpkg.errors import MagpkgError

# The evaluator goes down one level for each link of a chain such as 1 + 1 + 1 or f()()(), without a bound of its own,
# and ends the process where the stack does: at some 20,000 links on a usual one. With this much it holds 200,000. The
# main thread's grows as far as its limit says at that moment; above it, 128 MiB are free for that on Linux.
_STACK = 112 << 20
_LINKS_MAX = 150_000
_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"')
_LINK = re.compile(rb"[-+*/%&|^<>=!.]|[\])}]\s*[\[({]")


def check_length(path: str, text: bytes) -> None:
    """Raise MagpkgError where a source may have a chain that is too long; strings in it count for nothing.

    Two bytes are the least that a link takes. This finds accidents, such as data that a program wrote as an expression:
    who hides a chain between quotes in comments still ends the evaluator, and harms nobody else.
    """
    if len(text) <= 2 * _LINKS_MAX:
        return
    links = sum(1 for _ in _LINK.finditer(_STRING.sub(b"", text)))
    if links > _LINKS_MAX:
        message = f"{path}: has {links:,} operators, and the evaluator cannot be trusted with more than {_LINKS_MAX:,}"
        raise MagpkgError(message, "put what is data into a file of its own, and read it with importstr and parseJson")


@contextmanager
def roomy() -> Iterator[None]:
    """Have a stack of that size for what is done here, in the main thread; in others it is as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
    if threading.current_thread() is not threading.main_thread() or soft == resource.RLIM_INFINITY or soft >= wanted:
        yield
        return
    resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))
