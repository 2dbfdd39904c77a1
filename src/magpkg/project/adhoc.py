"""Environments without a manifest of the user's: a set of names, and where the store keeps its manifest and lock."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from magpkg.debian.lockfile import check_debian_name
from magpkg.debian.locking import Scope
from magpkg.errors import MagpkgError

_LABEL_MAX = 40
MANIFEST_NAME = "magpkg.json"


@dataclass(frozen=True, slots=True)
class AdHoc:
    """Names of Debian's packages, sorted, and where they are looked for; equal sets are one environment."""

    names: tuple[str, ...]
    where: Scope
    verified: bool = True
    """Whether the signatures of the suites are checked: what is pinned without has a place of its own."""

    def directory(self, sets_directory: str) -> str:
        """Where its manifest and lock are or will be; the last part begins with the names, for people."""
        where = self.where
        words = ["magpkg set 1", where.architecture, *self.names, "", *where.suites, "", *where.components]
        words += [] if self.verified else ["", "not verified"]
        label = "+".join(self.names)[:_LABEL_MAX].rstrip("+")
        digest = hashlib.sha256("\0".join(words).encode()).hexdigest()
        return f"{sets_directory}/{label}-{digest[:16]}"

    def manifest(self) -> str:
        """The text of its manifest: the packages, an empty home directory, and the working directory, writable."""
        mounts = [{"type": "tmpfs", "target": "${HOME}", "optional": True}, {"source": "${PWD}", "optional": True}]
        return json.dumps({"packages": list(self.names), "mounts": mounts}, indent=2) + "\n"


def read_names(given: Sequence[str]) -> tuple[str, ...]:
    """The names in arguments such as `jq,make`, sorted, each once; MagpkgError where one could not be Debian's."""
    names = sorted({name for text in given for name in text.split(",") if name})
    if not names:
        raise MagpkgError("no package is named", "name some: magpkg run -p jq,make -- COMMAND")
    for name in names:
        check_debian_name(name)
    return tuple(names)
