"""What steps, guidance and scheduler do to the figures, as curves."""

from dataclasses import replace
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from models.evaluation import held_out, measures
from models.evaluation.figures import Scorer, Settings, drawn_for
from models.pipeline import LatentDiffusionPipeline
from models.training.data import TrainingSet

STEPS = (1, 2, 4, 8, 12, 20, 30)
GUIDANCE = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
CURVED_SCHEDULERS = ("ddim", "euler", "dpmpp_2m", "unipc")
COUNT = 100


def draw_sweeps(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, count: int | None, output: Path
) -> None:
    """R@10 and feature distance over steps by scheduler, and over guidance, as one PNG."""
    questions = held_out.unseen_captions(data, count or COUNT)
    scorer = Scorer.trained()
    captions = [question.caption for question in questions]
    real = scorer.features([question.picture for question in questions])

    def figures(settings: Settings) -> tuple[float, float]:
        drawn = drawn_for(pipeline, questions, settings)
        recall = measures.recall_at(10, scorer.similarity(drawn, captions))
        return recall, measures.frechet_distance(scorer.features(drawn), real)

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained", sharex="col")
    for scheduler in CURVED_SCHEDULERS:
        if scheduler in pipeline.card.schedulers:
            of_scheduler = Settings(scheduler=scheduler)
            rows = [figures(replace(of_scheduler, num_inference_steps=n)) for n in STEPS]
            _curve(axes[:, 0], STEPS, rows, scheduler)
    _curve(axes[:, 1], GUIDANCE, [figures(Settings(guidance_scale=g)) for g in GUIDANCE], "default")
    for column, name in enumerate(("steps", "guidance scale")):
        axes[1, column].set_xlabel(name)
    axes[0, 0].set_ylabel(f"R@10 of {len(questions)} unseen captions")
    axes[1, 0].set_ylabel("feature distance")
    axes[0, 0].legend()
    output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(output, dpi=90)
    plt.close(figure)


def _curve(
    axes: list[Axes], xs: tuple[float, ...], rows: list[tuple[float, float]], name: str
) -> None:
    for axis, ys in zip(axes, zip(*rows, strict=True), strict=True):
        axis.plot(xs, ys, marker="o", label=name)
        axis.grid(visible=True, alpha=0.3)
