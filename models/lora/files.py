"""LoRA files as people trade them, in one form: which module, down, up, scale.

Reads safetensors with the names of PEFT, diffusers (old and new) or kohya's scripts, resolved
against the modules that are there. Knows nothing of rows.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
from diffusers.loaders import lora_conversion_utils
from safetensors import safe_open
from torch import Tensor, nn

from models.card import CheckpointError
from models.layout import check_safetensors

Weights = dict[str, Tensor]
Modules = Mapping[str, Mapping[str, nn.Module]]  # by component: its modules by name

HALF = re.compile(
    r"(?P<stem>.+?)[._](?:lora(?:_linear_layer)?[._])?(?P<half>A|B|down|up)(?:\.default)?\.weight"
)
PREFIXES = {"lora_te": "text_encoder", "lora_te1": "text_encoder", "lora_te2": "text_encoder_2"}
OLD_OUTPUT = re.compile(r"\.to_out$")  # before PEFT, by the processor's name


@dataclass(frozen=True, slots=True, eq=False)
class Delta:
    """What is added to one module: `up(down(x)) * scale`; matrices, or kernels of convolutions.

    Attributes:
        down: `[rank, in]`, or `[rank, in, k, k]`.
        up: `[out, rank]`, or `[out, rank, 1, 1]`.
    """

    down: Tensor
    up: Tensor
    scale: float


Adapter = Mapping[str, Delta]  # by component and module: `unet.mid_block.attentions.0...to_q`


def num_bytes_of(adapter: Adapter) -> int:
    return sum(delta.down.nbytes + delta.up.nbytes for delta in adapter.values())


def read(file: Path, modules: Modules) -> Adapter:
    """All pairs of a file, for these modules.

    Raises:
        CheckpointError: it is no LoRA that can be read, or one of another model.
    """
    check_safetensors(file)
    weights, metadata = _contents(file)
    pairs, alphas = _pairs(weights)
    names = _Names(modules)
    unknown = [stem for stem in pairs if names.resolve(stem) is None]
    if unknown or not pairs:
        reason = f"{len(unknown)} of its {len(pairs)} modules are not there"
        raise CheckpointError(file, reason + (f", {unknown[0]} the first" if unknown else ""))
    adapter = dict[str, Delta]()
    for stem, pair in pairs.items():
        component, name = names.resolve(stem) or ("", "")
        scale = _scale(pair, alphas.get(stem), metadata, component)
        delta = _fitted(pair, scale, modules[component][name])
        if delta is None:
            raise CheckpointError(file, f"{stem} has another shape than the model's")
        adapter[f"{component}.{name}"] = delta
    return adapter


def _contents(file: Path) -> tuple[Weights, Mapping[str, Any]]:
    with safe_open(file, framework="pt") as opened:
        weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        said = (opened.metadata() or {}).get("lora_adapter_metadata", "{}")
    try:
        if any("double_blocks" in name for name in weights):
            weights = diffusers.FluxPipeline.lora_state_dict(weights)
        elif any("input_blocks" in name for name in weights):
            shape = SimpleNamespace(layers_per_block=2)
            weights = lora_conversion_utils._maybe_map_sgm_blocks_to_diffusers(weights, shape)
        return weights, json.loads(said)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(file, f"has names that cannot be read ({error})") from error


def _pairs(weights: Weights) -> tuple[dict[str, dict[str, Tensor]], dict[str, float]]:
    """Both halves by the module's name in the file, and alphas likewise; the rest is skipped."""
    pairs = dict[str, dict[str, Tensor]]()
    for name, tensor in weights.items():
        if found := HALF.fullmatch(name):
            half = {"A": "down", "B": "up"}.get(found["half"], found["half"])
            pairs.setdefault(found["stem"], {})[half] = tensor
    alphas = {
        name.removesuffix(".alpha"): float(tensor)
        for name, tensor in weights.items()
        if name.endswith(".alpha")
    }
    return {stem: pair for stem, pair in pairs.items() if len(pair) == 2}, alphas


class _Names:
    """The names of a file's modules to component and module."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules
        self._denoiser = next(iter(modules))
        self._flat = {
            component: {name.replace(".", "_"): name for name in known}
            for component, known in modules.items()
        }

    def resolve(self, stem: str) -> tuple[str, str] | None:
        """None: there is no such module."""
        if stem.startswith("lora_") and "." not in stem:
            _, kind, flat = stem.split("_", 2)
            component = PREFIXES.get(f"lora_{kind}", self._denoiser)
            known = self._flat.get(component, {})
            name = known.get(flat) or known.get(flat.removeprefix("text_model_"))
            return (component, name) if name else None
        return self._resolve_dotted(stem.removeprefix("base_model.model."))

    def _resolve_dotted(self, stem: str) -> tuple[str, str] | None:
        stem = OLD_OUTPUT.sub(".to_out.0", stem.replace(".processor.", "."))
        component, _, name = stem.partition(".")
        if component in ("unet", "transformer", "diffusion_model"):
            component = self._denoiser
        if component not in self._modules:
            component, name = self._denoiser, stem
        for one in (name, name.removeprefix("text_model.")):
            if one in self._modules[component]:
                return component, one
        return None


def _scale(
    pair: dict[str, Tensor], alpha: float | None, metadata: Mapping[str, Any], component: str
) -> float:
    """Alpha / rank: the file's own, or else that of the metadata, or else 1."""
    if alpha is None:
        alpha = metadata.get(f"{component}.lora_alpha")
    return 1.0 if alpha is None else alpha / pair["down"].shape[0]


def _fitted(pair: dict[str, Tensor], scale: float, module: nn.Module) -> Delta | None:
    """The pair in the module's own dimensions; None if it is for another one."""
    down, up = pair["down"], pair["up"]
    if isinstance(module, nn.Linear):
        down, up = down.flatten(1), up.flatten(1)
        fits = (down.shape[1], up.shape[0]) == (module.in_features, module.out_features)
    elif isinstance(module, nn.Conv2d):
        down, up = (one if one.dim() == 4 else one[:, :, None, None] for one in (down, up))
        fits = down.shape[1:] == module.weight.shape[1:] and up.shape[0] == module.out_channels
    else:
        return None
    return Delta(down, up, scale) if fits and up.shape[1] == down.shape[0] else None
