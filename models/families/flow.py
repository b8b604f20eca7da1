"""What flow-matching families share: large pictures are drawn from more noise for longer."""

from collections.abc import Mapping
from typing import Any


def calculate_shift(config: Mapping[str, Any], length: int, default_max_shift: float) -> float:
    """Mu of the time shift, linear in the number of image tokens, by the scheduler's config."""
    base, longest = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    low, high = config.get("base_shift", 0.5), config.get("max_shift", default_max_shift)
    slope = (high - low) / (longest - base)
    return length * slope + (low - slope * base)
