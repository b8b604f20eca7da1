"""Signed pictures, verified by C2PA's own reader; what they say of themselves stays readable."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import c2pa
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from app.jobs.spec import OutputFormat
from app.stories import containers, xmp
from worker.output import encode
from worker.seal import Seal, SealBroken

PIXELS = np.random.default_rng(1).integers(0, 255, (32, 48, 3)).astype(np.uint8)


def a_certificate(
    name: str, key: EllipticCurvePrivateKey, by: str, by_key: EllipticCurvePrivateKey
) -> bytes:
    """PEM; an authority's if it is its own issuer."""
    is_authority, today = name == by, datetime.now(UTC)
    names = [x509.Name([
        x509.NameAttribute(NameOID.COMMON_NAME, text),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"),
    ]) for text in (name, by)]  # fmt: skip
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(
            x509.KeyUsage(digital_signature=not is_authority, key_cert_sign=is_authority,
                          crl_sign=is_authority, **usage), critical=True,
        )
    )  # fmt: skip
    if not is_authority:
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purposes, critical=False)
    return builder.sign(by_key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A chain and its key, as an operator has them."""
    folder = tmp_path_factory.mktemp("certificates")
    authority, own = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    chain = a_certificate("signer", own, "authority", authority)
    chain += a_certificate("authority", authority, "authority", authority)
    certificate, key = folder / "chain.pem", folder / "key.pem"
    certificate.write_bytes(chain)
    key.write_bytes(own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


@pytest.mark.parametrize("output_format", OutputFormat)
def test_a_signed_picture_verifies_and_still_tells_its_story(
    output_format: OutputFormat, files: tuple[Path, Path]
) -> None:
    plain = encode(PIXELS, output_format, 90, "a fox\nSteps: 4, Seed: 1, Size: 48x32")

    signed = Seal.of(*files, "es256").sign(plain, output_format)

    reader = c2pa.Reader(output_format.content_type, BytesIO(signed))
    assert reader.get_validation_state() == "Valid"
    assert xmp.TRAINED in reader.json()
    assert '"common_name": "signer"' in reader.json()
    found, before = containers.carried(signed), containers.carried(plain)
    assert (found.has_c2pa, found.parameters) == (True, before.parameters)
    assert xmp.digital_source_type(found.xmp) == xmp.TRAINED
    assert np.array_equal(*(np.asarray(Image.open(BytesIO(data))) for data in (plain, signed)))


def test_a_changed_picture_no_longer_verifies(files: tuple[Path, Path]) -> None:
    signed = Seal.of(*files, "es256").sign(
        encode(PIXELS, OutputFormat.JPEG, 90, ""), OutputFormat.JPEG
    )
    changed = signed[:-40] + bytes([signed[-40] ^ 1]) + signed[-39:]

    assert c2pa.Reader("image/jpeg", BytesIO(changed)).get_validation_state() == "Invalid"


def test_what_cannot_sign_is_found_at_once(files: tuple[Path, Path], tmp_path: Path) -> None:
    certificate, key = files
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for broken in ((nonsense, key), (certificate, nonsense), (tmp_path / "missing", key)):
        with pytest.raises(SealBroken):
            Seal.of(*broken, "es256")
    with pytest.raises(SealBroken):
        Seal.of(certificate, key, "ed25519")
