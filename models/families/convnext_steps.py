"""The road from ResNet-50 to ConvNeXt-T (Liu et al. 2022, arXiv 2201.03545, section 2), every step a network.

Each step changes one thing in a `Recipe`; the network and the drawing of its block come from the same list of layers.
Accuracies are the paper's (ImageNet-1k top-1, figure 2), never ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor, nn

from models.families.convnext import ConvNeXt, ConvNeXtConfig
from models.families.convnext_trunk import INNER_EPS, ChannelNorm

CLASSES = 1000


@dataclass(frozen=True)
class Recipe:
    """All that the steps change; the defaults are ResNet-50."""

    depths: tuple[int, int, int, int] = (3, 4, 6, 3)
    patchify: bool = False
    depthwise: bool = False
    width: int = 64
    inverted: bool = False
    depthwise_first: bool = False
    kernel: int = 3
    activation: Literal["relu", "gelu"] = "relu"
    one_activation: bool = False
    one_norm: bool = False
    norm: Literal["batch", "layer"] = "batch"
    separate_downsampling: bool = False


@dataclass(frozen=True)
class Op:
    """One layer of a block: a convolution (`kernel` over 0), a norm, or an activation."""

    kind: Literal["conv", "norm", "activation"]
    inputs: int
    outputs: int
    kernel: int = 0
    stride: int = 1
    groups: int = 1
    bias: bool = False
    name: str = ""
    """Of a norm or an activation: batch, layer, relu, gelu."""


@dataclass(frozen=True)
class Step:
    """One step of the paper: what changed and why, the accuracy in %, and the recipe so far."""

    key: str
    title: str
    change: str
    accuracy: float
    recipe: Recipe


# key, title, what changed, accuracy, and what of the recipe before it
_ROAD: tuple[tuple[str, str, str, float, dict[str, Any]], ...] = (
    ("resnet50", "ResNet-50", "The starting point, as trained in 2015.", 76.1, {}),
    ("recipe", "Modern training",
     "The same network, trained for 300 epochs with AdamW, mixing, stochastic depth and label smoothing.", 78.8, {}),
    ("stages", "Stage ratio", "Blocks per stage from 3:4:6:3 to 3:3:9:3, as in Swin.", 79.4,
     {"depths": (3, 3, 9, 3)}),
    ("patchify", "Patchify stem", "The stem is one 4×4 convolution that does not overlap.", 79.5, {"patchify": True}),
    ("depthwise", "Depthwise convolution", "The 3×3 convolution mixes places only.", 78.3, {"depthwise": True}),
    ("width", "Width 96", "The computation saved is spent on more channels, 96 for 64.", 80.5, {"width": 96}),
    ("inverted", "Inverted bottleneck", "Wide inside and narrow outside, as in an MLP.", 80.6, {"inverted": True}),
    ("first", "Depthwise first", "The depthwise convolution moves to the narrow end.", 79.9,
     {"depthwise_first": True}),
    ("kernel", "7×7 kernels", "Each depthwise convolution looks further.", 80.6, {"kernel": 7}),
    ("gelu", "GELU", "A smoother activation in place of ReLU.", 80.6, {"activation": "gelu"}),
    ("one_activation", "Fewer activations", "One activation a block, as in an MLP.", 81.3, {"one_activation": True}),
    ("one_norm", "Fewer norms", "One norm a block, before the first 1×1 convolution.", 81.4, {"one_norm": True}),
    ("layer_norm", "LayerNorm", "LayerNorm in place of BatchNorm.", 81.5, {"norm": "layer"}),
    ("downsampling", "Separate downsampling",
     "A 2×2 convolution of its own between stages, with norms that keep training stable: ConvNeXt-T.", 82.0,
     {"separate_downsampling": True}),
)  # fmt: skip


def _steps() -> Iterator[Step]:
    recipe = Recipe()
    for key, title, change, accuracy, changes in _ROAD:
        recipe = replace(recipe, **changes)
        yield Step(key, title, change, accuracy, recipe)


STEPS: tuple[Step, ...] = tuple(_steps())


def block_ops(recipe: Recipe, inputs: int, width: int, stride: int = 1) -> tuple[Op, ...]:
    """The layers on the residual branch of a block, in order; `width` is the stage's (64 or 96, doubled per stage)."""
    wide = 4 * width
    if recipe.depthwise_first:
        convs = [(recipe.kernel, inputs, inputs, stride), (1, inputs, wide, 1), (1, wide, width, 1)]
    elif recipe.inverted:
        convs = [(1, inputs, wide, 1), (recipe.kernel, wide, wide, stride), (1, wide, width, 1)]
    else:
        convs = [(1, inputs, width, 1), (recipe.kernel, width, width, stride), (1, width, wide, 1)]
    ops: list[Op] = []
    for place, (kernel, before, after, step) in enumerate(convs):
        groups = before if recipe.depthwise and kernel > 1 else 1
        normed = place == 0 or not recipe.one_norm
        bias = not normed or recipe.norm == "layer"
        ops.append(Op("conv", before, after, kernel, step, groups, bias))
        if normed:
            ops.append(Op("norm", after, after, name=recipe.norm))
        # With one activation it stands between the two 1x1 convolutions; the last one usually follows the sum.
        if place == 1 or (place == 0 and not recipe.one_activation):
            ops.append(Op("activation", after, after, name=recipe.activation))
    return tuple(ops)


def block_width(recipe: Recipe, width: int) -> int:
    """Channels that leave a block: four times the stage's width until the bottleneck is inverted."""
    return width if recipe.inverted or recipe.depthwise_first else 4 * width


