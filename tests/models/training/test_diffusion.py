from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel

from models.config import ModelConfig
from models.parametrization import Parametrization
from models.training import latents
from models.training.diffusion import Batch, batches, carry_over, loss_of, train
from models.training.latents import LatentSet
from models.training.loop import Budget, load_state
from models.training.replicas import Replicas
from models.training.run import Recipe
from models.unet import build_unet

NANO = ModelConfig.of_size("nano")
RECIPE = Recipe(batch_size=4, learning_rate=1e-3, warmup_steps=1)


@pytest.fixture
def pairs() -> LatentSet:
    generator = torch.Generator().manual_seed(0)
    return LatentSet(
        latents=torch.randn(3, 4, 8, 8, generator=generator).half(),
        embeddings=torch.randn(2, 32, 384, generator=generator).half(),
        empty=torch.zeros(32, 384).half(),
        picture=torch.tensor([0, 1, 2]),
        text=torch.tensor([0, 1, 1]),
        weight=torch.tensor([1.0, 1.0, 0.0]),
    )


def test_rows_are_drawn_by_weight_and_keep_picture_and_text_together(pairs: LatentSet) -> None:
    stream = batches(pairs, RECIPE, 1000, torch.Generator().manual_seed(0))

    drawn = [next(stream) for _ in range(20)]

    for batch in drawn:
        for x0, embeds in zip(batch.latents, batch.prompt_embeds, strict=True):
            (row,) = [i for i in range(3) if torch.equal(x0, pairs.latents[i].float())]
            assert row in (0, 1)
            assert torch.equal(embeds, pairs.empty) or torch.equal(embeds, pairs.embeddings[row])


def test_a_tenth_of_the_prompts_is_dropped(pairs: LatentSet) -> None:
    stream = batches(pairs, RECIPE, 1000, torch.Generator().manual_seed(0))

    embeds = torch.cat([next(stream).prompt_embeds for _ in range(250)])

    assert 70 < (embeds == 0).all(dim=(1, 2)).sum() < 130


def test_every_batch_covers_the_timesteps_evenly(pairs: LatentSet) -> None:
    stream = batches(pairs, RECIPE, 1000, torch.Generator().manual_seed(0))

    assert [t // 250 for t in next(stream).t.tolist()] == [0, 1, 2, 3]


def test_a_perfect_prediction_costs_nothing(pairs: LatentSet) -> None:
    parametrization = Parametrization.of(NANO.diffusion)
    batch = next(batches(pairs, RECIPE, 1000, torch.Generator().manual_seed(0)))
    noise = torch.randn(batch.latents.shape)
    target = parametrization.training_target(batch.latents, noise, batch.t)

    class Oracle(torch.nn.Module):
        def forward(self, x_t: torch.Tensor, t: torch.Tensor, embeds: torch.Tensor) -> "Oracle":
            self.sample = target
            return self

    assert loss_of(Oracle(), batch, noise, parametrization) == 0
    assert loss_of(build_unet(NANO), batch, noise, parametrization) > 0.01


@pytest.mark.timeout(180)
def test_a_stopped_run_goes_on_where_it_was(pairs: LatentSet, tmp_path: Path) -> None:
    latents.save(pairs, tmp_path / "latents.pt")
    path = tmp_path / "diffusion.pt"

    for max_steps in (8, 16):
        budget = Budget(60, max_steps)
        train(Replicas(), NANO, tmp_path / "latents.pt", RECIPE, budget, path)
        state = load_state(path)
        assert state is not None
        assert state["global_step"] == max_steps
    assert state["elapsed_s"] > 0


@pytest.mark.timeout(30)
def test_a_body_is_carried_over_to_other_latents(tmp_path: Path) -> None:
    other = replace(NANO, autoencoder=replace(NANO.autoencoder, latent_channels=6))
    trained, unet = build_unet(NANO), build_unet(other)
    first = unet.conv_in.weight.clone()
    trained.save_pretrained(tmp_path)

    carry_over(unet, tmp_path)

    assert torch.equal(unet.conv_in.weight, first)
    assert torch.equal(
        unet.mid_block.resnets[0].conv1.weight, trained.mid_block.resnets[0].conv1.weight
    )


@pytest.mark.timeout(30)
def test_of_a_plain_network_the_last_convolution_fits_the_ungated_half(tmp_path: Path) -> None:
    unet = build_unet(NANO)
    plain = UNet2DConditionModel.from_config({**unet.config, "out_channels": 4})
    plain.save_pretrained(tmp_path)

    carry_over(unet, tmp_path)

    assert torch.equal(unet.conv_out.weight[:4], plain.conv_out.weight)
    assert not unet.conv_out.weight[4:].any()


def test_batches_move_as_one() -> None:
    batch = Batch(torch.ones(1), torch.ones(1), torch.ones(1)).to(torch.device("meta"))

    assert {tensor.device.type for tensor in vars(batch).values()} == {"meta"}
