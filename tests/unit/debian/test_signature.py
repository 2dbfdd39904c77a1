"""Signatures, with keys made here: what a message must be, and what a key must be now."""

import pathlib
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pysequoia
import pytest
from pysequoia import ArmorKind, SignatureMode, Tsk

from magpkg.debian.signature import _fault, verified
from magpkg.errors import MagpkgError
from tests.support.repository import signature_packets

TEXT = b"Suite: bookworm\n- a dash\nDate: now\n"
NOW = datetime.now(UTC)


class Signer:
    """A key, and the keyring that holds its public half."""

    def __init__(self, folder: pathlib.Path, seconds: int | None = None) -> None:
        self.secret = Tsk.generate("Test <test@invalid>", validity_seconds=seconds)
        self.keyring = str(folder / "key.pgp")
        self.publish(self.secret.extract_certificate())

    def publish(self, certificate: Any, *more: Any) -> None:
        pathlib.Path(self.keyring).write_bytes(b"".join(bytes(item) for item in (certificate, *more)))

    def signed(self, mode: Any = SignatureMode.CLEAR) -> bytes:
        return pysequoia.sign(self.secret.signer(), TEXT, mode=mode)


@pytest.fixture
def signer(tmp_path: pathlib.Path) -> Signer:
    return Signer(tmp_path)


def refused(message: bytes, signer: Signer, now: datetime = NOW) -> str:
    with pytest.raises(MagpkgError) as caught:
        verified(message, signer.keyring, "InRelease", now)
    return caught.value.message


def test_the_text_is_what_was_signed(signer: Signer) -> None:
    assert verified(signer.signed(), signer.keyring, "InRelease", NOW) == TEXT
    assert verified(signer.signed() + b"\n", signer.keyring, "InRelease", NOW) == TEXT


FALSE = b"-----BEGIN PGP SIGNED MESSAGE-----\n\nSuite: evil\n\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"x" + FALSE, b""),
        (FALSE, b""),
        (b"\n", b""),
        (b"Suite: evil\n\n", b""),
        (b"\xef\xbb\xbf", b""),
        (b"", b"Valid-Until: tomorrow\n"),
        (b"", b"\nSuite: evil\n"),
        (b"", b"\n\x00"),
        (b"", FALSE),
        (b"-----BEGIN PGP SIGNATURE-----\n", b""),
        (b"", b"-----END PGP SIGNATURE-----\n"),
    ],
)
def test_nothing_stands_before_or_after_it(signer: Signer, before: bytes, after: bytes) -> None:
    said = refused(before + signer.signed() + after, signer)
    assert "is not signed: it does not begin" in said or "is not one signed message alone" in said


def test_two_messages_are_none(signer: Signer) -> None:
    assert "is not one signed message alone" in refused(signer.signed() * 2, signer)


def test_a_message_of_another_form_is_not_looked_into(signer: Signer) -> None:
    # It could hold compressed data: 2.7 MB of it unpacked to 2 GiB before the signature was looked for.
    message = signer.signed(SignatureMode.INLINE)
    armoured = pysequoia.armor(message, ArmorKind.Message).encode() if not message.startswith(b"-") else message
    assert "it does not begin as a signed message does" in refused(message, signer)
    assert "it does not begin as a signed message does" in refused(armoured, signer)


@pytest.mark.parametrize("text", [b"", b"<html>log in</html>", b"Suite: bookworm\n", b"\x00" * 1000])
def test_what_is_no_message_is_not_signed(signer: Signer, text: bytes) -> None:
    assert "is not signed" in refused(text, signer)


def test_a_key_that_has_expired_vouches_for_nothing_of_before(tmp_path: pathlib.Path) -> None:
    signer = Signer(tmp_path, 3600)
    message = signer.signed()
    assert verified(message, signer.keyring, "InRelease", NOW) == TEXT
    said = refused(message, signer, NOW + timedelta(hours=2))
    assert re.search(r"does not hold any more: key [0-9a-f]{40} expired on \d{4}-", said)


def test_a_certificate_that_has_expired_takes_its_subkeys_with_it(signer: Signer) -> None:
    message = signer.signed()
    certificate = signer.secret.extract_certificate()
    signer.publish(certificate.set_expiration(NOW + timedelta(hours=1), signer.secret.certifier()))
    assert verified(message, signer.keyring, "InRelease", NOW) == TEXT
    assert f"key {certificate.fingerprint} expired on " in refused(message, signer, NOW + timedelta(hours=2))


def test_a_subkey_that_has_expired_vouches_for_nothing_either(tmp_path: pathlib.Path) -> None:
    signer = Signer(tmp_path, 3600)
    message = signer.signed()
    longer = signer.secret.extract_certificate().set_expiration(NOW + timedelta(days=900), signer.secret.certifier())
    signer.publish(longer)
    assert verified(message, signer.keyring, "InRelease", NOW) == TEXT
    assert "does not hold any more: key " in refused(message, signer, NOW + timedelta(hours=2))


def test_a_revoked_key_vouches_for_nothing(signer: Signer) -> None:
    message = signer.signed()
    certificate = signer.secret.extract_certificate()
    signer.publish(certificate, certificate.revoke(signer.secret.certifier()))
    assert "does not hold" in refused(message, signer)


def test_a_key_that_was_replaced_is_revoked_as_well() -> None:
    # Such a revocation counts from its date on, so that Sequoia takes what is dated before; nothing here can make one.
    replaced: Any = SimpleNamespace(is_revoked=True, fingerprint="ab", expiration=None)
    assert _fault(replaced, "ab", NOW) == "key ab is revoked"


def test_one_key_that_lives_is_enough(tmp_path: pathlib.Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    old, new = Signer(tmp_path / "old", 3600), Signer(tmp_path / "new")
    begin = b"-----BEGIN PGP SIGNATURE-----"
    head, _, first = old.signed().partition(begin)
    _, _, second = new.signed().partition(begin)
    both = head + pysequoia.armor(signature_packets(first) + signature_packets(second), ArmorKind.Signature).encode()
    new.publish(new.secret.extract_certificate(), old.secret.extract_certificate())
    later = NOW + timedelta(hours=2)
    assert verified(both, new.keyring, "InRelease", later) == TEXT
    assert "does not hold any more" in refused(both, old, later)
