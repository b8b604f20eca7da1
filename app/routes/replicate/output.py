"""Pictures as Replicate's client hands them on.

It makes a file of an `https:` or a `data:` URL, and leaves a bare string of an `http:` one. A
service without TLS, as on a laptop, therefore sends the pictures themselves.
"""

import base64
from collections.abc import Sequence

from app.dependencies import Services
from app.jobs.job import StoredImage
from app.links import Links


def output_of(services: Services, images: Sequence[StoredImage], links: Links) -> list[str]:
    """One URL a picture, `https:` or `data:`. May read the image store."""
    return [_url(services, image, links) for image in images]


def _url(services: Services, image: StoredImage, links: Links) -> str:
    url, _ = links.image(image.key)
    file = None if url.startswith("https:") else services.images.get(image.key)
    if file is None:
        return url
    return f"data:{image.content_type};base64,{base64.b64encode(file).decode()}"
