"""Signatures: whether a signed text was signed with a key of a keyring, by the OpenPGP library Sequoia."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from magpkg import __file__ as package_file
from magpkg.errors import MagpkgError

if TYPE_CHECKING:
    from pysequoia import Cert

SHIPPED_KEYRING = os.path.join(os.path.dirname(os.path.abspath(package_file)), "data/keys/debian-archive-keyring.pgp")
"""The Debian archive's keys as Debian 12 ships them, for hosts that are not Debian."""

# The package debian-archive-keyring has the first name since trixie and had the second before.
_HOST_KEYRINGS = (
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
)


def find_keyring(named: str | None, host: Sequence[str] = _HOST_KEYRINGS) -> str:
    """The keyring to trust: the one named, else the host's Debian archive keyring, else the one that is shipped.

    The host's comes first since its owner keeps it up to date: keys are replaced and revoked.
    """
    if named is not None:
        return named
    return next((path for path in host if os.path.isfile(path)), SHIPPED_KEYRING)


def verified(signed: bytes, keyring: str, label: str) -> bytes:
    """The text inside `signed` (an OpenPGP cleartext-signed message), once a key of `keyring` vouches for it.

    Only what is returned was signed: what stands around it in the message was not. Raises MagpkgError, naming `label`,
    where no signature is good.
    """
    import pysequoia

    certificates = _certificates(keyring)
    asked: list[str] = []

    def known(key_ids: list[str]) -> "list[Cert]":
        asked.extend(key_ids)
        return certificates

    try:
        result = pysequoia.verify(signed, known)
    except Exception as error:  # the library has no exception of its own
        made_with = f", which is signed with {', '.join(asked)}" if asked else ""
        message = f"{label}: the signature does not hold: {_first_line(error)}{made_with}; the keyring is {keyring}"
        hint = "name a keyring with --keyring FILE; --no-verify trusts the mirror and everyone on the way to it instead"
        raise MagpkgError(message, hint) from error
    content = result.bytes
    if content is None or not result.valid_sigs:
        raise MagpkgError(f"{label}: is not signed")
    return bytes(content)


def unverified(signed: bytes) -> bytes:
    """The text inside a cleartext-signed message, whoever signed it."""
    _, begin, rest = signed.partition(b"-----BEGIN PGP SIGNED MESSAGE-----")
    if not begin:
        return signed
    body = rest.replace(b"\r\n", b"\n").partition(b"\n\n")[2].partition(b"\n-----BEGIN PGP SIGNATURE-----")[0]
    # RFC 9580, 7.2: a line that begins with a dash is written with "- " before it.
    return b"\n".join(line.removeprefix(b"- ") for line in body.split(b"\n")) + b"\n"


def _certificates(keyring: str) -> "list[Cert]":
    from pysequoia import Cert

    try:
        with open(keyring, "rb") as file:
            certificates = Cert.split_bytes(file.read())
    except OSError as error:
        raise MagpkgError(f"keyring {keyring}: cannot be read: {error.strerror}") from error
    except Exception as error:  # the library has no exception of its own
        raise MagpkgError(f"keyring {keyring}: is no OpenPGP keyring: {_first_line(error)}") from error
    if not certificates:
        raise MagpkgError(f"keyring {keyring}: holds no keys")
    return certificates


def _first_line(error: Exception) -> str:
    # Its messages go on with a stack of the library's own.
    return (str(error).splitlines() or [type(error).__name__])[0].removeprefix("Signature verification failed: ")
