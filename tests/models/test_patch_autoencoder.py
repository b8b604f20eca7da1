from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from models.autoencoder import decode, encode, factor_of, load_autoencoder
from models.patch_autoencoder import PatchAutoencoder
from models.training.patches import fit

PIXELS = torch.rand(12, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1


def complete() -> PatchAutoencoder:
    """As many latents as a patch has numbers: nothing is lost."""
    vae = PatchAutoencoder(latent_channels=48, patch_size=4, decoder_channels=8)
    fit(vae, PIXELS)
    return vae


def test_untrained_it_gives_back_what_the_directions_span() -> None:
    vae = complete()

    back = decode(vae, encode(vae, PIXELS))

    torch.testing.assert_close(back, PIXELS, atol=1e-4, rtol=0)


def test_latents_come_out_scaled_whatever_the_pictures() -> None:
    vae = PatchAutoencoder(latent_channels=6, patch_size=8)
    dark = PIXELS * 0.1 - 0.8
    fit(vae, dark)

    latents = encode(vae, dark)

    assert latents.shape == (12, 6, 4, 4)
    assert latents.mean().item() == pytest.approx(0, abs=0.02)
    assert latents.std().item() == pytest.approx(1, abs=0.05)


def test_what_matters_most_comes_first_and_widest() -> None:
    gray = PIXELS[:, :1, :4, :4].expand(-1, 3, -1, -1)
    smooth = F.interpolate(gray, scale_factor=8.0, mode="bilinear")
    vae = PatchAutoencoder(latent_channels=6, patch_size=8)
    fit(vae, smooth)

    spread = encode(vae, smooth).std(dim=(0, 2, 3))

    assert torch.equal(spread, spread.sort(descending=True).values)
    assert spread[0] > 1.5 * spread[-1]


def test_a_patch_that_is_not_whole_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="patch_size 6 is not a multiple of 4"):
        PatchAutoencoder(patch_size=6)


def test_it_comes_back_from_its_folder_as_what_it_was(tmp_path: Path) -> None:
    vae = complete()
    vae.save_pretrained(tmp_path)

    loaded = load_autoencoder(tmp_path)

    assert factor_of(loaded.config) == 4
    torch.testing.assert_close(encode(loaded, PIXELS), encode(vae, PIXELS))
