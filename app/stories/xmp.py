"""XMP: the machine-readable mark that a trained model drew this picture (ISO 16684-1).

The same packet stands in PNG, JPEG and WebP. It says nothing else, so it is the same every time.
"""

import re

from app.stories import TOOL

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
SOURCE = re.compile(rb"DigitalSourceType(?:=[\"']|>|\s+rdf:resource=[\"'])\s*([^\"'<\s]{1,256})")
CREATOR = re.compile(rb"CreatorTool(?:=[\"']|>)\s*([^\"'<]{1,256})")
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="{tool}"
    Iptc4xmpExt:DigitalSourceType="{source}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


def write() -> bytes:
    """The packet, UTF-8."""
    return PACKET.format(tool=TOOL, source=TRAINED).encode()


def digital_source_type(packet: bytes) -> str | None:
    """The IPTC digital source type that a packet names. Strangers' packets are never parsed."""
    return _first(SOURCE, packet)


def creator_tool(packet: bytes) -> str | None:
    """The program that a packet names."""
    return _first(CREATOR, packet)


def _first(pattern: re.Pattern[bytes], packet: bytes) -> str | None:
    found = pattern.search(packet)
    return found[1].decode("utf-8", "replace").strip() if found else None
