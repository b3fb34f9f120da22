"""A run of the trunk: where it begins, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from models.families.convnext import ConvNeXtConfig
from models.families.convnext_trunk import Block, TrunkConfig
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
#: What a finished image tower has no need of.
HEADS = ("teacher_head.", "classifier.classifier.")


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
    """The mean of the trunks in `kept`, with their projections: checkpoints of runs (finished or not), and folders that
    hold a finished pinhole-clip. The heads are those of none: see `fit_heads`.

    DataError where one is of another size.
    """
    net = JointNet(ConvNeXtConfig(trunk, tuple(photos.labels)))
    take_mean(net, [_weights_at(place) for place in kept], but=HEADS)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.eval()


def begin(recipe: TrunkRecipe, start: Path) -> None:
    """Take over an earlier run's checkpoint, of this or another size, or finished models.

    `start` is a checkpoint.safetensors, or a folder that holds pinhole-clip (models/bundled). A finished model has
    neither classifier nor head for the teacher's features: they are fitted anew. DataError where it is of another size.
    """
    kept = _weights_at(start)
    deeper = new_blocks(recipe.module, kept)
    if not start.is_dir():
        take_over(recipe.module, kept)
        return
    take_all(recipe.module, kept, but=(*HEADS, *deeper))
    fit_heads(recipe)


def _weights_at(place: Path) -> dict[str, Tensor]:
    return finished(place) if place.is_dir() else kept_weights(place)


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


def finished(folder: Path) -> dict[str, Tensor]:
    """The tensors of a JointNet that the image tower of the pinhole-clip in `folder` holds."""
    towers = {"vision_model.": "classifier.convnext.", "visual_projection.": "visual_projection."}
    clip = kept_weights(folder / "pinhole-clip")
    found = {
        ours + name.removeprefix(theirs): tensor
        for name, tensor in clip.items()
        for theirs, ours in towers.items()
        if name.startswith(theirs)
    }
    return found | {"logit_scale": clip["logit_scale"]}


@torch.no_grad()
def fit_heads(recipe: TrunkRecipe, batches: int = 48) -> None:
    """Least squares from the trunk's features to the teacher's, and what the label heads say of those: heads at chance
    would shake a trained trunk."""
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
    # Features as the teacher gives them, then the mean of the heads on these: all of it linear.
    by_label = s.labels_seen.weight.mean(0)
    middle = by_label @ (s.feature_std * net.teacher_head.bias + s.feature_mean) + s.labels_seen.bias.mean(0)
    weight = by_label @ (s.feature_std[:, None] * net.teacher_head.weight)
    head = {"weight": weight, "bias": middle}
    net.classifier.classifier.load_state_dict(head)
