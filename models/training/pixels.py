"""From the bytes of crops to what the networks read."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.spec import IMAGENET_MEAN, IMAGENET_STD


def to_tensor(rgb: NDArray[np.uint8]) -> Tensor:
    """(n, side, side, 3) uint8 to normalised (n, 3, side, side), channels last."""
    mean, std = (torch.tensor(v, dtype=torch.float32) for v in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.from_numpy(rgb).float().div_(255).sub_(mean).div_(std)
    return pixels.permute(0, 3, 1, 2)
