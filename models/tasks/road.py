"""The road from ResNet-50 to ConvNeXt-T: each step of the paper counted, and built and timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from models.families.convnext_steps import Cost, Recipe, Step


@dataclass(frozen=True)
class RoadStep:
    """One step: parameters and multiply-adds counted, latency in ms of one picture measured (median and quartiles)."""

    step: Step
    cost: Cost
    milliseconds: float
    low: float
    high: float
    device: str
    done: int
    total: int


def road(
    steps: Sequence[Step] = (), *, side: int = 224, repeats: int = 7, device: str = "cpu"
) -> Iterator[RoadStep]:
    """Build, count and time each step (all without `steps`) on random weights; a step that is no new network is not
    timed again."""
    from models.families.convnext_steps import STEPS, cost

    chosen = tuple(steps) or STEPS
    known: dict[Recipe, tuple[float, float, float]] = {}
    for done, step in enumerate(chosen, start=1):
        if step.recipe not in known:
            known[step.recipe] = _timed(_ready(step, device), side, repeats, device)
        low, middle, high = known[step.recipe]
        yield RoadStep(step, cost(step, side), middle, low, high, device, done, len(chosen))


def _ready(step: Step, device: str) -> nn.Module:
    """The network with small random weights; built without storage first, since the usual start takes seconds."""
    import torch

    from models.families.convnext_steps import build

    with torch.device("meta"):
        module = build(step).eval()
    module.to_empty(device=device)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.02)
        for name, buffer in module.named_buffers():
            buffer.fill_(1 if name.endswith("running_var") else 0)
    return module


def _timed(module: nn.Module, side: int, repeats: int, device: str) -> tuple[float, float, float]:
    """Quartiles in ms of a forward pass over one picture, after one that warms up."""
    import torch

    pixels = torch.randn(1, 3, side, side, device=device)
    taken: list[float] = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            start = time.perf_counter()
            # A number has to be there before the clock stops: on a GPU the call alone only queues the work.
            float(module(pixels).flatten()[0])
            taken.append((time.perf_counter() - start) * 1000)
    low, middle, high = np.percentile(taken[1:], [25, 50, 75])
    return float(low), float(middle), float(high)
