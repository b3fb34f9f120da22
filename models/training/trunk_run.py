"""A run of the trunk: where it begins, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models.errors import DataError
from models.families.convnext import ConvNeXtConfig
from models.families.convnext_trunk import Block, TrunkConfig
from models.registry import find
from models.training.data import PhotoSet
from models.training.loop import (
    Run,
    half_precision,
    kept_weights,
    take_all,
    take_mean,
    take_over,
    train,
)
from models.training.trunk import SIZES, JointNet, TrunkRecipe, signals_of

#: Sides in px until these shares of a run; a trunk that has learned already needs less of the small ones.
FROM_CHANCE = ((0.2, 48), (0.55, 64), (0.82, 96), (1.0, 112))
FROM_WEIGHTS = ((0.25, 64), (0.55, 96), (1.0, 112))


def train_trunk(
    photos: PhotoSet, run: Run, trunk: TrunkConfig = SIZES, start: Path | None = None, only: str = ""
) -> JointNet:
    """The joint run from `start` (see `begin`) to its end; the net that comes back holds the averaged weights.

    With `only` (the beginning of names, as "visual_projection") the rest stays as it is; photos have their last size.
    """
    sides: tuple[tuple[float, int], ...] = FROM_CHANCE if start is None else FROM_WEIGHTS
    if only:
        sides = sides[-1:]
    recipe = TrunkRecipe(photos, signals_of(photos), run.seed, trunk, sides, run.device)
    if start is not None and not run.goes_on:
        begin(recipe, start)
    for name, parameter in recipe.module.named_parameters():
        parameter.requires_grad_(name.startswith(only))
    recipe.module.load_state_dict(train(recipe, run))
    return recipe.module.cpu().eval()


def kept_trunk(photos: PhotoSet, kept: Sequence[Path], trunk: TrunkConfig = SIZES) -> JointNet:
    """The mean of the weights in `kept`: checkpoints of runs (finished or not), and folders of two finished models.

    DataError where one does not fit the photos.
    """
    net = JointNet(ConvNeXtConfig(trunk, tuple(photos.labels)))
    take_mean(net, [_weights_at(place, photos.labels) for place in kept], but="teacher_head.")
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.eval()


def begin(recipe: TrunkRecipe, start: Path) -> None:
    """Take over an earlier run's checkpoint, of this or another size, or finished models.

    `start` is a checkpoint.safetensors, or a folder that holds pinhole-clip and pinhole-convnext (models/bundled).
    Finished models have no head for the teacher's features any more: it is fitted anew. DataError where they do not
    fit the photos or each other.
    """
    kept = _weights_at(start, recipe.photos.labels)
    deeper = new_blocks(recipe.module, kept)
    if not start.is_dir():
        take_over(recipe.module, kept)
        return
    take_all(recipe.module, kept, but=("teacher_head.", *deeper))
    fit_teacher_head(recipe)


def _weights_at(place: Path, labels: Sequence[str]) -> dict[str, Tensor]:
    return finished(place, labels) if place.is_dir() else kept_weights(place)


@torch.no_grad()
def new_blocks(module: nn.Module, kept: Mapping[str, Tensor]) -> list[str]:
    """The blocks that a shallower trunk lacks, begun as the identity, so that nothing is unlearned."""
    found = []
    for name, block in module.named_modules():
        if isinstance(block, Block) and not any(key.startswith(f"{name}.") for key in kept):
            block.pwconv2.weight.zero_()
            block.pwconv2.bias.zero_()
            found.append(f"{name}.")
    return found


def finished(folder: Path, labels: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of a JointNet over `labels` that the model folders of classifier and CLIP in `folder` hold."""
    classes = find(folder / "pinhole-convnext").config.get("id2label", {})
    if [classes[key] for key in sorted(classes, key=int)] != list(labels):
        raise DataError(f"The classifier in {folder} has other labels than the photos have")
    clip, classifier = (kept_weights(folder / f"pinhole-{name}") for name in ("clip", "convnext"))
    for name, tensor in classifier.items():
        if name.startswith("classifier."):
            continue
        theirs = clip.get(name.replace("convnext.", "vision_model.", 1))
        if theirs is None or not torch.equal(theirs, tensor):
            raise DataError(f"The two models in {folder} do not share one trunk", f"They differ in {name}")
    return {f"classifier.{name}": tensor for name, tensor in classifier.items()} | {
        name: clip[name] for name in ("visual_projection.weight", "logit_scale")
    }


@torch.no_grad()
def fit_teacher_head(recipe: TrunkRecipe, batches: int = 48) -> None:
    """Least squares from the trunk's features to the teacher's: a head at chance would shake a trained trunk."""
    net, s = recipe.module.eval(), recipe.signals
    ours, theirs = [], []
    for step in range(batches):
        batch = recipe.batch(step, 1.0).to(recipe.device)
        with half_precision(recipe.device):
            pooled = net.classifier.embed(batch.pixels).float()
        ours.append(pooled[batch.mixed.pure])
        theirs.append(((batch.features - s.feature_mean) / s.feature_std)[batch.mixed.pure])
    x, y = torch.cat(ours).double(), torch.cat(theirs).double()
    x_middle, y_middle = x.mean(0), y.mean(0)
    x, y = x - x_middle, y - y_middle
    ridge = 0.01 * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    weight = torch.linalg.solve(x.T @ x + ridge, x.T @ y).T
    net.teacher_head.weight.copy_(weight)
    net.teacher_head.bias.copy_(y_middle - weight @ x_middle)
