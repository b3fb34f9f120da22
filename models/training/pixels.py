"""From the bytes of crops to what the networks read."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.spec import IMAGENET_MEAN, IMAGENET_STD

JITTER = 0.25
GREY = 0.1
"""Share of photos that lose their colours."""


def colour_jitter(count: int, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast and saturation factors (3, count) for `to_tensor`: within JITTER of 1, or grey."""
    factors = rng.uniform(1 - JITTER, 1 + JITTER, (3, count)).astype(np.float32)
    factors[2, rng.random(count) < GREY] = 0
    return torch.from_numpy(factors)


def to_tensor(rgb: NDArray[np.uint8], colours: Tensor | None = None) -> Tensor:
    """(n, side, side, 3) uint8 to normalised (n, 3, side, side), channels last; `colours` of `colour_jitter`."""
    mean, std = (torch.tensor(v, dtype=torch.float32) for v in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.from_numpy(rgb).float().div_(255)
    if colours is not None:
        brightness, contrast, saturation = colours[:, :, None, None, None]
        grey = pixels.mean(dim=3, keepdim=True)
        level = grey.mean(dim=(1, 2), keepdim=True)
        # The distance to grey is scaled by saturation, grey's distance to its mean by contrast with it.
        pixels = (pixels - grey).mul_(saturation).add_(grey).sub_(level).mul_(contrast).add_(level)
        pixels = pixels.mul_(brightness).clamp_(0, 1)
    return pixels.sub_(mean).div_(std).permute(0, 3, 1, 2)
