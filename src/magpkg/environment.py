"""The environment of a sandboxed command: pure, from the manifest's wishes and the host's values."""

from collections.abc import Mapping

from magpkg.manifest import Manifest

DEFAULT_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
DEFAULT_LIBRARY_PATH = "/usr/lib64:/usr/lib:/lib"

ALWAYS_KEPT = ("HOME", "TERM")
"""What a shell and a terminal program need to know of the host, where the host has it."""


def sandbox_environment(manifest: Manifest, host: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of the command: what is kept of `host`, overridden by what the manifest sets."""
    environment = {"PATH": DEFAULT_PATH, "LD_LIBRARY_PATH": DEFAULT_LIBRARY_PATH}
    for name in ALWAYS_KEPT + manifest.env_keep:
        if name in host:
            environment[name] = host[name]
    environment.update(manifest.env_set)
    return environment
