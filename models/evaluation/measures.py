"""The field's measures on features of our own: distances of sets, sharpness, retrieval.

Numbers in, numbers out. Knows nothing of models or pictures.
"""

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]


def frechet_distance(ours: Features, real: Features) -> float:
    """Distance of two Gaussians fitted to features `[n, width]` (Heusel et al. 2017).

    The trace of the root of the product comes from its eigenvalues, which are real and positive.
    """
    between = ours.mean(axis=0) - real.mean(axis=0)
    left, right = np.cov(ours, rowvar=False), np.cov(real, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(left @ right).real, 0, None))
    return float(between @ between + np.trace(left) + np.trace(right) - 2 * roots.sum())


def inception_style_score(similarity: Features, sharpness: float = 20.0) -> float:
    """Exp of the mean KL of what each picture is taken for from what all are (Salimans 2016).

    `similarity` `[pictures, captions]` stands in for a classifier's logits, times `sharpness`.
    """
    logits = similarity * sharpness
    each = np.exp(logits - logits.max(axis=1, keepdims=True))
    each /= each.sum(axis=1, keepdims=True)
    marginal = each.mean(axis=0, keepdims=True)
    divergence = (each * (np.log(each + 1e-12) - np.log(marginal + 1e-12))).sum(axis=1)
    return float(np.exp(divergence.mean()))


def recall_at(k: int, similarity: Features) -> float:
    """How many pictures i find their own caption i among the k nearest of `[n, n]`."""
    own = np.diagonal(similarity)[:, None]
    return float(((similarity > own).sum(axis=1) < k).mean())


def psnr(ours: NDArray[np.uint8], real: NDArray[np.uint8]) -> float:
    """Mean peak signal-to-noise ratio in dB over pictures `[n, h, w, 3]`."""
    error = (ours.astype(np.float64) - real) ** 2
    mse = np.maximum(error.mean(axis=(1, 2, 3)), 1e-6)
    return float((10 * np.log10(255**2 / mse)).mean())
