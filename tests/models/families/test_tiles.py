"""Decoding in tiles: only what exceeds the autoencoder's own size, by torch in any runtime."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from models import families, runtimes
from models.families import Family
from models.source import BUILT_IN
from tests.tiny_families import write_family


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return families.load(write_family("sd1", tmp_path / "sd1"), "cpu", torch.float32)


def latents(family: Family, tiles: float) -> Tensor:
    """Noise with edges of so many tiles."""
    edge = int(family.vae.tile_latent_min_size * tiles)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, family.latent_channels, edge, edge, generator=generator)


def test_what_fits_a_tile_is_the_same_and_what_does_not_is_decoded_in_parts(
    family: Family,
) -> None:
    small, large = latents(family, 1), latents(family, 2)
    whole = [family.decode(one) for one in (small, large)]
    family.tile_decoder()

    with_tiles = [family.decode(one) for one in (small, large)]

    assert torch.equal(with_tiles[0], whole[0])
    assert with_tiles[1].shape == whole[1].shape
    assert not torch.equal(with_tiles[1], whole[1])


def test_tiles_are_left_to_torch_where_the_rest_is_compiled(family: Family) -> None:
    large = latents(family, 2)
    family.tile_decoder()
    expected = family.decode(large)

    runtimes.install(family, "openvino")

    assert torch.equal(family.decode(large), expected)


def test_our_own_autoencoder_knows_no_tiles() -> None:
    ours = families.load(BUILT_IN, "cpu", torch.float32)
    ours.tile_decoder()
    assert not hasattr(ours.vae, "use_tiling")
