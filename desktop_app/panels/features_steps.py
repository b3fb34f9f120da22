"""What a step of the road changed, in words and as rows of a drawing."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from desktop_app.widgets.feature_block import BlockRow

if TYPE_CHECKING:
    from models.families.convnext_steps import Op, Recipe

_NAMES = {"batch": "BatchNorm", "layer": "LayerNorm", "relu": "ReLU", "gelu": "GELU"}


def _tr(words: str) -> str:
    return QCoreApplication.translate("FeaturesSteps", words)


def title(place: int, name: str) -> str:
    """The heading of a step."""
    return f"{place + 1}. {name}"


def rows(before: "Sequence[Op]", now: "Sequence[Op]") -> tuple[BlockRow, ...]:
    """The layers of a block; marked is what was not in the block before."""
    same: set[int] = set()
    for match in SequenceMatcher(None, before, now, autojunk=False).get_matching_blocks():
        same.update(range(match.b, match.b + match.size))
    return tuple(
        BlockRow(
            said(op),
            op.inputs if op.kind == "conv" else 0,
            op.outputs if op.kind == "conv" else 0,
            place not in same,
        )
        for place, op in enumerate(now)
    )


def changed(found: Sequence[BlockRow]) -> bool:
    """Whether anything in the block is new."""
    return any(row.marked for row in found)


def said(op: "Op") -> str:
    """One layer in a few words."""
    if op.kind != "conv":
        return _NAMES[op.name]
    kernel = f"{op.kernel}×{op.kernel}"
    if op.groups > 1:
        return _tr("{kernel} depthwise, {channels}").format(kernel=kernel, channels=op.outputs)
    return f"{kernel}, {op.inputs} → {op.outputs}"


def after(recipe: "Recipe") -> str:
    """What follows on the sum of a block."""
    return "" if recipe.one_activation else _NAMES[recipe.activation]


def facts(before: "Recipe", now: "Recipe", accent: str) -> str:
    """What lies outside the block, as rich text; what is new in the accent colour."""
    lines = []
    for (name, old), (_, new) in zip(_facts(before), _facts(now), strict=True):
        shown = new if new == old else f'<span style="color:{accent}">{new}</span>'
        lines.append(f"{name}: {shown}")
    return "<br>".join(lines)


def _facts(recipe: "Recipe") -> list[tuple[str, str]]:
    stem = _tr("4×4 patches") if recipe.patchify else _tr("7×7 convolution, then pooling")
    between = _tr("norm and 2×2 convolution") if recipe.separate_downsampling else _tr("stride in a block")
    return [
        (_tr("Stem"), stem),
        (_tr("Blocks per stage"), " · ".join(str(depth) for depth in recipe.depths)),
        (_tr("Width"), str(recipe.width)),
        (_tr("Between stages"), between),
    ]
