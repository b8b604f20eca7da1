"""What a preview costs: `python -m tests.bench.previews [--model FOLDER] [--repeats 30]`.

The same steps of the engine with and without a preview, in turns, on one torch thread; beside them
what a decode would cost, what fitting the map once costs, and how near a preview comes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

from app.jobs.spec import GenerationSpec
from models.pipeline import LatentDiffusionPipeline
from models.source import BUILT_IN
from worker.engine import Engine
from worker.output import data_url

PROMPTS = ("a red heart", "a yellow bird on a branch", "a house at night", "a bowl of fruit")


def main() -> None:
    """Measure on one thread, print medians in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=BUILT_IN, help="a checkpoint folder")
    parser.add_argument("--repeats", type=int, default=30)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = LatentDiffusionPipeline.from_checkpoint(chosen.model)
    size = pipeline.card.native_size
    fit_ms = timed(lambda: pipeline._preview_map)
    plain_ms, preview_ms = steps(pipeline, chosen.repeats)
    latents = [pipeline.denoise(prompt, seed=7) for prompt in PROMPTS]
    decode_ms = repeated(lambda: pipeline.decode_latents(latents[0]), chosen.repeats)
    seen = pipeline._preview_map(latents[0])
    draw_ms = repeated(lambda: pipeline._preview_map(latents[0]), chosen.repeats)
    encode_ms = repeated(lambda: data_url(seen), chosen.repeats)
    print(f"{size} x {size} pixels, one torch thread, medians of {chosen.repeats}, in turns")
    print(f"a step without a preview      {plain_ms:8.2f} ms")
    print(
        f"a step with one               {preview_ms:8.2f} ms  ({preview_ms / plain_ms:.3f} times)"
    )
    print(f"the map itself                {draw_ms:8.2f} ms")
    print(f"a decode, for comparison      {decode_ms:8.2f} ms")
    print(f"WebP, on another thread       {encode_ms:8.2f} ms")
    print(f"fitting the map, once         {fit_ms:8.2f} ms")
    print(f"size                          {len(data_url(seen)):8d} characters")
    psnr = statistics.median(nearness(pipeline, z) for z in latents)
    print(f"PSNR to the picture           {psnr:8.1f} dB, median of {len(latents)} pictures")


def steps(pipeline: LatentDiffusionPipeline, repeats: int) -> tuple[float, float]:
    """Milliseconds of a step without and with a preview, alternating within one job."""
    engine, card = Engine(pipeline, 1), pipeline.card
    spec = GenerationSpec(
        prompt=PROMPTS[0],
        model="bench",
        width=card.native_size,
        height=card.native_size,
        num_inference_steps=min(150, 2 * repeats + 1),
        guidance_scale=card.default_guidance_scale,
        scheduler=card.default_scheduler,
        seed=7,
    )
    engine.admit("job", spec)
    engine.step()
    plain, previewed = list[float](), list[float]()
    for _ in range(min(74, repeats)):
        plain.append(timed(engine.step))
        engine.preview("job")
        previewed.append(timed(engine.step))
    return statistics.median(plain[:-1]), statistics.median(previewed[:-1])


def nearness(pipeline: LatentDiffusionPipeline, latents: torch.Tensor) -> float:
    """Peak signal-to-noise ratio of the preview, enlarged, to the picture."""
    picture = torch.from_numpy(pipeline.decode_latents(latents)).permute(2, 0, 1)[None].float()
    seen = torch.from_numpy(pipeline._preview_map(latents)).permute(2, 0, 1)[None].float()
    large = F.interpolate(seen, size=picture.shape[2:], mode="bicubic").clamp(0, 255)
    return float(10 * torch.log10(255**2 / (large - picture).square().mean()))


def repeated(action: Callable[[], object], repeats: int) -> float:
    return statistics.median(timed(action) for _ in range(repeats))


def timed(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main()
