"""A worker put together from its settings: device, model, engine, store."""

import contextlib
import logging
import os
import socket
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from secrets import token_hex

import torch
from redis import Redis

from app.jobs.catalogue import Catalogue, ModelInfo
from app.jobs.images import WRITE_PATIENCE_S, ImageStore
from app.jobs.queues import JobQueues
from app.jobs.store import JobStore
from models import runtimes
from models.layout import count_parameters
from models.lora.folder import find_loras
from models.pipeline import LatentDiffusionPipeline
from worker.affinity import Affinity
from worker.engine import Engine
from worker.engine_thread import EngineThread, Holds
from worker.engine_worker import EngineWorker, Terms
from worker.output import Telling
from worker.safety import safety_check
from worker.seal import Seal
from worker.settings import WorkerSettings
from worker.shelf import Shelf
from worker.warm_up import warm_up

log = logging.getLogger("worker")

AUTOGROUP = Path("/proc/self/autogroup")  # where Linux weighs sessions rather than threads


class DeviceMissing(Exception):
    """The settings ask for a device that this machine does not have."""


def assemble(settings: WorkerSettings, models: Sequence[ModelInfo], redis: Redis) -> EngineWorker:
    """A worker that has not begun. Models are loaded later, by the thread that will use them.

    Raises:
        DeviceMissing: There is no such device here.
        CheckpointError: The weights of a model are not all there.
        SealBroken: The certificate cannot sign.
    """
    device, dtype = choose_device(settings)
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    seal = Seal.of(certificate, key, settings.c2pa_algorithm) if certificate and key else None
    sizes = {
        model.id: count_parameters(settings.checkpoint(model.id)) * dtype.itemsize
        for model in models
    }
    affinity = Affinity(sizes, settings.model_memory)

    def begin() -> Shelf:
        settle_in(settings, device)
        load = partial(load_engine, settings, device, dtype)
        shelf = Shelf(load, affinity, lambda held: engine.outbox.put(Holds(held)))
        shelf.fill()
        return shelf

    engine = EngineThread(begin)
    return EngineWorker(
        name=f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}",
        device=device,
        models=models,
        affinity=affinity,
        slots=settings.slots,
        terms=Terms(
            lease_s=settings.job_lease_s, drain_s=settings.drain_s, stall_s=settings.stall_s
        ),
        store=JobStore(redis, JobQueues(redis), settings.job_ttl_s),
        catalogue=Catalogue(redis),
        images=ImageStore(settings.image_store_url, settings.s3, WRITE_PATIENCE_S),
        engine=engine,
        redis=redis,
        telling=Telling(settings.embed_prompt, seal),
        look=safety_check(threshold) if (threshold := settings.safety_threshold) else None,
    )


def settle_in(settings: WorkerSettings, device: str) -> None:
    """How much of the machine is taken; before anything is loaded."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    if device == "cpu":
        yield_to_front_end(settings.niceness)


def load_engine(settings: WorkerSettings, device: str, dtype: torch.dtype, model_id: str) -> Engine:
    """One model's engine, warm."""
    pipeline = LatentDiffusionPipeline.from_checkpoint(
        settings.checkpoint(model_id), device=device, dtype=dtype
    )
    if settings.vae_tiling:
        pipeline.family.tile_decoder()
    runtime = install_runtime(pipeline, settings)
    pipeline.family.loras.files = find_loras(settings.lora_dir, model_id)
    costs = warm_up(pipeline, 2 * settings.max_batch_size)
    return Engine(pipeline, settings.max_batch_size, costs, exact=settings.exact, name=runtime)


def install_runtime(pipeline: LatentDiffusionPipeline, settings: WorkerSettings) -> str:
    """Have the networks computed by what the settings say; returns its name and version.

    Raises:
        RuntimeMissing: OpenVINO is asked for and cannot compute this model here.
    """
    wanted = "torch" if settings.exact else settings.runtime
    compiled = settings.data_dir / "compiled"
    said = runtimes.install(
        pipeline.family, wanted, compiled, settings.threads, dtype=settings.dtype
    )
    log.info("runtime.installed: %s%s", said, ", exact" if settings.exact else "")
    return said


def yield_to_front_end(niceness: int) -> None:
    """The front end shares the cores: it must answer at once while pictures are drawn."""
    os.nice(niceness)
    with contextlib.suppress(OSError):
        AUTOGROUP.write_text(str(niceness))


def choose_device(settings: WorkerSettings) -> tuple[str, torch.dtype]:
    """Where to compute and in what precision.

    Raises:
        DeviceMissing: CUDA or MPS was asked for and is not there.
    """
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    device = settings.device
    if device == "auto":
        device = "cuda" if has["cuda"] else "cpu"
    if not has[device]:
        raise DeviceMissing(f"DARKROOM_DEVICE is {device}, and torch finds none here")
    named = "bfloat16" if device == "cuda" else "float32"
    dtype = named if settings.dtype == "auto" else settings.dtype
    return device, getattr(torch, dtype)
