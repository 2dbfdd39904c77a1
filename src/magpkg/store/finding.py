"""A finding: one thing that this host must be able to do, whether it is, and what to do where it is not."""

from collections.abc import Iterable
from dataclasses import dataclass

from magpkg.errors import MagpkgError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried, by a short name; how it went; the narrowest change of the host that would mend it."""

    name: str
    passed: bool
    message: str
    fix: str | None = None


def failed(name: str, error: MagpkgError) -> Finding:
    """The finding that an error comes to."""
    return Finding(name, False, error.message, error.hint)


def require(findings: Iterable[Finding]) -> None:
    """Raise the first finding that failed, as an error of the same words."""
    for finding in findings:
        if not finding.passed:
            raise MagpkgError(finding.message, finding.fix)
