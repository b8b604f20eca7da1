"""Models of the sizes that people run, out of random weights: for how fast, not for what.

Configs are written down here, so nothing is fetched. Prompts become random states of the right
size: encoding a text is a few milliseconds in seconds, and no text encoder is held.
"""

import contextlib
import zlib
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.models.transformers.transformer_sd3 import SD3Transformer2DModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor

from models.card import ModelCard
from models.checkpoint import Components
from models.families import Conditions, Family
from models.families.family import texts_of_rows
from models.families.flux import Flux
from models.families.stable_diffusion import StableDiffusion
from models.families.stable_diffusion_3 import StableDiffusion3
from models.families.stable_diffusion_xl import StableDiffusionXL
from models.pipeline import LatentDiffusionPipeline

Config = Mapping[str, Any]

EPSILON: Config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CROSS, PLAIN = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), ("DownBlock2D", "UpBlock2D")


@dataclass(frozen=True)
class Shape:
    """One architecture at full size; `toy` is what of its config is less for a CPU.

    Attributes:
        pixels: Along one side of a picture.
        text_length: Tokens whose states a row is told.
        latent_channels: Of its autoencoder.
    """

    family: type[Family]
    network: type[Any]
    config: Config
    toy: Config
    pixels: int
    text_length: int
    latent_channels: int = 4
    schedule: Config = field(default_factory=lambda: EPSILON)
    scheduler: str = "euler"
    guidance_scale: float = 7.5


