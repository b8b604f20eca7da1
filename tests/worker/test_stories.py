"""Thirty pictures in three formats, their stories read by readers that are not ours."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from app.jobs.spec import GenerationSpec, OutputFormat
from app.stories import containers, parameters, xmp
from tests.worker.drive import a_spec
from worker.output import encode

PIXELS = np.random.default_rng(1).integers(0, 255, (32, 48, 3)).astype(np.uint8)
PROMPTS = (
    "a red heart", "ein Fuchs, über Nacht", "雪の狐", "a 🦊 in the snow", "two\nlines",
    'say "hi", <b>&amp;</b> \\ C:\\x', "x" * 2_000, "(cat:1.2), [dog|fox]", "Ω≈ç√∫", "a: b, c: d",
)  # fmt: skip
DESCRIPTION = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
SOURCE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"


def thirty() -> list[GenerationSpec]:
    return [
        a_spec(
            prompt=PROMPTS[number % 10], negative_prompt="" if number % 3 else "blurry, low",
            seed=number * 10**14, num_inference_steps=1 + number, guidance_scale=number / 2,
            scheduler=list(parameters.SAMPLERS)[number % 11],
        )
        for number in range(30)
    ]  # fmt: skip


def told(data: bytes) -> tuple[str, str]:
    """The text and the digital source type, by Pillow and an XML parser."""
    picture = Image.open(BytesIO(data))
    packet = picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"]
    packet = packet.encode() if isinstance(packet, str) else packet
    description = ET.fromstring(re.sub(rb"<\?xpacket.*?\?>", b"", packet)).find(f".//{DESCRIPTION}")
    assert description is not None
    if picture.format == "PNG":
        text = picture.text["parameters"]
    else:
        comment = picture.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
        assert comment[:8] == b"UNICODE\0"
        text = comment[8:].decode("utf-16-be")
    return text, description.attrib[SOURCE]


@pytest.mark.parametrize("output_format", OutputFormat)
def test_pillow_and_an_xml_parser_read_thirty_stories(output_format: OutputFormat) -> None:
    for spec in thirty():
        story = parameters.write(spec)
        data = encode(PIXELS, output_format, 90, story)

        assert told(data) == (story, xmp.TRAINED)
        found = containers.carried(data)
        assert (found.parameters, found.width, found.height) == (story, 48, 32)
        assert xmp.digital_source_type(found.xmp) == xmp.TRAINED


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.timeout(60)
def test_exiftool_reads_ninety_stories(tmp_path: Path) -> None:
    stories = dict[str, str]()
    for number, spec in enumerate(thirty()):
        for output_format in OutputFormat:
            name = f"{number}.{output_format.value}"
            stories[name] = parameters.write(spec)
            (tmp_path / name).write_bytes(encode(PIXELS, output_format, 90, stories[name]))
    command = ["exiftool", "-json", "-n", "-G1", "-charset", "UTF8", str(tmp_path)]
    said = subprocess.run(command, capture_output=True, check=True, text=True)

    found = {one["SourceFile"].rpartition("/")[2]: one for one in json.loads(said.stdout)}
    assert len(found) == 90
    for name, story in stories.items():
        tags = found[name]
        assert tags["XMP-iptcExt:DigitalSourceType"] == xmp.TRAINED
        text = tags["PNG:Parameters"] if name.endswith("png") else tags["ExifIFD:UserComment"]
        assert text == story, name
        assert not {tag for tag in tags if "warning" in tag.lower()}


@pytest.mark.parametrize("output_format", OutputFormat)
def test_the_same_wish_is_the_same_file_and_the_story_leaves_the_pixels_alone(
    output_format: OutputFormat,
) -> None:
    story = parameters.write(a_spec())
    first, second, bare = (encode(PIXELS, output_format, 90, text) for text in (story, story, ""))

    assert first == second
    assert np.array_equal(*(np.asarray(Image.open(BytesIO(data))) for data in (first, bare)))
