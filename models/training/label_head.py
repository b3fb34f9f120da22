"""What the image teacher says of a photo in our own labels: a linear classifier on its features.

How right it is on val: python -m models.training.label_head --data DIR.

The teacher's features tell the photos' labels apart far better than a small network does that learns from the labels
alone (a linear classifier is right on 57 of 100 held-out photos, where the network had come to 38). So a crop's label
is no longer one word but a distribution, which says too that a coast is also a beach (Hinton et al. 2015, arXiv
1503.02531).

Even one matrix learns its photos by heart (right on 83 of 100 that it was fitted on), and would hand its own label
back to a photo as if it had seen it. So a photo is asked about at a head that has not met it (cross-fitting: Dao et
al. 2021, arXiv 2104.09732).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.data import Floats, PhotoSet, default_cache
from models.training.loop import half_precision
from models.training.teachers import FEATURES, crop_features

EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 6, 1024, 2e-3, 0.05, 0.05
FOLDS = 5


@dataclass(frozen=True)
class LabelHeads:
    """Logits over the labels of a PhotoSet are `weight[k] @ features + bias[k]`, features as the teacher gives them."""

    weight: Tensor  # (FOLDS, labels, 1280)
    bias: Tensor  # (FOLDS, labels)
    strange: Tensor  # (photos,) int64, for each photo a head that has not met it

    def to(self, device: torch.device) -> LabelHeads:
        """The same on `device`."""
        return LabelHeads(self.weight.to(device), self.bias.to(device), self.strange.to(device))

    def probabilities(self, features: Tensor, rows: Tensor) -> Tensor:
        """Features (n, 1280) of the photos `rows` (n,) -> (n, labels), as a head says that has not met them."""
        # Every head is asked, which costs less than to sort the photos by head.
        every = F.linear(features, self.weight.flatten(0, 1), self.bias.flatten())
        logits: Tensor = every.view(-1, *self.bias.shape)[torch.arange(len(rows)), self.strange[rows]]
        return logits.float().softmax(-1)


def label_heads(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> LabelHeads:
    """Fit on the train photos' crops, `features` one (n, crops, 1280) for each seed of crops; kept in the cache."""
    how = (EPOCHS, BATCH, RATE, DECAY, SMOOTHING, FOLDS)
    key = hashlib.sha256(
        repr((photos.labels, photos.train.tolist(), photos.label_ids.tolist(), how)).encode()
    )
    for one in features:
        key.update(np.ascontiguousarray(one[photos.train[:8]]).tobytes())
    path = photos.cache / f"label-heads-{key.hexdigest()[:16]}.npz"
    # Every head meets its share of each label; val photos are strange to all of them.
    order = np.random.default_rng(6).permutation(photos.train)
    order = order[np.argsort(photos.label_ids[order], kind="stable")]
    strange = np.zeros(len(photos), np.int64)
    strange[order] = np.arange(len(order)) % FOLDS
    if not path.exists():
        labelled = photos.train[photos.label_ids[photos.train] >= 0]
        fitted = [_fitted(photos, features, labelled[strange[labelled] != k]) for k in range(FOLDS)]
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, weight=np.stack([w for w, _ in fitted]), bias=np.stack([b for _, b in fitted]))
        partial.replace(path)
    with np.load(path) as stored:
        weight, bias = torch.from_numpy(stored["weight"]), torch.from_numpy(stored["bias"])
    return LabelHeads(weight, bias, torch.from_numpy(strange))


def _fitted(
    photos: PhotoSet, features: Sequence[NDArray[np.float16]], labelled: NDArray[np.int64]
) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(5)
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


def shares_right(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> tuple[float, float]:
    """Per cent of labelled val photos that a head names by one wide crop, and by the mean of all crops."""
    heads, rows = label_heads(photos, features), photos.val[photos.label_ids[photos.val] >= 0]
    crops = np.concatenate([np.asarray(one[rows], np.float32) for one in features], axis=1)

    def right(seen: Floats) -> float:
        said = heads.probabilities(torch.from_numpy(seen), torch.from_numpy(rows)).argmax(1).numpy()
        return 100 * float(np.mean(said == photos.label_ids[rows]))

    return right(crops[:, 0]), right(crops.mean(axis=1))


def main() -> None:
    """Print both shares."""
    from models.training.trunk import CROP_SEEDS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    photos = PhotoSet(options.data, options.cache)
    one, every = shares_right(photos, tuple(crop_features(photos, seed) for seed in CROP_SEEDS))
    print(f"right on val by one crop {one:.1f}%, by all crops {every:.1f}%")


if __name__ == "__main__":
    main()
