"""Where a worker computes, and in what precision."""

import pytest
import torch

from worker.assembly import DeviceMissing, choose_device
from worker.settings import WorkerSettings


def test_a_cpu_computes_in_full_precision() -> None:
    assert choose_device(WorkerSettings(device="cpu")) == ("cpu", torch.float32)


def test_the_precision_may_be_named() -> None:
    settings = WorkerSettings(device="cpu", dtype="bfloat16")
    assert choose_device(settings) == ("cpu", torch.bfloat16)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused() -> None:
    assert choose_device(WorkerSettings(device="auto")) == ("cpu", torch.float32)
    with pytest.raises(DeviceMissing, match="DARKROOM_DEVICE is cuda"):
        choose_device(WorkerSettings(device="cuda"))
