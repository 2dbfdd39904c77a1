"""Configuration: what a store knows of how the Debian packages of a venv were configured."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from magpkg.making.configure import NOTE
from magpkg.manifest.configuration import is_configuration, parameters
from magpkg.manifest.package import Package
from magpkg.store import record
from magpkg.store.store import Store


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a manifest asks for, and what came of it; `scripts` is None as long as nothing was made.

    `because` has why scripts had to run, by the package whose; `packages` is how many Debian packages there are.
    """

    mode: str
    skip: tuple[str, ...]
    scripts: bool | None = None
    because: Mapping[str, str] = field(default_factory=dict)
    packages: int = 0

    def __str__(self) -> str:
        if self.scripts is None:
            return f"{self.mode}, not made yet"
        if not self.scripts:
            why = f", though {next(iter(sorted(self.because)))} needs them: there is no dpkg" if self.because else ""
            return f"{self.mode}: no scripts of the {self.packages} Debian packages ran{why}"
        said = f"{self.mode}: scripts of {self.packages - len(self.skip)} Debian packages ran"
        names = sorted(self.because)
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said += f", needed by {', '.join(names[:3])}{more}"
        return f"{said}; left out: {', '.join(self.skip)}" if self.skip else said


def outcome(closure: Sequence[Package], store: Store) -> Outcome | None:
    """The outcome for a closure; None where it has no packages of Debian."""
    package = next((package for package in closure if is_configuration(package)), None)
    if package is None:
        return None
    asked = parameters(package)
    try:
        with record.opened(f"{store.package(package.tree_name)}/{NOTE}") as file:
            note = json.load(file)
        return Outcome(asked.mode, asked.skip, note["scripts"], note["because"], note["packages"])
    except (OSError, ValueError, KeyError, TypeError):
        return Outcome(asked.mode, asked.skip)
