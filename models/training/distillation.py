"""Few steps: a student that takes four, without guidance, where its teacher takes twenty with it.

One stage of progressive distillation (Salimans & Ho 2022) over many steps at once, with the
guidance folded in (Meng et al. 2023): from a noisy picture the teacher walks a whole stretch of
the schedule by guided DDIM steps (Song et al. 2021), and the student learns the one step that
arrives at the same place. Knows latents and embeddings. Knows nothing of pixels or words.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor

from models.config import ModelConfig
from models.parametrization import Parametrization
from models.training import latents
from models.training.diffusion import batches, carry_over
from models.training.loop import Budget
from models.training.precision import mixed_precision, training_device
from models.training.replicas import Replicas
from models.training.run import Recipe, Run
from models.unet import GatedUNet

RECIPE = Recipe(batch_size=16, learning_rate=3e-4, warmup_steps=100, ema_decay=0.995)


@dataclass(frozen=True)
class Course:
    """How far a student's step goes and how the teacher gets there.

    Attributes:
        num_steps: Steps of the student over the whole schedule.
        teacher_steps: Steps of the teacher for one of the student's.
        guidance_scale: That of the teacher; the student needs none.
    """

    num_steps: int = 4
    teacher_steps: int = 2
    guidance_scale: float = 4.0

    def ends(self, num_train_timesteps: int) -> list[tuple[int, int]]:
        """From which timestep to which: trailing spacing, -1 is the clean picture."""
        stride = num_train_timesteps // self.num_steps
        starts = [num_train_timesteps - 1 - i * stride for i in range(self.num_steps)]
        return list(zip(starts, [*starts[1:], -1], strict=True))

    def stops(self, start: int, end: int) -> list[int]:
        """The teacher's timesteps on the way, both ends included."""
        return [
            round(start + (end - start) * i / self.teacher_steps)
            for i in range(self.teacher_steps + 1)
        ]


def levels(parametrization: Parametrization, t: int) -> tuple[Tensor, Tensor]:
    """Alpha and sigma at t; 1 and 0 at the clean picture, t = -1."""
    if t < 0:
        return torch.tensor(1.0), torch.tensor(0.0)
    return parametrization.alphas[t].cpu(), parametrization.sigmas[t].cpu()


def ddim(x_t: Tensor, x0: Tensor, before: tuple[Tensor, ...], after: tuple[Tensor, ...]) -> Tensor:
    """One deterministic step of Song et al. (2021) from one noise level to another."""
    noise = (x_t - before[0] * x0) / before[1]
    return after[0] * x0 + after[1] * noise


def x0_for(
    x_t: Tensor, arrival: Tensor, before: tuple[Tensor, ...], after: tuple[Tensor, ...]
) -> Tensor:
    """The prediction with which one DDIM step from `x_t` ends at `arrival`."""
    ratio = after[1] / before[1]
    return (arrival - ratio * x_t) / (after[0] - ratio * before[0])


@torch.no_grad()
def walk(
    teacher: GatedUNet,
    parametrization: Parametrization,
    course: Course,
    x_t: Tensor,
    embeds: tuple[Tensor, Tensor],
    stops: list[int],
) -> Tensor:
    """Where guided DDIM steps over `stops` lead from `x_t`; embeds are without and with prompt."""
    both = torch.cat(embeds)
    for start, end in itertools.pairwise(stops):
        t = torch.full((len(both),), start, device=x_t.device)
        prediction = teacher(torch.cat([x_t, x_t]), t, both).sample.float()
        without, told = prediction.chunk(2)
        guided = without + course.guidance_scale * (told - without)
        x0 = parametrization.to_x0(guided, x_t, t[: len(x_t)])
        x_t = ddim(x_t, x0, levels(parametrization, start), levels(parametrization, end))
    return x_t


def train(
    replicas: Replicas,
    model: ModelConfig,
    pairs: Path,
    teacher: GatedUNet,
    course: Course,
    recipe: Recipe,
    budget: Budget,
    path: Path,
    start: Path | None = None,
) -> None:
    """Train a student that begins as its teacher; resumes from `path`.

    It begins as the U-Net in the folder `start` where that is given: a student of this teacher
    when it was younger.
    """
    torch.manual_seed(recipe.seed)
    device = training_device()
    student = GatedUNet.from_config(teacher.config).to(device)
    student.load_state_dict(teacher.state_dict())
    if start:
        carry_over(student, start)
    teacher = teacher.to(device).eval().requires_grad_(False)
    if device.type == "cpu":
        student.set_attn_processor(AttnProcessor())
    run = Run.begin(student, recipe, budget, replicas, path)
    parametrization = Parametrization.of(model.diffusion, device)
    data = latents.load(pairs)
    generator = torch.Generator().manual_seed(hash((recipe.seed, run.global_step, replicas.rank)))
    stream = batches(data, recipe, model.diffusion.num_train_timesteps, generator, dropout=0.0)
    stretches = course.ends(model.diffusion.num_train_timesteps)

    def next_loss() -> Tensor:
        batch = next(stream).to(device)
        start, end = stretches[int(torch.randint(len(stretches), (), generator=generator))]
        noise = torch.randn(batch.latents.shape, generator=generator).to(device)
        t = torch.full((len(noise),), start, device=device)
        x_t = parametrization.add_noise(batch.latents, noise, t)
        empty = data.empty.float().to(device).expand_as(batch.prompt_embeds)
        embeds, stops = (empty, batch.prompt_embeds), course.stops(start, end)
        with mixed_precision(device):
            arrival = walk(teacher, parametrization, course, x_t, embeds, stops)
            before, after = (levels(parametrization, at) for at in (start, end))
            target = x0_for(x_t, arrival, before, after)
            said = student(x_t, t, batch.prompt_embeds).sample.float()
            return (parametrization.to_x0(said, x_t, t) - target).square().mean()

    run.train(next_loss, path)
