"""The `parameters` text: how a picture came about, in the form that AUTOMATIC1111 made common.

Galleries and editors read it back. Prompt, negative prompt and one line of `Name: value` pairs.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.jobs.spec import GenerationSpec
from app.stories import TOOL

NEGATIVE = "Negative prompt:"
SAMPLERS: Mapping[str, str] = {  # ours, and the name that readers of this text know
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "unipc": "UniPC",
    "lcm": "LCM",
    "pndm": "PLMS",
}
SCHEDULERS = {sampler.lower(): name for name, sampler in SAMPLERS.items()}
PAIR = re.compile(r'([A-Za-z][\w /-]{0,63}): ?("(?:[^"\\]|\\.)*"|[^,]*)(?:, *|$)')
MAX_LINE = 4_000  # of pairs; a stranger's may be made to keep a search busy
FEWEST_PAIRS = 3  # a last line with fewer is still the prompt
READ: Mapping[str, tuple[str, type]] = {
    "Steps": ("num_inference_steps", int),
    "Sampler": ("scheduler", str),
    "CFG scale": ("guidance_scale", float),
    "Seed": ("seed", int),
    "Model": ("model", str),
    "Version": ("version", str),
}


@dataclass(frozen=True)
class Parameters:
    """What the text says: the prompts, every pair as it stands, and in our own words."""

    prompt: str
    negative_prompt: str
    pairs: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def fields(self) -> dict[str, Any]:
        """The names of `POST /v1/jobs`, as far as the text has values for them."""
        known: dict[str, Any] = {"prompt": self.prompt, "negative_prompt": self.negative_prompt}
        for theirs, (ours, kind) in READ.items():
            if (value := _as(kind, self.pairs.get(theirs))) is not None:
                known[ours] = value
        if sampler := known.get("scheduler"):
            known["scheduler"] = SCHEDULERS.get(sampler.lower(), sampler)
        if size := re.fullmatch(r"(\d{1,5})x(\d{1,5})", self.pairs.get("Size", "")):
            known["width"], known["height"] = int(size[1]), int(size[2])
        return known


def write(spec: GenerationSpec, index: int = 0, *, with_prompt: bool = True) -> str:
    """The text of image `index`. No time and no job: the same wish has the same text."""
    lines = [spec.prompt.strip()] if with_prompt else []
    if with_prompt and spec.negative_prompt.strip():
        lines.append(f"{NEGATIVE} {spec.negative_prompt.strip()}")
    pairs = {
        "Steps": spec.num_inference_steps,
        "Sampler": SAMPLERS.get(spec.scheduler, spec.scheduler),
        "CFG scale": f"{spec.guidance_scale:g}",
        "Seed": spec.seed + index,
        "Size": f"{spec.width}x{spec.height}",
        "Model": _quoted(spec.model),
        "Version": TOOL,
    }
    lines.append(", ".join(f"{name}: {value}" for name, value in pairs.items()))
    return "\n".join(lines)


def read(text: str) -> Parameters:
    """The parts of a text of this form, whoever wrote it; what is no pair belongs to the prompt."""
    lines = text.strip().split("\n")
    found = PAIR.findall(lines[-1][:MAX_LINE])
    pairs = {name.strip(): _unquoted(value) for name, value in found}
    if len(found) < FEWEST_PAIRS:
        pairs = {}
    else:
        lines.pop()
    prompt: list[str] = []
    negative: list[str] = []
    part = prompt
    for line in lines:
        if part is prompt and line.startswith(NEGATIVE):
            part, line = negative, line.removeprefix(NEGATIVE)
        part.append(line)
    return Parameters("\n".join(prompt).strip(), "\n".join(negative).strip(), pairs)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value.strip()
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _as(kind: type, value: str | None) -> Any:
    try:
        return None if value is None else kind(value[:100])
    except ValueError:
        return None
