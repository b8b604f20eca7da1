"""What PNG, JPEG and WebP files carry beside the picture, read from bytes that nobody vouches for.

No pixel is decoded. PNG: W3C PNG 3; JPEG: ITU-T T.81, annex B; WebP: RFC 9649; EXIF: CIPA DC-008.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

MAX_TEXT = 1 << 20  # after decompression
MAX_PARTS = 1 << 16  # chunks or segments: far more than any writer makes
PNG, JPEG, RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF"
XMP_KEY, XMP_HEADER = b"XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
EXIF_HEADER = b"Exif\0\0"
EXIF_IFD, USER_COMMENT = 0x8769, 0x9286


class Unreadable(ValueError):
    """No picture of a format that is known here, or a broken one; the message says where."""


Part = TypeVar("Part")


@dataclass
class Carried:
    """What a file carries. Sizes in pixels; `parameters` is the text that tells how it was made."""

    format: str
    width: int = 0
    height: int = 0
    parameters: str | None = None
    xmp: bytes = b""
    has_c2pa: bool = False


def carried(data: bytes) -> Carried:
    """Look through one file.

    Raises:
        Unreadable: It is no PNG, JPEG or WebP, or its structure is broken.
    """
    try:
        if data.startswith(PNG):
            return _png(data)
        if data.startswith(JPEG):
            return _jpeg(data)
        if data.startswith(RIFF) and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, zlib.error, IndexError, UnicodeDecodeError) as error:
        raise Unreadable(f"broken: {error}") from error
    raise Unreadable("neither PNG nor JPEG nor WebP")


def _bounded(parts: Iterable[Part]) -> Iterator[Part]:
    """A file of nothing but tiny parts must not keep us busy."""
    parts = iter(parts)
    yield from islice(parts, MAX_PARTS)
    if next(parts, None) is not None:
        raise Unreadable(f"more than {MAX_PARTS} parts")


def _png(data: bytes) -> Carried:
    found = Carried("png")
    found.width, found.height = struct.unpack_from(">II", data, 16)
    for kind, body in _bounded(_png_chunks(data)):
        if kind == b"caBX":
            found.has_c2pa = True
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            key = body.partition(b"\0")[0]
            if key == b"parameters" and found.parameters is None:
                found.parameters = _png_text(kind, body)
            elif key == XMP_KEY and not found.xmp:
                found.xmp = _png_text(kind, body).encode()
    return found


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            raise Unreadable(f"the PNG ends within a chunk at byte {at}")
        yield kind, data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return
        at += 12 + length
    raise Unreadable("the PNG has no end")


def _png_text(kind: bytes, body: bytes) -> str:
    rest = body.partition(b"\0")[2]
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        return _inflated(rest[1:]).decode("latin-1")
    is_compressed = rest[0]
    text = rest[2:].split(b"\0", 2)[2]  # after the language and the translated keyword
    return (_inflated(text) if is_compressed else text).decode()


def _inflated(data: bytes) -> bytes:
    engine = zlib.decompressobj()
    text = engine.decompress(data, MAX_TEXT)
    if engine.unconsumed_tail:
        raise Unreadable(f"a text of more than {MAX_TEXT} bytes")
    return text


def _jpeg(data: bytes) -> Carried:
    found = Carried("jpeg")
    for marker, body in _bounded(_jpeg_segments(data)):
        if marker == 0xE1 and body.startswith(EXIF_HEADER):
            found.parameters = _user_comment(body[len(EXIF_HEADER) :])
        elif marker == 0xE1 and body.startswith(XMP_HEADER):
            found.xmp = body[len(XMP_HEADER) :]
        elif marker == 0xEB and b"jumb" in body[:64]:
            found.has_c2pa = True
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            found.height, found.width = struct.unpack_from(">HH", body, 1)
    return found


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Segments up to the scan."""
    at = 2
    while True:
        if data[at] != 0xFF:
            raise Unreadable(f"no JPEG marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:  # fill bytes may precede a marker
            at += 1
            continue
        if marker in (0xD9, 0xDA):
            return
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            raise Unreadable(f"the JPEG ends within a segment at byte {at}")
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _webp(data: bytes) -> Carried:
    found = Carried("webp")
    for kind, body in _bounded(_webp_chunks(data)):
        _webp_chunk(found, kind, body)
    if not found.width:
        raise Unreadable("the WebP has no picture")
    return found


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > len(data):
            raise Unreadable(f"the WebP ends within a chunk at byte {at}")
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp_chunk(found: Carried, kind: bytes, body: bytes) -> None:
    match kind:
        case b"VP8X":
            found.width = 1 + int.from_bytes(body[4:7], "little")
            found.height = 1 + int.from_bytes(body[7:10], "little")
        case b"VP8 " if not found.width:
            found.width, found.height = (n & 0x3FFF for n in struct.unpack_from("<HH", body, 6))
        case b"VP8L" if not found.width:
            (bits,) = struct.unpack_from("<I", body, 1)
            found.width, found.height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"EXIF":
            found.parameters = _user_comment(body.removeprefix(EXIF_HEADER))
        case b"XMP ":
            found.xmp = body
        case b"C2PA":
            found.has_c2pa = True
        case _:
            pass


def _user_comment(tiff: bytes) -> str | None:
    """EXIF's UserComment: eight bytes that name the encoding, then the text."""
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        raise Unreadable("EXIF without a byte order")
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    exif = _entry(tiff, order, first, EXIF_IFD)
    comment = exif and _entry(tiff, order, exif[1], USER_COMMENT)
    if not comment:
        return None
    size, at = comment
    value = tiff[at : at + size]
    encoding = "utf-16-be" if order == ">" else "utf-16-le"
    if value.startswith(b"UNICODE\0"):
        return value[8:].decode(encoding, "replace").rstrip("\0")
    return value[8:].decode("utf-8", "replace").rstrip("\0")


def _entry(tiff: bytes, order: str, ifd: int, wanted: int) -> tuple[int, int] | None:
    """Count and value (or where it stands) of one entry of a directory."""
    (count,) = struct.unpack_from(f"{order}H", tiff, ifd)
    for number in range(count):
        tag, _, size, value = struct.unpack_from(f"{order}HHII", tiff, ifd + 2 + 12 * number)
        if tag == wanted:
            return size, value
    return None