def drawing(step: Step, stage: int = 0) -> tuple[Op, ...]:
    """The layers of an inner block of `stage` (0 to 3), for a picture of the step."""
    width = step.recipe.width << stage
    return block_ops(step.recipe, block_width(step.recipe, width), width)


def _layer(op: Op) -> nn.Module:
    if op.kind == "conv":
        padding = op.kernel // 2
        return nn.Conv2d(
            op.inputs, op.outputs, op.kernel, op.stride, padding=padding, groups=op.groups, bias=op.bias
        )
    if op.kind == "norm":
        return nn.BatchNorm2d(op.outputs) if op.name == "batch" else ChannelNorm(op.outputs, eps=INNER_EPS)
    return nn.ReLU() if op.name == "relu" else nn.GELU()


class ResidualBlock(nn.Module):
    """A branch of `block_ops` added to the input, or to its projection where the shape changes."""

    def __init__(self, recipe: Recipe, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = block_width(recipe, width)
        self.branch = nn.Sequential(*(_layer(op) for op in block_ops(recipe, inputs, width, stride)))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            conv = Op("conv", inputs, outputs, 1, stride, bias=recipe.norm == "layer")
            self.shortcut = nn.Sequential(
                _layer(conv), _layer(Op("norm", outputs, outputs, name=recipe.norm))
            )
        last = Op("activation", outputs, outputs, name=recipe.activation)
        self.last: nn.Module = nn.Identity() if recipe.one_activation else _layer(last)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.shortcut(x) + self.branch(x))
        return out


def _stem(recipe: Recipe) -> nn.Sequential:
    width = recipe.width
    norm = _layer(Op("norm", width, width, name=recipe.norm))
    last = [] if recipe.one_activation else [_layer(Op("activation", width, width, name=recipe.activation))]
    if recipe.patchify:
        return nn.Sequential(nn.Conv2d(3, width, 4, 4, bias=recipe.norm == "layer"), norm, *last)
    return nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), norm, *last, nn.MaxPool2d(3, 2, 1))


class StepNet(nn.Module):
    """The network of a step before the last: images (n,3,h,w) -> logits (n,1000)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.stem = _stem(recipe)
        blocks: list[nn.Module] = []
        inputs = recipe.width
        for stage, depth in enumerate(recipe.depths):
            width = recipe.width << stage
            for place in range(depth):
                stride = 2 if stage > 0 and place == 0 else 1
                blocks.append(ResidualBlock(recipe, inputs, width, stride))
                inputs = block_width(recipe, width)
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(inputs, CLASSES)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(n,3,h,w) -> (n,1000)."""
        out: Tensor = self.head(self.blocks(self.stem(pixel_values)).mean(dim=(2, 3)))
        return out


def build(step: Step) -> nn.Module:
    """The network of a step, weights random; that of the last is ConvNeXt-T itself."""
    if step.recipe.separate_downsampling:
        return ConvNeXt(ConvNeXtConfig.named("tiny"))
    return StepNet(step.recipe)


@dataclass(frozen=True)
class Cost:
    """Parameters, and multiply-adds for one picture, which is what the paper's FLOPs count."""

    parameters: int
    macs: int


def cost(step: Step, side: int = 224) -> Cost:
    """Count the network of a step on a picture of `side` px, from the list of its layers: nothing is built."""
    recipe, count = step.recipe, _Count(side)
    ending = recipe.separate_downsampling
    count.stem(recipe)
    inputs = recipe.width
    for stage, depth in enumerate(recipe.depths):
        width = recipe.width << stage
        if ending and stage > 0:
            count.add(Op("norm", inputs, inputs), Op("conv", inputs, width, 2, 2, bias=True))
            inputs = width
        for place in range(depth):
            stride = 2 if stage > 0 and place == 0 and not ending else 1
            outputs = block_width(recipe, width)
            if stride > 1 or inputs != outputs:
                count.shortcut(recipe, inputs, outputs, stride)
            count.add(*block_ops(recipe, inputs, width, stride))
            count.parameters += outputs if ending else 0  # the layer scale
            inputs = outputs
    if ending:
        count.add(Op("norm", inputs, inputs))
    count.side = 1
    count.add(Op("conv", inputs, CLASSES, 1, bias=True))
    return Cost(count.parameters, count.macs)


@dataclass
class _Count:
    """A sum over layers, and how large the picture is when it has come so far."""

    side: int
    parameters: int = 0
    macs: int = 0

    def add(self, *ops: Op) -> None:
        for op in ops:
            if op.kind == "norm":
                self.parameters += 2 * op.outputs
            if op.kind == "conv":
                weights = op.outputs * op.inputs // op.groups * op.kernel**2
                self.parameters += weights + (op.outputs if op.bias else 0)
                self.shrink(op.kernel, op.stride)
                self.macs += weights * self.side**2

    def shrink(self, kernel: int, stride: int) -> None:
        padding = kernel // 2 if kernel % 2 else 0  # the even ones do not overlap
        self.side = (self.side + 2 * padding - kernel) // stride + 1

    def stem(self, recipe: Recipe) -> None:
        kernel, stride = (4, 4) if recipe.patchify else (7, 2)
        bias = recipe.patchify and recipe.norm == "layer"
        width = recipe.width
        self.add(Op("conv", 3, width, kernel, stride, bias=bias), Op("norm", width, width))
        if not recipe.patchify:
            self.shrink(3, 2)

    def shortcut(self, recipe: Recipe, inputs: int, outputs: int, stride: int) -> None:
        """Beside the block: the picture is as large afterwards as the block finds it."""
        side = self.side
        self.add(Op("conv", inputs, outputs, 1, stride, bias=recipe.norm == "layer"))
        self.add(Op("norm", outputs, outputs))
        self.side = side
