"""What a step of the road changed, in words and as rows of a drawing."""

from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from desktop_app.widgets.feature_block import BlockRow, Mark

if TYPE_CHECKING:
    from models.families.convnext_steps import Cost, Op, Recipe, Step


@dataclass(frozen=True)
class Drawn:
    """A step of the road, the layers of its block, and what its network costs on a picture of 224 px."""

    step: "Step"
    ops: "tuple[Op, ...]"
    cost: "Cost"


def read_steps() -> "tuple[Drawn, ...]":
    """All of them; imports torch, so not on the GUI thread."""
    from models.families.convnext_steps import STEPS, cost, drawing

    return tuple(Drawn(step, drawing(step), cost(step)) for step in STEPS)


_NAMES = {"batch": "BatchNorm", "layer": "LayerNorm", "relu": "ReLU", "gelu": "GELU"}


translate = QCoreApplication.translate  # by this name the translation tool finds the words


def title(place: int, name: str) -> str:
    """The heading of a step."""
    return f"{place + 1}. {name}"


def rows(step: "Drawn", other: "Drawn", mark: Mark) -> tuple[BlockRow, ...]:
    """The layers of a step's block and what follows on its sum; `mark` is for what the other's block has not."""
    same: set[int] = set()
    for match in SequenceMatcher(None, other.ops, step.ops, autojunk=False).get_matching_blocks():
        same.update(range(match.b, match.b + match.size))
    found = [_row(op, Mark.NONE if place in same else mark) for place, op in enumerate(step.ops)]
    last, others = _after(step.step.recipe), _after(other.step.recipe)
    return *found, BlockRow(last, mark=Mark.NONE if last == others else mark)


def _row(op: "Op", mark: Mark) -> BlockRow:
    conv = op.kind == "conv"
    return BlockRow(said(op), op.inputs if conv else 0, op.outputs if conv else 0, mark)


def said(op: "Op") -> str:
    """One layer in a few words."""
    if op.kind != "conv":
        return _NAMES[op.name]
    kernel = f"{op.kernel}×{op.kernel}"
    if op.groups > 1:
        return translate("FeaturesSteps", "{kernel} depthwise").format(kernel=kernel)
    return f"{kernel}, {op.inputs} → {op.outputs}"


def _after(recipe: "Recipe") -> str:
    return "" if recipe.one_activation else _NAMES[recipe.activation]


def facts(before: "Recipe", now: "Recipe", accent: str) -> str:
    """What lies outside the block, as rich text; what is new in the accent colour."""
    shown = []
    for (name, old), (_, new) in zip(_facts(before), _facts(now), strict=True):
        value = new if new == old else f'<span style="color:{accent}">{new}</span>'
        shown.append(f"{name}: {value}")
    return f"{shown[0]}; {shown[1]}<br>{shown[2]}<br>{shown[3]}"


def _facts(recipe: "Recipe") -> list[tuple[str, str]]:
    stem = translate("FeaturesSteps", "7×7 convolution, then pooling")
    if recipe.patchify:
        stem = translate("FeaturesSteps", "4×4 patches")
    between = translate("FeaturesSteps", "stride in a block")
    if recipe.separate_downsampling:
        between = translate("FeaturesSteps", "norm and 2×2 convolution")
    return [
        (translate("FeaturesSteps", "Stem"), stem),
        (translate("FeaturesSteps", "width"), str(recipe.width)),
        (translate("FeaturesSteps", "Blocks per stage"), " · ".join(str(depth) for depth in recipe.depths)),
        (translate("FeaturesSteps", "Between stages"), between),
    ]
