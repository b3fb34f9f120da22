"""The road from ResNet-50 to ConvNeXt-T: every step is the network the paper describes, by its size and its cost."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.families.convnext import ConvNeXt
from models.families.convnext_steps import STEPS, Cost, Step, StepNet, build, cost, drawing

# GFLOPs of the paper's appendix (table of the steps from ResNet-50). Its counter charges LayerNorm too, ours counts
# multiply-adds alone, hence the wider tolerance where LayerNorm is in.
PUBLISHED = {
    "resnet50": 4.09,
    "recipe": 4.09,
    "stages": 4.53,
    "patchify": 4.42,
    "depthwise": 2.35,
    "width": 5.27,
    "inverted": 4.64,
    "first": 4.07,
    "kernel": 4.15,
    "gelu": 4.15,
    "one_activation": 4.15,
    "one_norm": 4.15,
    "layer_norm": 4.46,
    "downsampling": 4.49,
}


@pytest.fixture(scope="module")
def costs() -> dict[str, Cost]:
    return {step.key: cost(step) for step in STEPS}


def step_named(key: str) -> Step:
    return next(step for step in STEPS if step.key == key)


def test_every_step_costs_what_the_paper_reports(costs: dict[str, Cost]) -> None:
    assert list(PUBLISHED) == [step.key for step in STEPS]
    for key, counted in costs.items():
        tolerance = 0.08 if step_named(key).recipe.norm == "layer" else 0.005
        assert counted.macs / 1e9 == pytest.approx(PUBLISHED[key], rel=tolerance), key


def test_both_ends_have_the_published_parameters(costs: dict[str, Cost]) -> None:
    assert costs["resnet50"].parameters == 25_557_032
    assert costs["downsampling"].parameters / 1e6 == pytest.approx(28.6, abs=0.05)
    assert costs["downsampling"].macs / 1e9 == pytest.approx(4.5, abs=0.05)
    with torch.device("meta"):
        assert isinstance(build(STEPS[-1]), ConvNeXt)


# Two steps change the training or the activation alone.
@pytest.mark.parametrize(
    "step", [step for step in STEPS if step.key not in ("recipe", "gelu")], ids=lambda s: s.key
)
def test_a_network_is_counted_without_being_built(step: Step) -> None:
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module = build(step).eval()
        module(torch.empty(1, 3, 96, 96))
    parameters = sum(parameter.numel() for parameter in module.parameters())
    assert cost(step, 96) == Cost(parameters, counter.get_total_flops() // 2)


def test_the_accuracies_are_the_papers() -> None:
    figures = [76.1, 78.8, 79.4, 79.5, 78.3, 80.5, 80.6, 79.9, 80.6, 80.6, 81.3, 81.4, 81.5, 82.0]
    assert [step.accuracy for step in STEPS] == figures
    assert all(step.title and step.change for step in STEPS)


def kinds(module: nn.Module) -> list[str]:
    return [type(part).__name__ for part in module.modules() if not list(part.children())]


def test_blocks_change_as_the_steps_say() -> None:
    def shapes(key: str) -> list[tuple[int, int, int, bool]]:
        convs = [op for op in drawing(step_named(key)) if op.kind == "conv"]
        return [(op.kernel, op.inputs, op.outputs, op.groups > 1) for op in convs]

    def count(key: str, kind: str) -> int:
        return sum(op.kind == kind for op in drawing(step_named(key)))

    assert shapes("resnet50") == [(1, 256, 64, False), (3, 64, 64, False), (1, 64, 256, False)]
    assert shapes("depthwise")[1] == (3, 64, 64, True)
    assert shapes("width") == [(1, 384, 96, False), (3, 96, 96, True), (1, 96, 384, False)]
    assert shapes("inverted") == [(1, 96, 384, False), (3, 384, 384, True), (1, 384, 96, False)]
    assert shapes("first") == [(3, 96, 96, True), (1, 96, 384, False), (1, 384, 96, False)]
    assert shapes("kernel")[0] == (7, 96, 96, True)
    assert (count("gelu", "norm"), count("gelu", "activation")) == (3, 2)
    assert (count("one_activation", "norm"), count("one_activation", "activation")) == (3, 1)
    assert (count("one_norm", "norm"), count("one_norm", "activation")) == (1, 1)
    layers = [(op.kind, op.name or op.kernel) for op in drawing(step_named("layer_norm"))]
    assert layers == [("conv", 7), ("norm", "layer"), ("conv", 1), ("activation", "gelu"), ("conv", 1)]


@pytest.mark.parametrize("key", ["resnet50", "patchify", "inverted", "layer_norm"])
def test_a_step_runs_and_is_made_of_what_it_says(key: str) -> None:
    step = step_named(key)
    module = build(step).eval()
    assert isinstance(module, StepNet)
    with torch.no_grad():
        logits = module(torch.randn(1, 3, 64, 64))
    assert logits.shape == (1, 1000)
    assert torch.isfinite(logits).all()
    names = set(kinds(module))
    assert ("BatchNorm2d" in names) == (step.recipe.norm == "batch")
    assert ("GELU" in names) == (step.recipe.activation == "gelu")
    assert ("MaxPool2d" in names) == (not step.recipe.patchify)
