"""A Stable Diffusion 1 in one file with the names of the original code, out of diffusers' folders.

The other way round than diffusers converts: for the tiny nets of the tests, two levels in the
U-Net and four in the autoencoder, one layer each.
"""

import re
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
UNET = [
    (r"time_embedding\.linear_1", "time_embed.0"),
    (r"time_embedding\.linear_2", "time_embed.2"),
    (r"conv_in", "input_blocks.0.0"),
    (r"conv_norm_out", "out.0"),
    (r"conv_out", "out.2"),
    (r"down_blocks\.0\.resnets\.0", "input_blocks.1.0"),
    (r"down_blocks\.0\.attentions\.0", "input_blocks.1.1"),
    (r"down_blocks\.0\.downsamplers\.0\.conv", "input_blocks.2.0.op"),
    (r"down_blocks\.1\.resnets\.0", "input_blocks.3.0"),
    (r"mid_block\.resnets\.0", "middle_block.0"),
    (r"mid_block\.attentions\.0", "middle_block.1"),
    (r"mid_block\.resnets\.1", "middle_block.2"),
    (r"up_blocks\.0\.resnets\.(\d)", r"output_blocks.\1.0"),
    (r"up_blocks\.0\.upsamplers\.0\.conv", "output_blocks.1.1.conv"),
    (r"up_blocks\.1\.resnets\.0", "output_blocks.2.0"),
    (r"up_blocks\.1\.attentions\.0", "output_blocks.2.1"),
    (r"up_blocks\.1\.resnets\.1", "output_blocks.3.0"),
    (r"up_blocks\.1\.attentions\.1", "output_blocks.3.1"),
]
VAE = [
    (r"encoder\.down_blocks\.(\d)\.resnets\.(\d)", r"encoder.down.\1.block.\2"),
    (r"encoder\.down_blocks\.(\d)\.downsamplers\.0", r"encoder.down.\1.downsample"),
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
]


def write_one_file(folder: Path, file: Path) -> Path:
    """The weights of a folder as one file; beside it the folder's configs and tokenizer."""
    weights: dict[str, Tensor] = {}
    for name, tensor in _read(folder / "unet").items():
        weights["model.diffusion_model." + _unet_name(name)] = tensor
    for name, tensor in _read(folder / "vae").items():
        is_projection = tensor.dim() == 2  # a 1x1 convolution in the original
        weights["first_stage_model." + _vae_name(name)] = (
            tensor[:, :, None, None].contiguous() if is_projection else tensor
        )
    for name, tensor in _read(folder / "text_encoder").items():
        weights["cond_stage_model.transformer.text_model." + name.removeprefix("text_model.")] = (
            tensor
        )
    save_file(weights, file)
    shutil.copytree(folder, file.with_suffix(""), ignore=shutil.ignore_patterns("*.safetensors"))
    return file


def _read(component: Path) -> dict[str, Tensor]:
    (file,) = component.glob("*.safetensors")
    return load_file(file)


def _unet_name(name: str) -> str:
    for pattern, original in UNET:
        name = re.sub("^" + pattern, original, name)
    for ours, original in RESNET.items():
        if "attention" not in name and "transformer" not in name:
            name = re.sub(rf"\.{ours}\.", f".{original}.", name)
    return name


def _vae_name(name: str) -> str:
    def from_the_other_end(found: re.Match[str]) -> str:
        kind = "upsample" if found[2].startswith("upsamplers") else f"block.{found[3]}"
        return f"decoder.up.{3 - int(found[1])}.{kind}"

    name = re.sub(
        r"decoder\.up_blocks\.(\d)\.(resnets\.(\d)|upsamplers\.0)", from_the_other_end, name
    )
    for pattern, original in VAE:
        name = re.sub(pattern, original, name)
    return name
