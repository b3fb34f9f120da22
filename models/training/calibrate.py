"""The temperature at which a CLIP's probabilities can be believed (Guo et al. 2017, arXiv 1706.04599).

Training makes a small model far surer of its own photos than it may be of others. One number is fitted on val; it
moves no answer past another, only what the bars of a person's labelling run compare with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.training.data import Floats

SCALES = np.geomspace(2.0, 100.0, 80)
OFFERED = 36
DRAWS = 8


def offers(
    images: Floats, texts: Floats, truth: NDArray[np.int64], offered: int = OFFERED, seed: int = 0
) -> Floats:
    """Cosines (DRAWS * n, offered) as in a person's run: the true label first, then others drawn anew each time."""
    cosine = np.asarray(images @ texts.T, np.float32)
    n, count = cosine.shape
    rng = np.random.default_rng(seed)
    parts = []
    for _ in range(DRAWS):
        order = rng.random((n, count))
        order[np.arange(n), truth] = -1.0
        chosen = order.argsort(axis=1)[:, : min(offered, count)]
        parts.append(np.take_along_axis(cosine, chosen, axis=1))
    return np.concatenate(parts)


def log_loss(cosines: Floats, scale: float) -> float:
    """Mean negative log-probability of the first column."""
    logits = scale * cosines.astype(np.float64)
    high = logits.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(logits - high).sum(axis=1)) + high[:, 0] - logits[:, 0]))


def fitted_scale(cosines: Floats) -> float:
    """The scale of SCALES with the least loss on `offers`."""
    return float(min(SCALES, key=lambda scale: log_loss(cosines, scale)))


def calibration_error(cosines: Floats, scale: float, bins: int = 10) -> float:
    """Mean distance in per cent between how sure the model was of its best answer and how often it was right."""
    logits = scale * cosines.astype(np.float64)
    probability = np.exp(logits - logits.max(axis=1, keepdims=True))
    probability /= probability.sum(axis=1, keepdims=True)
    sure, right = probability.max(axis=1), probability.argmax(axis=1) == 0
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [
        np.sum(place == b) * abs(sure[place == b].mean() - right[place == b].mean())
        for b in range(bins)
        if np.any(place == b)
    ]
    return 100 * float(sum(gaps)) / len(sure)
