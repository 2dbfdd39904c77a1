"""Signatures: whether a signed text was signed with a key of a keyring, by the OpenPGP library Sequoia."""

import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
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


_HINT = "name a keyring with --keyring FILE; --no-verify trusts the mirror and everyone on the way to it instead"
_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_FRAME = (_BEGIN, _SIGNATURE, _END)
# Text of a message that begins with a dash has "- " before it, so that these lines are no text; RFC 9580, 7.2.
_DASHES = re.compile(rb"^-(?! )[^\r\n]*", re.MULTILINE)


def find_keyring(named: str | None, host: Sequence[str] = _HOST_KEYRINGS) -> str:
    """The keyring to trust: the one named, else the host's Debian archive keyring, else the one that is shipped.

    The host's comes first since its owner keeps it up to date: keys are replaced and revoked.
    """
    if named is not None:
        return named
    return next((path for path in host if os.path.isfile(path)), SHIPPED_KEYRING)


def verified(signed: bytes, keyring: str, label: str, now: datetime) -> bytes:
    """The text inside `signed` (an OpenPGP cleartext-signed message), once a key of `keyring` vouches for it.

    The key must be good `now`, not only when it signed: a stolen key of old can sign what is dated before. Raises
    MagpkgError, naming `label`, where the message is anything else or has anything else around it, and where no
    signature is good.
    """
    import pysequoia

    _check_frame(signed, label)
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
        raise MagpkgError(message, _HINT) from error
    content = result.bytes
    if content is None or not result.valid_sigs:
        raise MagpkgError(f"{label}: is not signed")
    by_fingerprint = {certificate.fingerprint: certificate for certificate in certificates}
    faults = [
        _fault(by_fingerprint[signature.certificate], signature.signing_key, now) for signature in result.valid_sigs
    ]
    if all(faults):
        message = f"{label}: the signature does not hold any more: {'; '.join(sorted(set(faults)))}"
        raise MagpkgError(f"{message}; the keyring is {keyring}", _HINT)
    return bytes(content)


def unverified(signed: bytes) -> bytes:
    """The text inside a cleartext-signed message, whoever signed it."""
    _, begin, rest = signed.partition(_BEGIN)
    if not begin:
        return signed
    body = rest.replace(b"\r\n", b"\n").partition(b"\n\n")[2].partition(b"\n" + _SIGNATURE)[0]
    # RFC 9580, 7.2: a line that begins with a dash is written with "- " before it.
    return b"\n".join(line.removeprefix(b"- ") for line in body.split(b"\n")) + b"\n"


def _check_frame(signed: bytes, label: str) -> None:
    """Raise MagpkgError unless `signed` is one cleartext-signed message from its first byte to its last, RFC 9580, 7.

    Any other form can hold compressed data, of which a few megabytes unpack to gigabytes; and what stands around a
    message was signed by nobody.
    """
    if not signed.startswith(_BEGIN):
        raise MagpkgError(f"{label}: is not signed: it does not begin as a signed message does", _HINT)
    if _DASHES.findall(signed) != list(_FRAME) or not signed.rstrip(b"\r\n").endswith(_END):
        raise MagpkgError(f"{label}: is not one signed message alone, as an InRelease file must be", _HINT)


def _fault(certificate: "Cert", signing_key: str, now: datetime) -> str:
    """Why a key is not good any more, else nothing."""
    name = f"key {certificate.fingerprint}"
    if certificate.is_revoked:
        return f"{name} is revoked"
    if certificate.expiration is not None and certificate.expiration <= now:
        return f"{name} expired on {certificate.expiration:%Y-%m-%d}"
    return _fault_of_subkey(certificate, signing_key, now)


def _fault_of_subkey(certificate: "Cert", signing_key: str, now: datetime) -> str:
    """The same for one of the certificate's subkeys, of which the library tells nothing but packets."""
    from pysequoia.packet import PacketPile, SignatureType

    created: datetime | None = None
    newest: datetime | None = None
    lasts: timedelta | None = None
    ours = False
    for packet in PacketPile.from_bytes(bytes(certificate)):
        if packet.fingerprint is not None:
            ours = packet.fingerprint == signing_key and packet.fingerprint != certificate.fingerprint
            created = packet.key_created if ours else created
        elif ours and packet.signature_type == SignatureType.SubkeyRevocation:
            return f"key {signing_key} is revoked"
        elif ours and packet.signature_type == SignatureType.SubkeyBinding:
            made = packet.signature_created
            if made is not None and (newest is None or made >= newest):
                newest, lasts = made, packet.key_validity_period  # the newest binding is the one that counts
    if created is not None and lasts is not None and created + lasts <= now:
        return f"key {signing_key} expired on {created + lasts:%Y-%m-%d}"
    return ""


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
