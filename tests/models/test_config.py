import pytest

from models.config import SIZES, AutoencoderConfig, ModelConfig


def test_every_size_is_found_by_its_own_name() -> None:
    assert all(ModelConfig.of_size(name).size == name for name in SIZES)


def test_unknown_size_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="tiny"):
        ModelConfig.of_size("enormous")


@pytest.mark.parametrize("config", SIZES.values(), ids=SIZES)
def test_native_picture_halves_evenly_all_the_way_down(config: ModelConfig) -> None:
    assert config.native_size % config.size_multiple == 0


@pytest.mark.parametrize("config", SIZES.values(), ids=SIZES)
def test_attention_heads_and_norm_groups_divide_the_channels(config: ModelConfig) -> None:
    unet, autoencoder = config.unet, config.autoencoder

    assert len(unet.attention_levels) == len(unet.block_out_channels)
    assert all(width % unet.attention_head_width == 0 for width in unet.block_out_channels)
    assert all(width % unet.norm_num_groups == 0 for width in unet.block_out_channels)
    if isinstance(autoencoder, AutoencoderConfig):
        assert all(w % autoencoder.norm_num_groups == 0 for w in autoencoder.block_out_channels)


def test_size_multiple_is_autoencoder_factor_times_unet_downsampling() -> None:
    tiny = ModelConfig.of_size("tiny")

    assert (tiny.autoencoder.factor, tiny.unet.downsamplings, tiny.size_multiple) == (8, 1, 16)
    assert tiny.latent_size == 8
