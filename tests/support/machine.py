"""The machine around a test: less room, a certificate, the golden files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

GOLDEN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "golden")


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow beyond `size` bytes: what is written there ends early, as on a full disk, and then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def certificate(directory: str) -> tuple[str, str]:
    """A new certificate for 127.0.0.1 that is its own CA, made with openssl: the paths of it and of its key."""
    made, key = f"{directory}/certificate.pem", f"{directory}/key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    words = [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", made]
    subprocess.run(words, check=True, capture_output=True)
    return made, key
