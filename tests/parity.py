"""`python -m tests.parity [FAMILY...]`: families and schedulers beside diffusers' own, as a table.

Both draw the same wish from the same folder, of random weights or of the trained default model, by
eager torch in float32 on a CPU: alone, and all schedulers of a family together in the engine as it
serves, joining one step after another.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline
from torch import Tensor

from app.jobs.spec import GenerationSpec
from models import families, schedulers
from models.families import Family, flux
from models.layout import class_names
from models.pipeline import LatentDiffusionPipeline, Pixels
from models.source import BUILT_IN
from tests.tiny_families import PIPELINES, write_family
from worker.bench.serving import largest_difference
from worker.engine import Engine

REFUSED_BY_STOCK = {
    # FluxPipeline always passes sigmas or mu, which these do not take here.
    "flux-schnell": {"flow_match_heun", "flow_match_dpmpp_2m"},
    # From a terminal SNR of zero stock starts at the second of equal timesteps and overruns.
    "default": {
        "dpmpp_2m_karras", "dpmpp_2m_exponential", "dpmpp_2m_sde_karras", "unipc_karras",
    },
}  # fmt: skip
PROMPT, NEGATIVE = "a red fox in the snow", "blurry"


class Watched(LatentDiffusionPipeline):
    """Remembers the latents of what it decoded last."""

    def __init__(self, family: Family) -> None:
        super().__init__(family)
        self.decoded: list[Tensor] = []

    def decode_latents(self, latents: Tensor) -> Pixels:
        self.decoded.append(latents)
        return super().decode_latents(latents)


@dataclass(frozen=True)
class Difference:
    """Between two pictures: of the latents, relative to the largest; of the bytes, in levels."""

    latents: float
    levels: int
    bytes: float

    @property
    def is_bitwise(self) -> bool:
        return self.latents == 0 and self.levels == 0

    def __str__(self) -> str:
        if self.is_bitwise:
            return "bitwise"
        return f"{self.latents:.1e}, {self.levels} level in {self.bytes:.3%} of bytes"


@dataclass(frozen=True)
class Pair:
    """One folder, loaded twice."""

    name: str
    ours: Watched
    stock: DiffusionPipeline

    @classmethod
    def of(cls, name: str, folder: Path) -> "Pair":
        """Write that tiny family into the folder and load it."""
        write_family(name, folder)
        absent = {name: None for name, kind in class_names(folder).items() if kind is None}
        stock = DiffusionPipeline.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False, **absent
        )
        stock.set_progress_bar_config(disable=True)
        return cls(name, Watched(families.load(folder)), stock)

    def wish(self, scheduler: str, seed: int = 0, **changes: Any) -> GenerationSpec:
        names = self.ours.card.schedulers
        wish: dict[str, Any] = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "model": "tiny",
            "width": 80 if self.ours.card.size_multiple <= 16 else 64,
            "height": 64,
            "num_inference_steps": 4 + names.index(scheduler) % 5,
            "guidance_scale": self.ours.card.default_guidance_scale,
            "scheduler": scheduler,
            "seed": seed,
        }
        return GenerationSpec(**{**wish, **changes})

    @torch.no_grad()
    def drawn_by_stock(self, spec: GenerationSpec) -> tuple[Tensor, Pixels]:
        """Latents and pixels of the wish by diffusers' pipeline."""
        family, stock = self.ours.family, self.stock
        # Not through the constructor: it edits the config of a scheduler it thinks outdated.
        stock.scheduler = schedulers.make(spec.scheduler, family.scheduler_config)
        options: dict[str, Any] = {
            "num_inference_steps": spec.num_inference_steps,
            "guidance_scale": spec.guidance_scale,
            "height": spec.height,
            "width": spec.width,
        }
        if family.name != "flux":
            options["negative_prompt"] = spec.negative_prompt or None
        kept: list[Tensor] = []

        def keep(_: Any, step: int, t: Any, state: dict[str, Any]) -> dict[str, Any]:
            kept.append(state["latents"])
            return state

        generator = torch.Generator().manual_seed(spec.seed)
        pixels = stock(
            spec.prompt, generator=generator, output_type="np", callback_on_step_end=keep, **options
        ).images[0]
        return kept[-1], (pixels * 255).round().astype("uint8")

    def alone(self, spec: GenerationSpec) -> tuple[Tensor, Pixels]:
        """Latents and pixels of the wish by our engine, exact, with nobody else inside."""
        return self.together([spec], exact=True)[0]

    def together(
        self, specs: list[GenerationSpec], *, exact: bool = False
    ) -> list[tuple[Tensor, Pixels]]:
        """The same for many, one more joining with every step."""
        engine, waiting = Engine(self.ours, 8, exact=exact), list(enumerate(specs))
        done: dict[int, tuple[Tensor, Pixels]] = {}
        while waiting or len(engine):
            if waiting:
                number, spec = waiting.pop(0)
                engine.admit(str(number), spec)
            self.ours.decoded.clear()
            report = engine.step()
            for failure in report.failed:
                raise failure.error
            for image, latents in zip(report.images, self.ours.decoded, strict=True):
                done[int(image.job_id)] = latents, image.pixels
        return [done[number] for number in range(len(specs))]


