"""From a training run to a model folder in diffusers' layout.

Knows what a run leaves behind. Knows nothing of how the weights were learnt.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

import diffusers
import torch
from diffusers import DDIMScheduler

from models import checkpoint
from models.autoencoder import load_autoencoder
from models.card import ModelCard
from models.config import ModelConfig
from models.parametrization import scheduler_config
from models.schedulers import supported
from models.training.diffusion import averaged_unet
from models.unet import GatedUNet

# Beyond twice the native size one sees the same thing side by side.
MAX_SIZE_FACTOR = 2
NUM_INFERENCE_STEPS = 20
GUIDANCE_SCALE = 4.0
LICENSE = "apache-2.0"
# A student knows the four noise levels of its own steps: these begin and end on them.
STUDENT_SCHEDULERS = ("ddim", "euler", "lcm")


def export(model: ModelConfig, run: Path, output: Path) -> ModelCard:
    """Write the averaged weights of a run as a model folder, in float16.

    Raises:
        FileNotFoundError: the run has no autoencoder or no diffusion state yet.
    """
    return write(model, run, averaged_unet(model, run / "diffusion.pt"), describe(model), output)


def export_student(model: ModelConfig, run: Path, num_steps: int, output: Path) -> ModelCard:
    """Write the student of a run, which takes few steps and no guidance."""
    card = replace(
        describe(model),
        default_num_inference_steps=num_steps,
        default_guidance_scale=1.0,
        schedulers=STUDENT_SCHEDULERS,
    )
    return write(model, run, averaged_unet(model, run / "student.pt"), card, output)


def write(
    model: ModelConfig, run: Path, unet: GatedUNet, card: ModelCard, output: Path
) -> ModelCard:
    """A model folder of this U-Net and the run's autoencoder."""
    vae = load_autoencoder(run / "vae")
    vae.register_to_config(_name_or_path=output.name)  # not the folder of this machine's run
    scheduler = DDIMScheduler.from_config(scheduler_config(model.diffusion))
    for module in (unet, vae):  # half the size on disk; loading chooses its own dtype
        torch.nn.Module.to(module, dtype=torch.float16)
    card = checkpoint.save(output, card, unet, vae, scheduler)
    index = json.dumps(model_index(type(vae)), indent=2) + "\n"
    (output / "model_index.json").write_text(index)
    return card


def model_index(vae: type) -> dict[str, str | list[str]]:
    """The table of components; the text encoder is a pinned package, not a folder."""
    library = "diffusers" if vae.__module__.startswith("diffusers") else vae.__module__
    return {
        "_class_name": "LatentDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["models.text_encoder", "TextEncoder"],
        "unet": ["models.unet", "GatedUNet"],
        "vae": [library, vae.__name__],
    }


def describe(model: ModelConfig) -> ModelCard:
    """What the service must know of the model; the hashes are filled in when it is saved."""
    return ModelCard(
        family="default",
        native_size=model.native_size,
        size_multiple=model.size_multiple,
        min_size=model.native_size,
        max_size=model.native_size * MAX_SIZE_FACTOR,
        default_num_inference_steps=NUM_INFERENCE_STEPS,
        default_guidance_scale=GUIDANCE_SCALE,
        default_scheduler="ddim",
        schedulers=tuple(supported(scheduler_config(model.diffusion))),
        license=LICENSE,
        created=int(time.time()),
        files={},
    )
