import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from models import schedulers
from models.families import Row
from models.pipeline import UnsupportedRequest
from tests.tiny_checkpoint import EPSILON, TinyPipeline

PROMPT, NEGATIVE = "a red fox in the snow", "blurry"


def embeds_of(pipeline: TinyPipeline, prompt: str) -> torch.Tensor:
    (conditions,) = pipeline.conditions(prompt, "", 1.0, 64, 64)
    return conditions.prompt_embeds


def stock_latents(
    pipeline: TinyPipeline, scheduler: str, guidance_scale: float, size: tuple[int, int]
) -> torch.Tensor:
    """The same picture by diffusers' own Stable Diffusion pipeline over the same modules."""
    stock = StableDiffusionPipeline(
        vae=pipeline.family.vae,
        text_encoder=None,
        tokenizer=None,
        unet=pipeline.family.denoiser,
        scheduler=schedulers.make("ddim", EPSILON),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    # Not through the constructor: it edits the config of a scheduler it thinks outdated.
    stock.scheduler = schedulers.make(scheduler, pipeline.family.scheduler_config)
    stock.set_progress_bar_config(disable=True)
    result = stock(
        prompt_embeds=embeds_of(pipeline, PROMPT),
        negative_prompt_embeds=embeds_of(pipeline, NEGATIVE),
        height=size[0],
        width=size[1],
        num_inference_steps=7,
        guidance_scale=guidance_scale,
        generator=torch.Generator().manual_seed(11),
        output_type="latent",
    )
    return result.images


@pytest.mark.parametrize(("guidance_scale", "size"), [(4.0, (64, 64)), (1.0, (80, 64))])
@pytest.mark.timeout(60)
def test_the_plain_loop_equals_the_stock_pipeline_bit_for_bit(
    either_pipeline: TinyPipeline, guidance_scale: float, size: tuple[int, int]
) -> None:
    pipeline = either_pipeline
    names = set(pipeline.card.schedulers)
    if pipeline.family.scheduler_config["rescale_betas_zero_snr"]:
        # Stock starts at the second of equal timesteps and overruns.
        names = {name for name in names if not name.endswith(("_karras", "_exponential"))}
    for scheduler in sorted(names):
        ours = pipeline.denoise(
            PROMPT,
            negative_prompt=NEGATIVE,
            height=size[0],
            width=size[1],
            num_inference_steps=7,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            seed=11,
        )

        assert torch.equal(ours, stock_latents(pipeline, scheduler, guidance_scale, size))


def test_pixels_are_those_of_the_stock_image_processor(pipeline: TinyPipeline) -> None:
    latents = pipeline.denoise(PROMPT, num_inference_steps=2)

    pixels = pipeline.decode_latents(latents)

    config = pipeline.family.vae.config
    with torch.inference_mode():
        decoded = pipeline.family.vae.decode(
            latents / config.scaling_factor + config.shift_factor
        ).sample
    stock = (decoded / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).numpy()[0]
    assert np.array_equal(pixels, (stock * 255).round().astype("uint8"))


def test_the_card_fills_in_what_is_not_asked_for(pipeline: TinyPipeline) -> None:
    card = pipeline.card

    explicit = pipeline(
        PROMPT,
        height=card.native_size,
        width=card.native_size,
        num_inference_steps=card.default_num_inference_steps,
        guidance_scale=card.default_guidance_scale,
        scheduler=card.default_scheduler,
        seed=0,
    )

    assert np.array_equal(pipeline(PROMPT), explicit)
    assert explicit.shape == (64, 64, 3)


def test_prompt_negative_prompt_and_seed_each_change_the_picture(pipeline: TinyPipeline) -> None:
    pictures = [
        pipeline(PROMPT, num_inference_steps=3),
        pipeline("a glass teapot", num_inference_steps=3),
        pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=3),
        pipeline(PROMPT, num_inference_steps=3, seed=1),
    ]

    assert len({picture.tobytes() for picture in pictures}) == 4


@pytest.mark.parametrize("guidance_scale", [0.0, 1.0])
def test_without_guidance_the_negative_prompt_is_not_read(
    pipeline: TinyPipeline, guidance_scale: float
) -> None:
    options = {"num_inference_steps": 2, "guidance_scale": guidance_scale}

    with_it = pipeline(PROMPT, negative_prompt=NEGATIVE, **options)

    assert np.array_equal(with_it, pipeline(PROMPT, **options))


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (72, 64, "height 72 is not a multiple of 16"),
        (64, 144, "width 144 is not within 64 to 128"),
        (48, 64, "height 48 is not within 64 to 128"),
    ],
)
def test_sizes_that_the_model_cannot_do_are_refused(
    pipeline: TinyPipeline, height: int, width: int, message: str
) -> None:
    with pytest.raises(UnsupportedRequest, match=message):
        pipeline(PROMPT, height=height, width=width)


def test_schedulers_that_the_model_cannot_use_are_refused(pipeline: TinyPipeline) -> None:
    with pytest.raises(UnsupportedRequest, match="no scheduler 'heun'; it has ddim, "):
        pipeline(PROMPT, scheduler="heun")


def test_more_steps_than_a_scheduler_has_are_refused(pipeline: TinyPipeline) -> None:
    with pytest.raises(UnsupportedRequest, match="lcm cannot do 60 steps"):
        pipeline(PROMPT, scheduler="lcm", num_inference_steps=60)


def test_rows_of_unlike_timesteps_share_a_forward_pass(pipeline: TinyPipeline) -> None:
    (conditions,) = pipeline.conditions(PROMPT, "", 1.0, 64, 64)
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    rows = [Row(latents, torch.tensor(t), conditions) for t in (900, 400.5, 3)]

    together = pipeline.predict_noise(rows)

    alone = torch.cat([pipeline.predict_noise([row]) for row in rows])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 0.01