class TrainedPair(Pair):
    """Our default model, and diffusers' Stable Diffusion pipeline over the same U-Net.

    Such a pipeline knows neither our text encoder nor our autoencoder: it is given the noise and
    the states of the text, and its latents are decoded by ours.
    """

    @classmethod
    def of(cls, name: str = "default", folder: Path = BUILT_IN) -> "TrainedPair":
        ours = Watched(families.load(folder))
        config = {**ours.family.scheduler_config, "steps_offset": 1}  # else it warns and edits
        stock = StableDiffusionPipeline(
            vae=None,  # it would look for what only an AutoencoderKL has
            text_encoder=None,
            tokenizer=None,
            unet=ours.family.network,
            scheduler=schedulers.make("ddim", config),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        stock.set_progress_bar_config(disable=True)
        return cls(name, ours, stock)

    def wish(self, scheduler: str, seed: int = 0, **changes: Any) -> GenerationSpec:
        size = self.ours.card.native_size
        steps = self.ours.card.default_num_inference_steps
        trained = {"width": size, "height": size, "num_inference_steps": steps}
        return super().wish(scheduler, seed, **{**trained, **changes})

    @torch.no_grad()
    def drawn_by_stock(self, spec: GenerationSpec) -> tuple[Tensor, Pixels]:
        self.stock.scheduler = schedulers.make(spec.scheduler, self.ours.family.scheduler_config)
        negative, positive = self.ours.conditions(
            spec.prompt, spec.negative_prompt, spec.guidance_scale, spec.height, spec.width
        )
        family, generator = self.ours.family, torch.Generator().manual_seed(spec.seed)
        edges = (spec.height // family.vae_scale_factor, spec.width // family.vae_scale_factor)
        noise = torch.randn(1, family.latent_channels, *edges, generator=generator)
        latents = self.stock(
            prompt_embeds=positive.prompt_embeds,
            negative_prompt_embeds=negative.prompt_embeds,
            height=spec.height,
            width=spec.width,
            num_inference_steps=spec.num_inference_steps,
            guidance_scale=spec.guidance_scale,
            latents=noise,
            generator=generator,
            output_type="latent",
        ).images
        return latents, self.ours.decode_latents(latents)


def difference(ours: tuple[Tensor, Pixels], stock: tuple[Tensor, Pixels]) -> Difference:
    """How far apart; stock packs Flux's latents, ours never are."""
    latents, expected = ours[0], stock[0]
    if latents.shape != expected.shape:
        latents = flux.pack(latents)
    apart = (latents - expected).abs().max() / expected.abs().max()
    return Difference(float(apart), *largest_difference([ours[1]], [stock[1]]))


def compare(pair: Pair) -> Iterator[tuple[str, Difference, Difference]]:
    """Scheduler, difference alone, difference in a crowd; only what stock can draw too."""
    specs = [pair.wish(name, seed) for seed, name in enumerate(pair.ours.card.schedulers)]
    crowd = pair.together(specs)
    for spec, crowded in zip(specs, crowd, strict=True):
        if spec.scheduler in REFUSED_BY_STOCK.get(pair.name, ()):
            continue
        stock = pair.drawn_by_stock(spec)
        yield spec.scheduler, difference(pair.alone(spec), stock), difference(crowded, stock)


def main() -> None:
    """Print the table and its worst lines."""
    torch.set_num_threads(1)
    found = list[tuple[str, str, Difference, Difference]]()
    for family in sys.argv[1:] or (*PIPELINES, "default"):
        with tempfile.TemporaryDirectory() as folder:
            pair = TrainedPair.of() if family == "default" else Pair.of(family, Path(folder))
            for name, alone, crowd in compare(pair):
                print(f"{family:15} {name:22} alone {alone!s:40} in a crowd {crowd}", flush=True)
                found.append((family, name, alone, crowd))
    bitwise = sum(alone.is_bitwise for *_, alone, _ in found)
    print(f"\nalone: {bitwise} of {len(found)} bitwise equal to diffusers, latents and pixels")
    for name in dict.fromkeys(family for family, *_ in found):
        crowds = [(one[3], one[1]) for one in found if one[0] == name]
        worst, scheduler = max(crowds, key=lambda one: one[0].latents)
        levels, share = max(one.levels for one, _ in crowds), max(one.bytes for one, _ in crowds)
        print(f"{name:15} in a crowd at most {worst.latents:.1e} ({scheduler}), "
              f"{levels} of 255 in {share:.3%} of the bytes")  # fmt: skip


if __name__ == "__main__":
    main()
