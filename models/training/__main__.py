"""`python -m models.training <stage> --size tiny`: one stage of the road, or all of them.

Every stage reads what the one before wrote under `--run`, and goes on where it was stopped.
"""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import torch

from models.autoencoder import load_autoencoder
from models.config import SIZES, ModelConfig, PatchConfig
from models.evaluation.prompts import read_prompts
from models.evaluation.tower import WEIGHTS
from models.source import BUILT_IN, BUILT_IN_FAST
from models.text_encoder import TextEncoder
from models.training import (
    autoencoder,
    data,
    diffusion,
    distillation,
    export,
    latents,
    patches,
    tower,
)
from models.training.loop import Budget
from models.training.precision import training_device
from models.training.replicas import launch


def make_data(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Fetch and draw the pictures."""
    config = data.DataConfig(selection=arguments.selection, native_size=model.native_size)
    if arguments.sets:
        config = data.DataConfig(tuple(arguments.sets), arguments.selection, model.native_size)
    pictures = data.build(config, arguments.cache)
    pictures.save(arguments.run / "pictures.npz")
    print(f"{len(pictures.of_split('train').records)} training pictures")


def autoencoder_stage(model: ModelConfig) -> ModuleType:
    """What trains an autoencoder of this kind."""
    return patches if isinstance(model.autoencoder, PatchConfig) else autoencoder


def train_autoencoder(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Train the autoencoder, measure its scaling and how well it does on unseen pictures."""
    pictures = data.TrainingSet.load(arguments.run / "pictures.npz")
    kind = autoencoder_stage(model)
    recipe = replace(kind.RECIPE, seed=arguments.seed)
    budget = Budget(arguments.autoencoder_minutes)
    settings = (model, pictures, recipe, budget, arguments.run)
    launch(arguments.processes, kind.train, *settings)
    print_psnr(arguments, pictures)


def refine_decoder(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Train the decoder on, for sharper pictures from the same latents."""
    pictures = data.TrainingSet.load(arguments.run / "pictures.npz")
    kind = autoencoder_stage(model)
    recipe = replace(kind.RECIPE, seed=arguments.seed)
    budget = Budget(arguments.decoder_minutes)
    settings = (pictures, recipe, budget, arguments.run)
    launch(arguments.processes, kind.refine_decoder, *settings)
    print_psnr(arguments, pictures)


def print_psnr(arguments: argparse.Namespace, pictures: data.TrainingSet) -> None:
    """How well the autoencoder does on pictures it has not seen."""
    vae = load_autoencoder(arguments.run / "vae")
    for split in ("concepts", "style"):
        value = autoencoder.psnr(vae, pictures.of_split(split))
        print(f"PSNR on held-out {split}: {value:.2f} dB")


def encode_everything(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Make the captioned variants and encode them, leaving out the evaluation prompts."""
    pictures = data.TrainingSet.load(arguments.run / "pictures.npz")
    device = training_device()
    vae = load_autoencoder(arguments.run / "vae").to(device)
    excluded = frozenset(prompt.lower() for prompt in read_prompts())
    torch.set_num_threads(1)  # pictures and captions are encoded side by side
    made = latents.captioned_pictures(pictures, excluded, arguments.seed)
    pairs, captions = latents.build(vae, TextEncoder.pretrained(device), made)
    latents.save(pairs, arguments.run / "latents.pt")
    (arguments.run / "captions.txt").write_text("\n".join(captions) + "\n")
    print(f"{len(made)} pictures, {len(captions)} captions, {len(pairs.weight)} pairs")


def train_diffusion(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Train the U-Net on the encoded pairs."""
    recipe = replace(diffusion.RECIPE, seed=arguments.seed)
    budget = Budget(arguments.diffusion_minutes)
    path = arguments.run / "latents.pt"
    settings = (model, path, recipe, budget, arguments.run / "diffusion.pt", arguments.start)
    launch(arguments.processes, diffusion.train, *settings)


def distil(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Teach a student to take four steps without guidance; export it beside its teacher."""
    recipe = replace(distillation.RECIPE, seed=arguments.seed)
    budget, run = Budget(arguments.distillation_minutes), arguments.run
    course = distillation.Course(guidance_scale=export.GUIDANCE_SCALE)
    teacher = diffusion.averaged_unet(model, run / "diffusion.pt")
    path = run / "student.pt"
    start = arguments.student_start
    settings = (model, run / "latents.pt", teacher, course, recipe, budget, path, start)
    launch(arguments.processes, distillation.train, *settings)
    export.export_student(model, run, course.num_steps, arguments.student_output)
    print(f"wrote {arguments.student_output}")


def train_tower(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Train the scorer that the evaluation measures with."""
    pictures = data.TrainingSet.load(arguments.run / "pictures.npz")
    excluded = frozenset(prompt.lower() for prompt in read_prompts())
    made = latents.captioned_pictures(pictures, excluded, arguments.seed)
    recipe = replace(tower.RECIPE, seed=arguments.seed)
    budget = Budget(arguments.tower_minutes)
    settings = (made, recipe, budget, arguments.run / "tower.pt", WEIGHTS)
    launch(arguments.processes, tower.train, *settings)


def export_model(arguments: argparse.Namespace, model: ModelConfig) -> None:
    """Write the averaged weights as a model folder."""
    export.export(model, arguments.run, arguments.output)
    print(f"wrote {arguments.output}")


RUN = {
    "data": make_data,
    "autoencoder": train_autoencoder,
    "latents": encode_everything,
    "diffusion": train_diffusion,
    "decoder": refine_decoder,
    "export": export_model,
    "distillation": distil,
    "tower": train_tower,
}


def parse_arguments() -> argparse.Namespace:
    """The command line: one dial for the size, the budgets, the seed and the folders."""
    parser = argparse.ArgumentParser(prog="python -m models.training", description=__doc__)
    parser.add_argument("stage", choices=(*RUN, "all"))
    parser.add_argument("--size", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--autoencoder-minutes", type=float, default=14)
    parser.add_argument("--diffusion-minutes", type=float, default=80)
    parser.add_argument("--decoder-minutes", type=float, default=8)
    parser.add_argument("--distillation-minutes", type=float, default=20)
    parser.add_argument("--tower-minutes", type=float, default=10)
    parser.add_argument("--start", type=Path, help="folder of a U-Net whose body to begin with")
    parser.add_argument("--student-start", type=Path, help="a U-Net the student begins as")
    parser.add_argument("--sets", nargs="+", choices=tuple(data.SETS), help="drawing sets")
    parser.add_argument("--selection", choices=("core", "all"), default="core")
    parser.add_argument("--seed", type=int, default=0)
    cores = 1 if torch.cuda.is_available() else os.cpu_count()
    parser.add_argument("--processes", type=int, default=cores, help="replicas, one a core")
    parser.add_argument("--cache", type=Path, default=Path(".cache/packages"))
    parser.add_argument("--run", type=Path, default=Path(".cache/training"))
    parser.add_argument("--output", type=Path, default=BUILT_IN)
    parser.add_argument("--student-output", type=Path, default=BUILT_IN_FAST)
    return parser.parse_args()


def main() -> None:
    """Run one stage or all of them in order."""
    arguments = parse_arguments()
    model = ModelConfig.of_size(arguments.size)
    arguments.run.mkdir(parents=True, exist_ok=True)
    for stage in RUN if arguments.stage == "all" else (arguments.stage,):
        RUN[stage](arguments, model)


if __name__ == "__main__":
    main()
