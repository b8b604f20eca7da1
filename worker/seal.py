"""C2PA content credentials with the operator's own certificate, signed offline (C2PA 2.2).

A reader can tell that the file has not changed since it was signed, and by whose certificate. The
certificate is the operator's: whether a reader trusts it is theirs to arrange.
"""

from io import BytesIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from app.jobs.spec import OutputFormat
from app.stories import TOOL, xmp

GENERATOR, VERSION = TOOL.split()
MANIFEST = {
    "claim_generator_info": [{"name": GENERATOR, "version": VERSION}],
    "assertions": [
        {
            "label": "c2pa.actions",
            "data": {
                "actions": [{"action": "c2pa.created", "digitalSourceType": xmp.TRAINED}],
            },
        }
    ],
}
SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}  # it would outweigh a small picture


class SealBroken(Exception):
    """The certificate or key cannot sign; says why."""


class Seal:
    """Signs pictures. Safe to use from several threads."""

    def __init__(self, certificates: bytes, key: bytes, algorithm: str) -> None:
        """PEM of the chain, leaf first, and of the leaf's key (PKCS #8).

        Raises:
            SealBroken: `darkroom[c2pa]` is not installed.
        """
        try:
            import c2pa
        except ImportError as error:
            raise SealBroken(f"install darkroom[c2pa]: {error}") from error
        self._c2pa: Any = c2pa
        self._parts = (algorithm.encode(), certificates, key, None)

    @classmethod
    def of(cls, certificates: Path, key: Path, algorithm: str) -> Self:
        """From files, tried once on a small picture.

        Raises:
            SealBroken: A file is missing, or the certificate does not fit C2PA's profile.
        """
        try:
            seal = cls(certificates.read_bytes(), key.read_bytes(), algorithm)
        except OSError as error:
            raise SealBroken(f"{error.filename}: {error.strerror}") from error
        buffer = BytesIO()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, "png")
        try:
            seal.sign(buffer.getvalue(), OutputFormat.PNG)
        except Exception as error:  # whatever its library says, with its own many types
            raise SealBroken(f"{certificates}: cannot sign ({error})") from error
        return seal

    def sign(self, picture: bytes, output_format: OutputFormat) -> bytes:
        """The same picture with a signed manifest in it; different bytes each time."""
        c2pa = self._c2pa
        signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(*self._parts))
        context = c2pa.Context.builder().with_settings(c2pa.Settings.from_dict(SETTINGS)).build()
        signed = BytesIO()
        with c2pa.Builder(MANIFEST, context=context) as builder:
            builder.sign(signer, output_format.content_type, BytesIO(picture), signed)
        return signed.getvalue()
