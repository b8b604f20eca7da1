"""AUTOMATIC1111's names of samplers and schedulers, joined or apart, and ours behind them."""

from app.errors import NotFound
from app.jobs.catalogue import ModelInfo
from app.stories.parameters import SAMPLERS

DEFAULTS = ("", "automatic", "none", "default")
SCHEDULERS = {"automatic": "Automatic", "karras": "Karras"}  # name -> label
KNOWN = {
    **{name.lower(): ours for ours, name in SAMPLERS.items()},
    **{ours: ours for ours in SAMPLERS},
    "euler ancestral": "euler_ancestral",
    "k_euler": "euler",
    "k_euler_a": "euler_ancestral",
    "k_heun": "heun",
    "k_dpmpp_2m": "dpmpp_2m",
    "k_dpmpp_2m_ka": "dpmpp_2m_karras",
    "pndm": "pndm",
}


def scheduler_of(
    sampler: str | None, scheduler: str | None, model: ModelInfo
) -> tuple[str | None, list[str]]:
    """Our scheduler, None for the model's own, and what of the choice is not heeded.

    Raises:
        NotFound: The model has no such sampler.
    """
    wanted, spacing = (sampler or "").strip().lower(), (scheduler or "").strip().lower()
    if wanted in DEFAULTS:
        return None, []
    found = KNOWN.get(wanted, wanted)
    joined = KNOWN.get(f"{display_name(found)} {spacing}".lower())
    if spacing not in DEFAULTS and joined in model.schedulers:
        return joined, []
    if found not in model.schedulers:
        known = ", ".join(display_name(one) for one in model.schedulers)
        raise NotFound(f"Sampler not found: {wanted[:64]!r}; model {model.id!r} has: {known}")
    if spacing in DEFAULTS or wanted.endswith(spacing):
        return found, []
    return found, [f"scheduler: {spacing[:64]!r} is not heeded with this sampler"]


def display_name(scheduler: str) -> str:
    return SAMPLERS.get(scheduler, scheduler)
