"""The road as a task: every step counted and timed, one event each."""

from models.families.convnext_steps import STEPS
from models.tasks.road import road


def test_steps_are_counted_and_timed_one_by_one() -> None:
    chosen = [step for step in STEPS if step.key in ("resnet50", "recipe", "kernel", "downsampling")]
    found = list(road(chosen, side=32, repeats=2))
    assert [step.step.key for step in found] == ["resnet50", "recipe", "kernel", "downsampling"]
    assert [(step.done, step.total) for step in found] == [(index, 4) for index in range(1, 5)]
    assert all(0 < step.low <= step.milliseconds <= step.high for step in found)
    assert found[0].cost.parameters == 25_557_032
    # Another way of training is no other network.
    assert (found[0].cost, found[0].milliseconds) == (found[1].cost, found[1].milliseconds)
    assert found[2].cost.macs > found[0].cost.macs / 2
