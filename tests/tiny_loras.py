"""Random LoRAs for the tiny families, written with the names of those who make such files."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.families import Family
from models.lora.files import Modules

RANK = 4
Pairs = dict[str, tuple[Tensor, Tensor]]  # component and module to down and up


def is_usual(name: str, module: nn.Module) -> bool:
    """What most LoRAs are made of: the projections of attention and the feed-forward nets."""
    is_attention = name.endswith(("to_q", "to_k", "to_v", "to_out.0", "q_proj", "out_proj"))
    return isinstance(module, nn.Linear) and (is_attention or ".ff." in name)


def is_convolution(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and name.endswith(("conv1", "conv2", "conv_shortcut"))


def random_pairs(
    family: Family, seed: int, wanted: Callable[[str, nn.Module], bool] = is_usual, rank: int = RANK
) -> Pairs:
    """For these modules of the denoiser and the text encoders."""
    return random_pairs_of(family.loras.modules, seed, wanted, rank)


def random_pairs_of(
    modules: Modules, seed: int, wanted: Callable[[str, nn.Module], bool], rank: int
) -> Pairs:
    """Strong enough to be seen."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float) -> Tensor:
        return torch.randn(shape, generator=generator) * std

    pairs: Pairs = {}
    for component, name, module in _listed(modules):
        if not wanted(name, module):
            continue
        if isinstance(module, nn.Conv2d):
            size = module.weight.shape[1:]
            down = normal(rank, *size, std=module.weight[0].numel() ** -0.5)
            up = normal(module.out_channels, rank, 1, 1, std=0.3)
        else:
            down = normal(rank, module.in_features, std=module.in_features**-0.5)
            up = normal(module.out_features, rank, std=0.3)
        pairs[f"{component}.{name}"] = down, up
    return pairs


def write_peft(pairs: Pairs, file: Path, alpha: float | None = None) -> Path:
    """As `save_lora_weights` of diffusers does; alpha in the metadata."""
    weights: dict[str, Tensor] = {}
    for place, (down, up) in pairs.items():
        weights |= {f"{place}.lora_A.weight": down, f"{place}.lora_B.weight": up}
    said = {f"{one}.lora_alpha": alpha for one in {place.split(".")[0] for place in pairs}}
    metadata = {} if alpha is None else {"lora_adapter_metadata": json.dumps(said)}
    save_file(weights, file, metadata)
    return file


def write_kohya(pairs: Pairs, file: Path, alpha: float) -> Path:
    """As kohya's scripts do: names without dots, alphas as tensors."""
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}
    weights: dict[str, Tensor] = {}
    for place, (down, up) in pairs.items():
        component, _, name = place.partition(".")
        stem = prefixes[component] + name.removeprefix("text_model.").replace(".", "_")
        weights |= {f"{stem}.lora_down.weight": down, f"{stem}.lora_up.weight": up}
        weights[f"{stem}.alpha"] = torch.tensor(alpha)
    save_file(weights, file)
    return file


def write_old(pairs: Pairs, file: Path) -> Path:
    """As diffusers did before PEFT; attention of the U-Net alone."""
    weights: dict[str, Tensor] = {}
    for place, (down, up) in pairs.items():
        block, _, projection = place.replace("to_out.0", "to_out").rpartition(".")
        stem = f"{block}.processor.{projection}_lora"
        weights |= {f"{stem}.down.weight": down, f"{stem}.up.weight": up}
    save_file(weights, file)
    return file


@torch.no_grad()
def merge(family: Family, pairs: Pairs, weight: float) -> None:
    """Add a LoRA to the weights themselves; with the negative weight, take it out again."""
    for component, name, module in _listed(family.loras.modules):
        if pair := pairs.get(f"{component}.{name}"):
            down, up = (one.flatten(1) for one in pair)
            module.weight += weight * (up @ down).view_as(module.weight)


def _listed(modules: Modules) -> Iterable[tuple[str, str, nn.Module]]:
    for component, known in modules.items():
        for name, module in known.items():
            yield component, name, module
