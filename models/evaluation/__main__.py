"""`python -m models.evaluation`: one unselected picture for every evaluation prompt, on a sheet.

The sheet is what the default settings give with seed 0, 1, 2, ...: nothing is chosen or repeated.
"""

import argparse
from pathlib import Path

import torch

from models.evaluation.prompts import read_prompts, seen_in_training
from models.evaluation.sheet import contact_sheet
from models.pipeline import LatentDiffusionPipeline


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m models.evaluation", description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("models/default"))
    parser.add_argument("--output", type=Path, default=Path("docs/contact-sheet.png"))
    parser.add_argument("--captions", type=Path, help="training captions, to prove them unseen")
    parser.add_argument("--guidance-scale", type=float, help="instead of the model's default")
    return parser.parse_args()


def main() -> None:
    """Draw every prompt once. Fails if a prompt was a training caption."""
    arguments = parse_arguments()
    prompts = read_prompts()
    if arguments.captions:
        seen = seen_in_training(prompts, arguments.captions.read_text().splitlines())
        if seen:
            raise SystemExit(f"trained on: {'; '.join(seen)}")
        print(f"none of {len(prompts)} prompts is a training caption")
    torch.set_num_threads(1)  # the default model is small: threads only wait for one another
    pipeline = LatentDiffusionPipeline.from_checkpoint(arguments.model)
    pictures = [
        pipeline(prompt, seed=seed, guidance_scale=arguments.guidance_scale)
        for seed, prompt in enumerate(prompts)
    ]
    contact_sheet(pictures, prompts).save(arguments.output)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
