"""Grammar: what names, versions and architectures look like by Debian's policy: none of them is shell or a path."""

import re

from magpkg.errors import MagpkgError
from magpkg.manifest.field import read_text, shown
from magpkg.manifest.manifest import SUITE_NAME

_VERSION_MAX = 256

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]*\Z")  # Debian policy, 5.6.1 and 5.6.7
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")  # 5.6.8
# 5.6.12. An upstream version may hold a colon only where there is an epoch, which dpkg keeps in an int.
_VERSION = re.compile(r"([0-9]{1,9}:[A-Za-z0-9][A-Za-z0-9.+~:-]*|[A-Za-z0-9][A-Za-z0-9.+~-]*)\Z")
# What packages call others: dpkg takes more than the policy has, and indices of other archives use it.
_RELATED = re.compile(r"[A-Za-z0-9][A-Za-z0-9+._-]*\Z")


def is_debian_name(name: str) -> bool:
    """Whether Debian could have a package of this name."""
    return _PACKAGE.match(name) is not None


def is_related_name(name: str) -> bool:
    """Whether dpkg takes this for the name of a package in a relation."""
    return _RELATED.match(name) is not None


def is_version(text: str) -> bool:
    """Whether Debian could have a version like this, which then can be compared with others."""
    return len(text) <= _VERSION_MAX and _VERSION.match(text) is not None


def is_architecture(text: str) -> bool:
    """Whether Debian could have an architecture of this name."""
    return _ARCHITECTURE.match(text) is not None


def read_package(value: object, where: str) -> str:
    """`value` as the name of a package; errors name `where`, as everywhere here."""
    return _read(_PACKAGE, "the name of a Debian package", value, where)


def read_architecture(value: object, where: str) -> str:
    """`value` as the name of an architecture."""
    return _read(_ARCHITECTURE, "the name of an architecture", value, where)


def read_suite(value: object, where: str) -> str:
    """`value` as the name of a suite or of a component."""
    return _read(SUITE_NAME, "the name of a suite or a component", value, where)


def read_version(value: object, where: str) -> str:
    """`value` as a version."""
    text = read_text(value, where)
    if not is_version(text):
        raise MagpkgError(f"{where}: must be a version as Debian has them, got {shown(text)}")
    return text


def _read(pattern: re.Pattern[str], what: str, value: object, where: str) -> str:
    text = read_text(value, where)
    if not pattern.match(text):
        raise MagpkgError(f"{where}: must be {what}, got {shown(text)}")
    return text
