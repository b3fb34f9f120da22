"""The classifier's own run, after the shared trunk has learned: photos of one label are to lie together.

A trunk that answers to a teacher, to texts and to labels at once keeps in its features all that these ask of it, and
a classifier of five photos a label drowns in it. Here the labels alone are learned, and beside the classifier a second
one by angle, whose scale is so small that it is never sure enough: the photos of a label are drawn to one direction
for as long as the run goes on (Wang et al. 2017, arXiv 1704.06369; Papyan et al. 2020, arXiv 2008.08186).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import TrunkConfig
from models.training.data import PhotoSet
from models.training.loop import Run, half_precision, kept_weights, take_mean, train
from models.training.trunk import SIZES, JointNet, TrunkBatch, TrunkRecipe, signals_of
from models.training.trunk_run import fit_heads

#: The right one of 1,320 labels can have no more than exp(8) / (exp(8) + 1319), two thirds: there is always a pull.
SCALE = 8.0
#: Sides in px until these shares of a run.
SIDES = ((0.35, 96), (1.0, 112))


class Directions(nn.Linear):
    """A direction for each label; forward: (n, c) -> (n, labels), how near each is, from -SCALE to SCALE."""

    def forward(self, features: Tensor) -> Tensor:
        return SCALE * F.linear(F.normalize(features, dim=1), F.normalize(self.weight, dim=1))


class ClassNet(JointNet):
    """A classifier by logits and one by angle; what else a JointNet has is as its trunk left it."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__(config)
        self.directions = Directions(config.trunk.hidden_sizes[-1], len(config.labels), bias=False)


class ClassRecipe(TrunkRecipe):
    """The labels alone, a photo's own word more than what the teacher sees in it."""

    rate = 1e-3
    mixed_share = 0.3
    own_label = 0.6
    network = ClassNet
    module: ClassNet

    @torch.no_grad()
    def begin(self, start: JointNet) -> None:
        """Take over a trunk, fit a classifier to it, and point each label's direction where its weights point."""
        self.module.load_state_dict(start.state_dict(), strict=False)
        fit_heads(self)
        weights = self.module.classifier.state_dict()["classifier.weight"]
        self.module.directions.weight.copy_(F.normalize(weights, dim=1))

    def losses(self, batch: TrunkBatch) -> dict[str, Tensor]:
        """Cross-entropy of the labels by logits and by angle."""
        batch, net = batch.to(self.device), self.module
        with half_precision(self.device):
            pooled = net.classifier.embed(batch.pixels)
            logits = net.classifier.classifier(pooled).float()
        angles = net.directions(pooled.float())
        labels = batch.mixed.mean(self._labels(batch))
        by_logits = F.cross_entropy(logits + batch.lead, labels)
        by_angle = F.cross_entropy(angles + batch.lead, labels)
        return {"labels": by_logits, "angles": by_angle, "total": by_logits + 2 * by_angle}


def train_classes(photos: PhotoSet, run: Run, start: JointNet | None, trunk: TrunkConfig = SIZES) -> ConvNeXt:
    """The run from a trunk to its end (a run that goes on needs none); the classifier has the averaged weights."""
    recipe = ClassRecipe(photos, signals_of(photos), run.seed, trunk, SIDES, run.device)
    if start is not None and not run.goes_on:
        recipe.begin(start)
    for name, parameter in recipe.module.named_parameters():
        parameter.requires_grad_(name.startswith(("classifier.", "directions.")))
    recipe.module.load_state_dict(train(recipe, run))
    return recipe.module.classifier.cpu().eval()


def kept_classes(photos: PhotoSet, kept: Sequence[Path], trunk: TrunkConfig = SIZES) -> ConvNeXt:
    """The mean of the classifiers in `kept`: checkpoints of runs (finished or not), and finished model folders.

    DataError where one does not fit the photos.
    """
    net = ConvNeXt(ConvNeXtConfig(trunk, tuple(photos.labels)))
    take_mean(net, [_classifier_at(place) for place in kept], but=())
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.eval()


def _classifier_at(place: Path) -> dict[str, Tensor]:
    kept = kept_weights(place)
    if place.is_dir():
        return kept
    return {name.removeprefix("classifier."): t for name, t in kept.items() if name.startswith("classifier.")}
