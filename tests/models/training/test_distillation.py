from pathlib import Path

import pytest
import torch

from models.config import ModelConfig
from models.parametrization import Parametrization
from models.training import latents
from models.training.distillation import Course, ddim, levels, train, walk, x0_for
from models.training.latents import LatentSet
from models.training.loop import Budget, load_state
from models.training.replicas import Replicas
from models.training.run import Recipe
from models.unet import build_unet

NANO = ModelConfig.of_size("nano")
PARAMETRIZATION = Parametrization.of(NANO.diffusion)
COURSE = Course(num_steps=4, teacher_steps=4, guidance_scale=3.0)


class Exact(torch.nn.Module):
    """Knows the one picture there is, with the prompt and without."""

    def __init__(self, x0: torch.Tensor) -> None:
        super().__init__()
        self.x0 = x0

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, embeds: torch.Tensor) -> "Exact":
        alpha, sigma = PARAMETRIZATION.alphas[t][0], PARAMETRIZATION.sigmas[t][0]
        self.sample = (alpha * x_t - self.x0) / sigma  # v for which x0 = alpha x_t - sigma v
        return self


def test_four_steps_cover_the_whole_schedule() -> None:
    assert COURSE.ends(1000) == [(999, 749), (749, 499), (499, 249), (249, -1)]
    assert COURSE.stops(249, -1) == [249, 186, 124, 62, -1]


@pytest.mark.parametrize(("start", "end"), COURSE.ends(1000))
def test_a_prediction_is_found_that_arrives_where_the_teacher_did(start: int, end: int) -> None:
    x_t, arrival = torch.randn(2, 4, 8, 8)
    before, after = levels(PARAMETRIZATION, start), levels(PARAMETRIZATION, end)

    x0 = x0_for(x_t, arrival, before, after)

    torch.testing.assert_close(ddim(x_t, x0, before, after), arrival, atol=1e-4, rtol=1e-4)


def test_a_teacher_that_knows_the_picture_walks_straight_to_it() -> None:
    x0, noise = torch.randn(2, 1, 4, 8, 8)
    x_t = PARAMETRIZATION.add_noise(x0, noise, torch.tensor([249]))
    nothing = torch.zeros(1, 4, 8)

    arrival = walk(
        Exact(x0), PARAMETRIZATION, COURSE, x_t, (nothing, nothing), COURSE.stops(249, -1)
    )

    torch.testing.assert_close(arrival, x0, atol=1e-4, rtol=1e-4)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("begins_as", ["teacher", "younger"])
def test_a_student_begins_as_it_is_told_and_moves(begins_as: str, tmp_path: Path) -> None:
    size = NANO.latent_size
    pairs = LatentSet(
        latents=torch.randn(4, NANO.autoencoder.latent_channels, size, size).half(),
        embeddings=torch.randn(4, 32, NANO.unet.cross_attention_dim).half(),
        empty=torch.randn(32, NANO.unet.cross_attention_dim).half(),
        picture=torch.arange(4),
        text=torch.arange(4),
        weight=torch.ones(4),
    )
    latents.save(pairs, tmp_path / "latents.pt")
    teacher = build_unet(NANO)
    recipe = Recipe(batch_size=2, learning_rate=1e-3, warmup_steps=1)
    younger = build_unet(NANO)
    younger.conv_out.weight.data += 1
    younger.save_pretrained(tmp_path / "younger")
    first, start = (teacher, None) if begins_as == "teacher" else (younger, tmp_path / "younger")

    train(
        Replicas(), NANO, tmp_path / "latents.pt", teacher, COURSE, recipe, Budget(60, 8),
        tmp_path / "student.pt", start,
    )  # fmt: skip

    state = load_state(tmp_path / "student.pt")
    assert state is not None
    assert state["global_step"] == 8
    moved = state["weights"]["conv_out.weight"] - first.conv_out.weight
    assert 0 < moved.abs().max() < 0.1