SHAPES: Mapping[str, Shape] = {
    "sd1.5": Shape(
        StableDiffusion,
        UNet2DConditionModel,
        {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
        {"block_out_channels": (32, 64), "down_block_types": (CROSS[0], PLAIN[0]),
         "up_block_types": (PLAIN[1], CROSS[1]), "cross_attention_dim": 32, "sample_size": 8},
        512,
        77,
    ),
    "sdxl": Shape(
        StableDiffusionXL,
        UNet2DConditionModel,
        {"sample_size": 128, "cross_attention_dim": 2048, "block_out_channels": (320, 640, 1280),
         "attention_head_dim": [5, 10, 20], "use_linear_projection": True,
         "down_block_types": (PLAIN[0], CROSS[0], CROSS[0]),
         "up_block_types": (CROSS[1], CROSS[1], PLAIN[1]),
         "transformer_layers_per_block": [1, 2, 10], "addition_embed_type": "text_time",
         "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816},
        {"block_out_channels": (32, 32, 64), "attention_head_dim": [1, 1, 2], "sample_size": 8,
         "transformer_layers_per_block": 1, "cross_attention_dim": 32,
         "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 64},
        1024,
        77,
        guidance_scale=5.0,
    ),
    "sd3": Shape(
        StableDiffusion3,
        SD3Transformer2DModel,
        {"sample_size": 128, "num_layers": 24, "num_attention_heads": 24, "pos_embed_max_size": 192,
         "caption_projection_dim": 1536},
        {"sample_size": 8, "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 16,
         "caption_projection_dim": 32, "joint_attention_dim": 32, "pooled_projection_dim": 16,
         "pos_embed_max_size": 16},
        1024,
        77 + 256,
        16,
        {"shift": 3.0},
        "flow_match_euler",
        7.0,
    ),
    "flux": Shape(
        Flux,
        FluxTransformer2DModel,
        {"guidance_embeds": True},
        {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2,
         "attention_head_dim": 16, "joint_attention_dim": 32, "pooled_projection_dim": 16,
         "axes_dims_rope": (4, 6, 6)},
        1024,
        512,
        16,
        {"shift": 3.0, "use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15},
        "flow_match_euler",
        3.5,
    ),
}  # fmt: skip


class Wordless(Family):
    """Mixed into a family: its networks, without what reads prompts."""

    text_length: int

    def __init__(self, components: Components) -> None:
        Family.__init__(self, components)
        self.is_guided = bool(self.network.config.get("guidance_embeds"))
        self._patch_size = int(self.network.config.get("patch_size", 1))

    def conditions(
        self, prompt: str, negative_prompt: str, guidance_scale: float, height: int, width: int
    ) -> tuple[Conditions, ...]:
        if self.is_guided:
            text = self._random_states(prompt)
            guidance = torch.full([1], guidance_scale, dtype=torch.float32, device=self.device)
            return (Conditions(text.prompt_embeds, {**text.added, "guidance": guidance}),)
        texts = texts_of_rows(prompt, negative_prompt, guidance_scale)
        return tuple(self._random_states(text) for text in texts)

    def _random_states(self, text: str) -> Conditions:
        generator = torch.Generator().manual_seed(zlib.crc32(text.encode()))

        def normal(*size: int) -> Tensor:
            return torch.randn(1, *size, generator=generator).to(self.device, self.dtype)

        width, added = _widths(self.network.config)
        return Conditions(
            normal(self.text_length, width), {name: normal(size) for name, size in added.items()}
        )


def _widths(config: Config) -> tuple[int, Mapping[str, int]]:
    """Of the text's states, and of what else the network is told."""
    if "joint_attention_dim" in config:
        pooled = {"pooled_projections": config["pooled_projection_dim"]}
        return config["joint_attention_dim"], pooled
    if config["addition_embed_type"] is None:
        return config["cross_attention_dim"], {}
    ids = 6
    pooled = (
        config["projection_class_embeddings_input_dim"] - ids * config["addition_time_embed_dim"]
    )
    return config["cross_attention_dim"], {"text_embeds": pooled, "time_ids": ids}


@torch.no_grad()
def pipeline_of(
    name: str, device: str, dtype: torch.dtype, *, is_toy: bool
) -> LatentDiffusionPipeline:
    """The same random weights for the same name and device; toys are of 64 pixels."""
    shape = SHAPES[name]
    torch.manual_seed(0)
    kind: Any = type(f"Wordless{shape.family.__name__}", (Wordless, shape.family), {})
    kind.text_length = shape.text_length
    with torch.device(device), _default(dtype):
        network = shape.network(**{**shape.config, **(shape.toy if is_toy else {})}).eval()
        vae = _autoencoder(shape.latent_channels, is_toy=is_toy).eval()
    modules = {kind.denoiser_name: network, "vae": vae}
    family = kind(Components(_card(shape, is_toy=is_toy), modules, shape.schedule, {}))
    pipeline = LatentDiffusionPipeline(family)
    _give_unit_spread(pipeline)
    return pipeline


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Generator[None]:
    """Weights are made in this dtype: Flux's in float32 first would fill a GPU."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _autoencoder(latent_channels: int, *, is_toy: bool) -> AutoencoderKL:
    config: dict[str, Any] = {
        "block_out_channels": (32,) * 4 if is_toy else (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1 if is_toy else 2,
        "latent_channels": latent_channels,
    }
    return AutoencoderKL(**config)


def _card(shape: Shape, *, is_toy: bool) -> ModelCard:
    pixels = 64 if is_toy else shape.pixels
    return ModelCard(
        family=shape.family.name,
        native_size=pixels,
        size_multiple=16,
        min_size=64,
        max_size=pixels,
        default_num_inference_steps=20,
        default_guidance_scale=shape.guidance_scale,
        default_scheduler=shape.scheduler,
        schedulers=(shape.scheduler,),
        license="none: random weights",
        created=0,
        files={},
    )


def _give_unit_spread(pipeline: LatentDiffusionPipeline) -> None:
    """Scale the last layer as training would have; else pictures end in infinity, or in nothing."""
    family, card = pipeline.family, pipeline.card
    edge = card.native_size // family.vae_scale_factor
    latents = torch.randn(1, family.latent_channels, edge, edge).to(family.device, family.dtype)
    (conditions, *_) = pipeline.conditions("", "", card.default_guidance_scale, 0, 0)
    said = pipeline.forward(latents, [500.0], pipeline.join([conditions]))
    last = getattr(family.network, "conv_out", None) or family.network.proj_out
    for weights in (last.weight, last.bias):
        weights.div_(said.float().std().to(weights))
