import torch

from models.evaluation.denoising import linear_guess


def test_the_linear_guess_is_the_best_factor_for_each_channel() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([3.0, 0.2]).view(1, 2, 1, 1)
    x0 = 1 + spread * torch.randn(4_000, 2, 2, 2, generator=generator)
    alpha = torch.tensor(0.6)
    x_t = alpha * x0 + 0.8 * torch.randn(x0.shape, generator=generator)

    error = (linear_guess(x_t, x0, alpha) - x0).square().mean(dim=(0, 2, 3))

    # Of variances s^2 and noise sigma^2 there remains s^2 sigma^2 / (alpha^2 s^2 + sigma^2).
    expected = [9 * 0.64 / (0.36 * 9 + 0.64), 0.04 * 0.64 / (0.36 * 0.04 + 0.64)]
    torch.testing.assert_close(error, torch.tensor(expected), rtol=0.05, atol=0)
