"""How well a network denoises held-out pictures, noise level by noise level: before any sampling.

What sampling shows as blur or noise begins as an error here, at some level.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.autoencoder import encode
from models.evaluation.held_out import Question, unseen_captions
from models.families.family import Conditions
from models.parametrization import Parametrization
from models.pipeline import LatentDiffusionPipeline
from models.training.autoencoder import to_tensor
from models.training.data import TrainingSet

TIMESTEPS = (999, 900, 750, 600, 450, 300, 200, 100, 49)
COUNT = 128


@torch.inference_mode()
def denoising(
    pipeline: LatentDiffusionPipeline, data: TrainingSet, count: int | None
) -> Iterator[str]:
    """Mean squared error of x0 on captions never seen whole, beside the best linear guess."""
    questions = unseen_captions(data, count or COUNT)
    x0 = encode(pipeline.family.vae, to_tensor(np.stack([one.picture for one in questions])))
    joined = pipeline.join([told(pipeline, one) for one in questions])
    parametrization = Parametrization.of_schedule(pipeline.family.scheduler_config)
    generator = torch.Generator().manual_seed(0)
    for timestep in TIMESTEPS:
        t = torch.full((len(x0),), timestep)
        x_t = parametrization.add_noise(x0, torch.randn(x0.shape, generator=generator), t)
        prediction = pipeline.forward(x_t, t.tolist(), joined)
        ours = parametrization.to_x0(prediction, x_t, t)
        guess = linear_guess(x_t, x0, parametrization.alphas[timestep])
        errors = ((made - x0).square().mean().item() for made in (ours, guess))
        yield "t {:3}: x0 error {:.4f}, linear {:.4f}".format(timestep, *errors)


def told(pipeline: LatentDiffusionPipeline, question: Question) -> Conditions:
    """The condition of one unguided row."""
    size = pipeline.card.native_size
    return pipeline.conditions(question.caption, "", 1.0, size, size)[0]


def linear_guess(x_t: Tensor, x0: Tensor, alpha: Tensor) -> Tensor:
    """Each channel of x_t times the one factor that is best for it (Wiener 1949).

    It knows the channels' variances and means, and nothing of pictures.
    """
    mean = x0.mean(dim=(0, 2, 3), keepdim=True)
    variance = x0.var(dim=(0, 2, 3), keepdim=True)
    signal = alpha.square() * variance
    return mean + alpha * variance / (signal + 1 - alpha.square()) * (x_t - alpha * mean)
