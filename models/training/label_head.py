"""What the image teacher says of a photo in our own labels: a linear classifier on its features.

How right it is on val: python -m models.training.label_head --data DIR.

The teacher's features tell the photos' labels apart far better than a small network does that learns from the labels
alone (a linear classifier is right on 57 of 100 held-out photos, where the network had come to 38). So a crop's label
is no longer one word but a distribution, which says too that a coast is also a beach (Hinton et al. 2015, arXiv
1503.02531).

Even one matrix learns its photos by heart (right on 83 of 100 that it was fitted on, 56 of other train photos), and
would hand its own label back to a photo as if it had seen it. So a photo is asked about at a head that has not met it
(cross-fitting: Dao et al. 2021, arXiv 2104.09732).
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from models.training.corpus import labels_own
from models.training.data import Floats, PhotoSet, default_cache
from models.training.loop import half_precision
from models.training.teachers import FEATURES, crop_features

EPOCHS, BATCH, RATE, DECAY, SMOOTHING = 6, 1024, 2e-3, 0.05, 0.05
FOLDS = 5
#: Share below which nothing counts as rarer: most labels without val photos have one train photo of 50,000.
RAREST = 1e-4


@dataclass(frozen=True)
class LabelHeads:
    """Logits over the labels of a PhotoSet are `weight[k] @ features + bias[k]`, features as the teacher gives them."""

    weight: Tensor  # (FOLDS, labels, 1280)
    bias: Tensor  # (FOLDS, labels)
    strange: Tensor  # (photos,) int64, for each photo a head that has not met it

    def to(self, device: torch.device) -> LabelHeads:
        """The same on `device`."""
        return LabelHeads(self.weight.to(device), self.bias.to(device), self.strange.to(device))

    def logits(self, features: Tensor, rows: Tensor) -> Tensor:
        """Features (n, 1280) of the photos `rows` (n,) -> (n, labels), as a head says that has not met them.

        What a labelled photo's being large says is left out: see `leads_of`.
        """
        # Every head is asked: to sort the photos by head, a GPU would have to be waited for.
        every = F.linear(features, self.weight.flatten(0, 1), self.bias.flatten())
        photos = torch.arange(len(rows), device=rows.device)
        logits: Tensor = every.view(-1, *self.bias.shape)[photos, self.strange[rows]]
        return logits.float()


def label_shares(photos: PhotoSet, own: Sequence[tuple[int, ...]]) -> Floats:
    """(labels,) the share of each label among the train photos that have any (`own`, of `labels_own`)."""
    counts = np.zeros(len(photos.labels))
    for row in photos.train:
        counts[list(own[row])] += 1 / max(1, len(own[row]))
    return np.asarray(counts / counts.sum(), np.float32)


def leads_of(photos: PhotoSet, shares: Floats) -> Floats:
    """(labels,) log of a label's share of the large train photos that have a label, less the log of its `shares`.

    Of the labels with ten photos or more, half have hardly any large ones, and no place is among them: how sharp a
    photo is would tell what it cannot be, and a sharp photo of a dog, which is what people have, would be anything
    else. What a large photo says of its label by being large is therefore given beforehand while learning (arXiv
    2007.07314), and not kept.
    """
    ids = photos.label_ids[photos.train[photos.large[photos.train]]]
    counts = np.bincount(ids[ids >= 0], minlength=len(photos.labels))
    of_large = np.maximum(counts / max(1, counts.sum()), RAREST)
    return np.asarray(np.log(of_large) - np.log(np.maximum(shares, RAREST)), np.float32)


def label_heads(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> LabelHeads:
    """Fit on the train photos' crops, `features` one (n, crops, 1280) for each seed of crops; kept in the cache."""
    how = (EPOCHS, BATCH, RATE, DECAY, SMOOTHING, FOLDS)
    key = hashlib.sha256(
        repr((photos.labels, photos.train.tolist(), photos.label_ids.tolist(), how)).encode()
    )
    own = labels_own(photos)
    leads = leads_of(photos, label_shares(photos, own))
    key.update(leads.tobytes() + repr(own).encode())
    for one in features:
        key.update(np.ascontiguousarray(one[photos.train[:8]]).tobytes())
    path = photos.cache / f"label-heads-{key.hexdigest()[:16]}.npz"
    if not path.exists():
        strange = _folds(photos)
        labelled = np.array([row for row in photos.train if own[row]], np.int64)
        fitted = [
            _fitted(photos, features, labelled[strange[labelled] != k], own, leads) for k in range(FOLDS)
        ]
        weight, bias = (np.stack(parts) for parts in zip(*fitted, strict=True))
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, weight=weight, bias=bias, strange=strange)
        partial.replace(path)
    with np.load(path) as stored:
        return LabelHeads(*(torch.from_numpy(stored[name]) for name in ("weight", "bias", "strange")))


def _folds(photos: PhotoSet) -> NDArray[np.int64]:
    """For each photo the head that is not to meet it; every head meets its share of each label's own photos. Val photos
    are strange to all of them."""
    order = np.random.default_rng(6).permutation(photos.train)
    order = order[np.argsort(photos.label_ids[order], kind="stable")]
    strange = np.zeros(len(photos), np.int64)
    strange[order] = np.arange(len(order)) % FOLDS
    return strange


def _fitted(
    photos: PhotoSet,
    features: Sequence[NDArray[np.float16]],
    labelled: NDArray[np.int64],
    own: Sequence[tuple[int, ...]],
    leads: Floats,
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
    leading = photos.large & (photos.label_ids >= 0)
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
        truth = torch.from_numpy(np.array([rng.choice(own[row]) for row in rows], np.int64))
        logits = logits.float() + torch.from_numpy(leading[rows, None] * leads)
        loss = F.cross_entropy(logits, truth, label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    weight = head.weight.detach().numpy() / std
    bias = head.bias.detach().numpy() - weight @ mean
    return np.asarray(weight, np.float32), np.asarray(bias, np.float32)


def shares_right(photos: PhotoSet, features: Sequence[NDArray[np.float16]]) -> dict[str, float]:
    """Per cent of labelled photos that a head names, by what it is asked."""
    heads = label_heads(photos, features)
    leads = leads_of(photos, label_shares(photos, labels_own(photos)))

    def right(rows: NDArray[np.int64], crops: int | None = None, ahead: int = 0) -> float:
        rows = rows[photos.label_ids[rows] >= 0]
        seen = np.concatenate([np.asarray(one[rows], np.float32) for one in features], axis=1)[:, :crops]
        asked = replace(heads, strange=(heads.strange + ahead) % len(heads.bias))
        said = asked.logits(torch.from_numpy(seen.mean(axis=1)), torch.from_numpy(rows)).numpy()
        said = said + photos.large[rows, None] * leads
        return 100 * float(np.mean(said.argmax(1) == photos.label_ids[rows]))

    some = photos.train[:: max(1, len(photos.train) // 4000)]
    return {
        "val photos, by one wide crop": right(photos.val, 1),
        "val photos, by all crops": right(photos.val),
        "train photos, by all crops, a head that has not met them": right(some),
        "train photos, by all crops, a head that has": right(some, ahead=1),
    }


def main() -> None:
    """Print the shares."""
    from models.training.trunk import CROP_SEEDS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=default_cache())
    options = parser.parse_args()
    photos = PhotoSet(options.data, options.cache)
    found = shares_right(photos, tuple(crop_features(photos, seed) for seed in CROP_SEEDS))
    for what, share in found.items():
        print(f"{share:.1f}% of {what}")


if __name__ == "__main__":
    main()
