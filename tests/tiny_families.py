"""Folders of other makers, tiny and random, written by diffusers' own save_pretrained."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderKL,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PNDMScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

LATENT_CHANNELS, WIDTH, POOLED = 4, 32, 16
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
FLUX_SHIFT = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0}


def clip_tokenizer(pad_token: str = "<|endoftext|>") -> CLIPTokenizer:
    """One token a letter."""
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: i for i, word in enumerate(words)}
    return CLIPTokenizer(vocab, [], model_max_length=77, pad_token=pad_token)


def t5_tokenizer() -> T5TokenizerFast:
    """One token a letter, and the word's beginning."""
    letters = [(letter, -2.0) for letter in "abcdefghijklmnopqrstuvwxyz(),.:0123456789"]
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), *letters]
    return T5TokenizerFast(vocab, extra_ids=0, model_max_length=512)


def clip_config(**changes: Any) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=514,
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=POOLED,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
        **changes,
    )


def clip(seed: int) -> CLIPTextModel:
    torch.manual_seed(seed)
    return CLIPTextModel(clip_config()).eval()


def projecting_clip(seed: int) -> CLIPTextModelWithProjection:
    torch.manual_seed(seed)
    return CLIPTextModelWithProjection(clip_config()).eval()


def t5(width: int) -> T5EncoderModel:
    torch.manual_seed(5)
    config = T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    return T5EncoderModel(config).eval()


def vae(**changes: Any) -> AutoencoderKL:
    torch.manual_seed(1)
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        sample_size=64,
        **changes,
    ).eval()


def unet(**changes: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    }
    return speak(UNet2DConditionModel(**{**shape, **changes}).eval())


@torch.no_grad()
def speak(network: nn.Module) -> nn.Module:
    """Output layers start at zero or near it: give them something to say."""
    generator = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        if parameter.dim() > 1 and parameter.abs().max() < 1e-6:
            parameter.normal_(std=0.05, generator=generator)
    if isinstance(network, UNet2DConditionModel):
        network.conv_out.weight.mul_(8)
    return network


def stable_diffusion(prediction_type: str = "epsilon") -> DiffusionPipeline:
    scheduler = PNDMScheduler(
        **SD, prediction_type=prediction_type, skip_prk_steps=True, steps_offset=1
    )
    return StableDiffusionPipeline(
        vae(), clip(2), clip_tokenizer(), unet(), scheduler, None, None,
        requires_safety_checker=False,
    )  # fmt: skip


def stable_diffusion_xl() -> DiffusionPipeline:
    size_ids = 8
    network = unet(
        cross_attention_dim=2 * WIDTH,
        attention_head_dim=(2, 4),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time",
        addition_time_embed_dim=size_ids,
        projection_class_embeddings_input_dim=6 * size_ids + POOLED,
        use_linear_projection=True,
    )
    scheduler = diffusers.EulerDiscreteScheduler(**SD, timestep_spacing="leading", steps_offset=1)
    return StableDiffusionXLPipeline(
        vae(), clip(2), projecting_clip(3), clip_tokenizer(), clip_tokenizer("!"), network,
        scheduler, force_zeros_for_empty_prompt=True, add_watermarker=False,
    )  # fmt: skip


def stable_diffusion_3(with_t5: bool = True) -> DiffusionPipeline:
    torch.manual_seed(4)
    network = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * POOLED,
        pos_embed_max_size=16,
    ).eval()
    return StableDiffusion3Pipeline(
        speak(network), FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae(shift_factor=0.06, scaling_factor=1.5),
        projecting_clip(2), clip_tokenizer(), projecting_clip(3), clip_tokenizer(),
        t5(2 * WIDTH) if with_t5 else None, t5_tokenizer() if with_t5 else None,
    )  # fmt: skip


def flux(guidance_embeds: bool = True) -> DiffusionPipeline:
    torch.manual_seed(4)
    network = FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * LATENT_CHANNELS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance_embeds,
    ).eval()
    scheduler = FlowMatchEulerDiscreteScheduler(**(FLUX_SHIFT if guidance_embeds else {}))
    return FluxPipeline(
        scheduler, vae(shift_factor=0.1, scaling_factor=0.4), clip(2), clip_tokenizer(),
        t5(WIDTH), t5_tokenizer(), speak(network),
    )  # fmt: skip


PIPELINES: Mapping[str, Callable[[], DiffusionPipeline]] = {
    "sd1": stable_diffusion,
    "sd2-v": lambda: stable_diffusion("v_prediction"),
    "sdxl": stable_diffusion_xl,
    "sd3": stable_diffusion_3,
    "sd3-without-t5": lambda: stable_diffusion_3(with_t5=False),
    "flux-dev": flux,
    "flux-schnell": lambda: flux(guidance_embeds=False),
}


def write_family(name: str, folder: Path) -> Path:
    """A folder as a hub would give it; Flux says in a card of one line that it is small."""
    PIPELINES[name]().save_pretrained(folder, safe_serialization=True)
    if name.startswith("flux"):
        (folder / "darkroom.json").write_text('{"native_size": 64}')
    return folder
