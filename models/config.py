"""The shape of every model behind one dial: `ModelConfig.of_size("tiny")`.

Plain frozen data. Knows nothing of torch, of training or of where weights lie.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape of the AutoencoderKL. Its factor is 2 for every level after the first."""

    latent_channels: int = 12
    block_out_channels: tuple[int, ...] = (16, 32, 64, 128)
    layers_per_block: int = 1
    # Few: a group of two channels is an instance norm, and that forgets flat colours.
    norm_num_groups: int = 2

    @property
    def factor(self) -> int:
        """Pixels along one side of a latent."""
        return 2 ** (len(self.block_out_channels) - 1)


@dataclass(frozen=True)
class PatchConfig:
    """Shape of the PatchAutoencoder: principal components of patches, a decoder that mends."""

    latent_channels: int = 64
    patch_size: int = 16
    decoder_channels: int = 64
    decoder_blocks: int = 3

    @property
    def factor(self) -> int:
        """Pixels along one side of a latent."""
        return self.patch_size


@dataclass(frozen=True)
class UNetConfig:
    """Shape of the UNet2DConditionModel; which levels attend to the text is said by level."""

    block_out_channels: tuple[int, ...] = (128, 256)
    attention_levels: tuple[bool, ...] = (False, True)
    layers_per_block: int = 1
    attention_head_width: int = 64
    cross_attention_dim: int = 384
    norm_num_groups: int = 32

    @property
    def downsamplings(self) -> int:
        """How often the latents are halved on the way down."""
        return len(self.block_out_channels) - 1


@dataclass(frozen=True)
class DiffusionConfig:
    """The noise schedule and what the U-Net predicts (see `models.parametrization`)."""

    prediction_type: str = "v_prediction"
    num_train_timesteps: int = 1000
    beta_schedule: str = "squaredcos_cap_v2"
    beta_start: float = 0.0001
    beta_end: float = 0.02
    rescale_betas_zero_snr: bool = True
    timestep_spacing: str = "trailing"
    snr_gamma: float = 5.0


@dataclass(frozen=True)
class ModelConfig:
    """All of one model: picture size, autoencoder, U-Net and noise schedule."""

    size: str
    native_size: int = 64
    autoencoder: AutoencoderConfig | PatchConfig = field(default_factory=AutoencoderConfig)
    unet: UNetConfig = field(default_factory=UNetConfig)
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)

    @classmethod
    def of_size(cls, size: str) -> "ModelConfig":
        """The model of this size. Raises ValueError for a size that is not in `SIZES`."""
        if size not in SIZES:
            raise ValueError(f"unknown size {size!r}, choose one of {', '.join(SIZES)}")
        return SIZES[size]

    @property
    def latent_size(self) -> int:
        """Latents along one side of a native picture."""
        return self.native_size // self.autoencoder.factor

    @property
    def size_multiple(self) -> int:
        """Width and height must be multiples of this many pixels."""
        return self.autoencoder.factor * 2**self.unet.downsamplings


SIZES = {
    config.size: config
    for config in (
        ModelConfig(
            "nano",
            autoencoder=AutoencoderConfig(4, (8, 8, 8, 16)),
            unet=UNetConfig((64, 64)),
        ),
        ModelConfig("tiny"),
        ModelConfig("small", native_size=128, autoencoder=PatchConfig()),
        ModelConfig(
            "base",
            native_size=256,
            autoencoder=AutoencoderConfig(8, (64, 128, 256, 256), 2, 8),
            unet=UNetConfig((256, 512, 768), (False, True, True), 2),
        ),
    )
}
