"""OpenVINO on a CPU: a U-Net and a decoder compiled for it, called like the modules they replace.

A row's bits do not depend on how many rows share the pass: a picture has the same bytes in any
company. Rows are split over as many streams as there are cores to use, each of one thread, since a
small network gains more from that than from many threads on one tensor. Weights and sums are
float32; products may be of bfloat16, which halves what a pass reads and doubles what it computes.
"""

import hashlib
import itertools
import json
import logging
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import Tensor, nn

from models.families import Family

# Its tools report their import to a public analytics service. Without that package they do not.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402 - not before the line above

log = logging.getLogger(__name__)

MOST_STREAMS = 16
PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
ADDED = ("text_embeds", "time_ids")  # what Stable Diffusion XL's U-Net is told beside the text


def version() -> str:
    """OpenVINO's own, without the number of its build."""
    return ov.get_version().split("-")[0]


def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 by instructions of its own (AVX-512 or AMX)."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class Compiled:
    """A network of one output, compiled for the CPU with a free number of rows and free sizes."""

    def __init__(self, model: ov.Model, streams: int, dtype: str) -> None:
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[dtype],
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
        }
        compiled = ov.Core().compile_model(model, "CPU", settings)
        self._requests = [compiled.create_infer_request() for _ in range(streams)]

    def __call__(self, *inputs: Tensor) -> Tensor:
        """Tensors of n rows each to the prediction of n rows."""
        parts = self._split(inputs)
        for request, part in zip(self._requests, parts, strict=False):
            request.start_async(part, share_inputs=True)
        outputs = []
        for request, _ in zip(self._requests, parts, strict=False):
            request.wait()
            outputs.append(torch.from_numpy(request.get_output_tensor(0).data))
        return torch.cat(outputs)  # also copies out of the buffers, which the next pass reuses

    def _split(self, inputs: Sequence[Tensor]) -> list[list[np.ndarray]]:
        """The rows in as many nearly equal parts as there are streams."""
        rows = len(inputs[0])
        parts = min(rows, len(self._requests))
        cuts = [rows * i // parts for i in range(parts + 1)]
        arrays = [tensor.contiguous().numpy() for tensor in inputs]
        return [[a[i:j] for a in arrays] for i, j in itertools.pairwise(cuts)]


class CompiledUNet:
    """Called like the UNet2DConditionModel it replaces."""

    def __init__(self, unet: Any, folder: Path | None, streams: int, dtype: str) -> None:
        call = _UNetCall(unet)
        self.unet, self._added = unet, call.added
        self._multiple = 2 ** (len(unet.config["block_out_channels"]) - 1)
        self._compiled = Compiled(_converted(call, folder), streams, dtype)

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        return_dict: bool = False,
    ) -> tuple[Tensor]:
        """Rows `[n, C, h, w]`, `[n]`, `[n, length, width]` to predictions, in a tuple."""
        added = added_cond_kwargs or {}
        if any(edge % self._multiple for edge in sample.shape[2:]):
            # The network enlarges such sizes by another rule, which was not compiled.
            return self.unet(
                sample, timestep, encoder_hidden_states, added_cond_kwargs=added, return_dict=False
            )
        extra = [added[name] for name in self._added]
        return (self._compiled(sample, timestep, encoder_hidden_states, *extra),)


class CompiledAutoencoder:
    """Decodes like the autoencoder it replaces; all else is asked of that."""

    def __init__(self, vae: Any, folder: Path | None, streams: int, dtype: str) -> None:
        self.vae = vae
        self._compiled = Compiled(_converted(_Decode(vae), folder), streams, dtype)

    def decode(self, z: Tensor) -> DecoderOutput:
        """Unscaled latents to pixels `[n, 3, height, width]`."""
        return DecoderOutput(sample=self._compiled(z))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vae, name)


def install(family: Family, folder: Path | None, streams: int, dtype: str) -> None:
    """Compile the family's denoiser and decoder and have it call them; tiles are left to torch."""
    family.denoiser = CompiledUNet(family.denoiser, folder, streams, dtype)
    if not getattr(family.vae, "use_tiling", False):
        family.vae = CompiledAutoencoder(family.vae, folder, streams, dtype)


class _UNetCall(nn.Module):
    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.network = unet
        self.added = ADDED if unet.config["addition_embed_type"] == "text_time" else ()

    def forward(self, x: Tensor, t: Tensor, text: Tensor, *added: Tensor) -> Tensor:
        named = dict(zip(self.added, added, strict=True))
        return self.network(x, t, text, added_cond_kwargs=named, return_dict=False)[0]

    def examples(self) -> list[Tensor]:
        config = self.network.config
        edge = 2 ** len(config["block_out_channels"])
        examples = [
            torch.randn(2, config["in_channels"], edge, edge),
            torch.tensor([9.0, 99.0]),
            torch.zeros(2, 8, config["cross_attention_dim"]),
        ]
        if not self.added:
            return examples
        ids = 6 * config["addition_time_embed_dim"]
        pooled = config["projection_class_embeddings_input_dim"] - ids
        return [*examples, torch.zeros(2, pooled), torch.zeros(2, 6)]


class _Decode(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.network = vae

    def forward(self, z: Tensor) -> Tensor:
        return self.network.decode(z).sample

    def examples(self) -> list[Tensor]:
        return [torch.randn(2, self.network.config["latent_channels"], 8, 8)]


def _converted(call: Any, folder: Path | None) -> ov.Model:
    """The network as OpenVINO's; what was converted once is read from the folder, if any."""
    if folder is None:
        return _convert(call)
    kept = folder / f"{_fingerprint(call)}.xml"
    if not kept.is_file():
        model = _convert(call)
        try:
            _keep(model, kept)
        except (OSError, RuntimeError) as error:  # the latter is how OpenVINO says a full disk
            log.warning("compiled.not_kept: the next start converts again: %s", error)
            return model
    return ov.Core().read_model(kept)


def _keep(model: ov.Model, kept: Path) -> None:
    """Other workers may share the folder, from containers in which all have the same pid."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=kept.parent) as folder:
        unfinished = Path(folder, kept.name)
        ov.save_model(model, unfinished, compress_to_fp16=False)
        for suffix in (".bin", ".xml"):  # who sees the second finds the first
            unfinished.with_suffix(suffix).replace(kept.with_suffix(suffix))


def _convert(call: Any) -> ov.Model:
    examples = call.examples()
    free = [ov.PartialShape([-1, *_free_sizes(one)]) for one in examples]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing: that Python's view of a shape is kept
        return ov.convert_model(call.eval(), example_input=tuple(examples), input=free)


def _free_sizes(example: Tensor) -> list[int]:
    """Height and width, and the length of the text, are free; channels are not."""
    match example.ndim:
        case 4:
            return [example.shape[1], -1, -1]
        case 3:
            return [-1, example.shape[2]]
        case _:
            return list(example.shape[1:])


def _fingerprint(call: Any) -> str:
    """Equal for equal weights, configs and versions."""
    versions = (ov.get_version(), torch.__version__, type(call).__name__)
    config = {k: v for k, v in call.network.config.items() if not k.startswith("_")}  # no paths
    said = json.dumps([*versions, config], sort_keys=True, default=str)
    digest = hashlib.sha256(said.encode())
    for name, weight in sorted(call.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.detach().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
