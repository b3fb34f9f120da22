"""Photos shown two at a time: CutMix (arXiv 1905.04899) and mixup (arXiv 1710.09412)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LARGEST_WINDOW = 0.6
"""Share of the first photo that a window of the second hides at most."""


@dataclass(frozen=True)
class Mixture:
    """Which photos of a batch are shown with a part of another.

    58,000 photos are learned by heart within an hour, their labels first; their mixtures never come again.
    """

    partner: Tensor  # (n,) the place of the second photo
    share: Tensor  # (n,) share of the first photo, 1 where it is shown alone
    windows: tuple[tuple[int, int, int, int] | None, ...]
    """Left, top, right, bottom of the second photo; None where the two are blended, or there is one."""

    @classmethod
    def draw(cls, count: int, side: int, mixed: float, rng: np.random.Generator) -> Mixture:
        """Mix the last `mixed` (a share) of a batch of square photos: two of three by a window, the third blended."""
        first = count - round(count * mixed)
        partner, share = np.arange(count), np.ones(count, np.float32)
        windows: list[tuple[int, int, int, int] | None] = [None] * count
        for i in range(first, count):
            partner[i] = rng.integers(count - 1)
            partner[i] += partner[i] >= i
            if i % 3:
                edge = round(side * math.sqrt(rng.uniform(0, LARGEST_WINDOW)))
                left, top = (int(v) for v in rng.integers(side - edge + 1, size=2))
                windows[i] = (left, top, left + edge, top + edge)
                share[i] = 1 - edge**2 / side**2
            else:
                share[i] = rng.uniform(0.5, 1)
        return cls(torch.from_numpy(partner), torch.from_numpy(share), tuple(windows))

    def to(self, device: torch.device) -> Mixture:
        """The same for losses on `device`."""
        return Mixture(self.partner.to(device), self.share.to(device), self.windows)

    @property
    def pure(self) -> Tensor:
        """(n,) bool, True where a photo is shown alone."""
        return self.share == 1

    def pixels(self, batch: Tensor) -> Tensor:
        """Photos (n, 3, side, side) -> what is shown of them."""
        shown = batch.clone()
        for i, window in enumerate(self.windows):
            other, share = batch[self.partner[i]], float(self.share[i])
            if window is not None:
                left, top, right, bottom = window
                shown[i, :, top:bottom, left:right] = other[:, top:bottom, left:right]
            elif share < 1:
                shown[i] = share * batch[i] + (1 - share) * other
        return shown

    def mean(self, values: Tensor) -> Tensor:
        """Values (n, d) of the photos -> of what is shown."""
        share = self.share[:, None]
        return share * values + (1 - share) * values[self.partner]

    def both(self, holds: Tensor) -> Tensor:
        """(n,) bool of the photos -> whether it holds for all that is shown."""
        return holds & (self.pure | holds[self.partner])
