"""`python -m models.evaluation STAGE`: what the default model can do, as figures and as sheets.

Nothing is chosen or repeated: fixed seeds, default settings unless a stage says otherwise.
"""

import argparse
from pathlib import Path

import torch

from models.evaluation import curves, figures
from models.evaluation.prompts import read_prompts, seen_in_training
from models.evaluation.sheet import contact_sheet
from models.pipeline import LatentDiffusionPipeline
from models.source import BUILT_IN
from models.training.data import TrainingSet


def sheet(arguments: argparse.Namespace) -> None:
    """One picture for every evaluation prompt. Fails if a prompt was a training caption."""
    prompts = read_prompts()
    if arguments.captions:
        seen = seen_in_training(prompts, arguments.captions.read_text().splitlines())
        if seen:
            raise SystemExit(f"trained on: {'; '.join(seen)}")
        print(f"none of {len(prompts)} prompts is a training caption")
    pipeline = LatentDiffusionPipeline.from_checkpoint(arguments.model)
    pictures = figures.draw(pipeline, prompts, figures.Settings.of(arguments))
    contact_sheet(pictures, prompts).save(arguments.output)
    print(f"wrote {arguments.output}")


def figures_of(arguments: argparse.Namespace) -> None:
    """A table of one stage."""
    data = TrainingSet.load(arguments.run / "pictures.npz")
    pipeline = LatentDiffusionPipeline.from_checkpoint(arguments.model)
    settings = figures.Settings.of(arguments)
    for line in figures.STAGES[arguments.stage](pipeline, data, settings, arguments.count):
        print(line, flush=True)


def sweep(arguments: argparse.Namespace) -> None:
    """Curves over steps, guidance and scheduler."""
    data = TrainingSet.load(arguments.run / "pictures.npz")
    pipeline = LatentDiffusionPipeline.from_checkpoint(arguments.model)
    curves.draw_sweeps(pipeline, data, arguments.count, arguments.output)
    print(f"wrote {arguments.output}")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluation", description=__doc__)
    parser.add_argument("stage", choices=("sheet", "sweeps", *figures.STAGES))
    parser.add_argument("--model", type=Path, default=BUILT_IN)
    parser.add_argument("--run", type=Path, default=Path(".cache/training"))
    parser.add_argument("--output", type=Path, help="the picture to write")
    parser.add_argument("--captions", type=Path, help="training captions, to prove them unseen")
    parser.add_argument("--count", type=int, help="instead of the stage's number of pictures")
    parser.add_argument("--num-inference-steps", type=int, help="instead of the model's default")
    parser.add_argument("--guidance-scale", type=float, help="instead of the model's default")
    parser.add_argument("--scheduler", help="instead of the model's default")
    arguments = parser.parse_args()
    names = {"sheet": "docs/contact-sheet.png", "sweeps": "docs/sweeps.png"}
    arguments.output = arguments.output or Path(names.get(arguments.stage, ""))
    return arguments


def main() -> None:
    """Run one stage."""
    arguments = parse_arguments()
    torch.set_num_threads(1)  # the default model is small: threads only wait for one another
    stages = {"sheet": sheet, "sweeps": sweep}
    stages.get(arguments.stage, figures_of)(arguments)


if __name__ == "__main__":
    main()
