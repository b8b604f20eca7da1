"""Tiny pipelines for the engine's tests: real modules, random weights."""

from pathlib import Path

import pytest
import torch

from tests.tiny_checkpoint import (
    EPSILON,
    ZERO_SNR,
    TinyPipeline,
    write_tiny_checkpoint,
)


def pytest_configure() -> None:
    torch.set_num_threads(1)  # on nets this small a second thread only waits


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("zero_snr"), ZERO_SNR)


@pytest.fixture(scope="session")
def epsilon_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("epsilon"), EPSILON)


@pytest.fixture(scope="session")
def pipeline(tiny_checkpoint: Path) -> TinyPipeline:
    return TinyPipeline(tiny_checkpoint)


@pytest.fixture(scope="session", params=["zero_snr", "epsilon"])
def either_pipeline(
    request: pytest.FixtureRequest, tiny_checkpoint: Path, epsilon_checkpoint: Path
) -> TinyPipeline:
    """Both noise schedules: between them they support every scheduler."""
    return TinyPipeline(tiny_checkpoint if request.param == "zero_snr" else epsilon_checkpoint)
