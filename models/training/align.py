"""The last step of CLIP: two linear layers fitted to each other, on features that the trunk computes once.

Few photos suffice because photos and words were trained towards the same places all along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from models.families.convnext import ConvNeXt
from models.training.data import Floats, PhotoSet
from models.training.pixels import to_tensor


@torch.no_grad()
def pooled_features(classifier: ConvNeXt, photos: PhotoSet, rows: NDArray[np.int64], side: int) -> Floats:
    """What the trunk says of two views of each photo, (n, 2, c): the centre, and the mirrored wide crop."""
    boxes = photos.crop_boxes()[:, 0]
    found = np.empty((len(rows), 2, classifier.config.trunk.hidden_sizes[-1]), np.float32)
    for first in range(0, len(rows), 64):
        part = rows[first : first + 64]
        centre = np.stack([photos.centre(int(i), side) for i in part])
        wide = np.stack([photos.crop(int(i), boxes[i], side)[:, ::-1] for i in part])
        for view, rgb in enumerate((centre, wide)):
            with torch.autocast("cpu", torch.bfloat16):
                pooled = classifier.embed(to_tensor(rgb))
            found[first : first + 64, view] = pooled.float().numpy()
    return found


@dataclass(frozen=True)
class Seen:
    """Features (n, 2, c) of train photos and their labels (n,), -1 where there is none."""

    features: Tensor
    labels: Tensor

    def draw(self, where: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Noisy features (count, c) of photos drawn from `where`, and which photos they are."""
        chosen = where[torch.randint(len(where), (count,), generator=generator)]
        view = torch.randint(2, (count,), generator=generator)
        x = self.features[chosen, view]
        # The trunk knows these photos; noise keeps the last layer from trusting that.
        return x + 0.2 * x.std() * torch.randn(x.shape, generator=generator), chosen


@dataclass(frozen=True)
class Said:
    """What the text tower holds before its projection: hidden vectors of texts, computed once."""

    labels: Tensor  # (templates, labels, w)
    captions: Tensor  # (m, w)
    photo: Tensor  # (m,) the row of Seen that a caption belongs to
    others: Tensor  # (k, w) words that shall stay where they are


def fit_projections(
    seen: Seen,
    said: Said,
    image: Tensor,
    text: Tensor,
    scale: float,
    seed: int = 0,
    steps: int = 400,
    rates: tuple[float, float, float] = (3e-4, 1e-4, 1e-3),
    hold: float = 40.0,
) -> tuple[Tensor, Tensor, float]:
    """(image projection, text projection, log scale), trained by the symmetric contrast of the paper and by labels.

    `hold` keeps photos near where the trunk's own long run put them: these are few photos, and known to it.
    """
    generator = torch.Generator().manual_seed(seed)
    mine, theirs = image.clone().requires_grad_(), text.clone().requires_grad_()
    log_scale = torch.tensor(scale).log().requires_grad_()
    optimizer = torch.optim.AdamW(
        [{"params": [mine]}, {"params": [theirs]}, {"params": [log_scale]}], weight_decay=0.0, fused=True
    )
    labelled = (seen.labels >= 0).nonzero().flatten()
    stay = F.normalize(said.others @ text.T, dim=-1)
    for step in range(steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * (1 - step / steps)
        factor = log_scale.exp().clamp(max=100)
        x, chosen = seen.draw(labelled, 384, generator)
        template = int(torch.randint(len(said.labels), (1,), generator=generator))
        names = F.normalize(said.labels[template] @ theirs.T, dim=-1)
        where = F.normalize(x @ mine.T, dim=-1)
        loss = F.cross_entropy(factor * where @ names.T, seen.labels[chosen], label_smoothing=0.05)
        loss = loss + hold * (1 - (where * F.normalize(x @ image.T, dim=-1)).sum(-1)).mean()
        if len(said.captions):
            loss = loss + 0.3 * _contrast(seen, said, mine, theirs, factor, generator)
        part = torch.randint(len(said.others), (256,), generator=generator)
        kept = F.normalize(said.others[part] @ theirs.T, dim=-1)
        loss = loss + 5 * (1 - (kept * stay[part]).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return mine.detach(), theirs.detach(), float(log_scale.detach())


def _contrast(
    seen: Seen, said: Said, mine: Tensor, theirs: Tensor, factor: Tensor, generator: torch.Generator
) -> Tensor:
    """Symmetric cross-entropy of photos and their captions, the diagonal being the pairs (arXiv 2103.00020)."""
    pick = torch.randperm(len(said.captions), generator=generator)[:192]
    view = torch.randint(2, (len(pick),), generator=generator)
    photos = F.normalize(seen.features[said.photo[pick], view] @ mine.T, dim=-1)
    texts = F.normalize(said.captions[pick] @ theirs.T, dim=-1)
    logits = factor * photos @ texts.T
    own = said.photo[pick]
    truth = (own[:, None] == own[None, :]).float()
    truth = truth / truth.sum(1, keepdim=True)
    return (F.cross_entropy(logits, truth) + F.cross_entropy(logits.T, truth)) / 2
