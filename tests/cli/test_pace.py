"""How large a step of the labelling job is: by what the machine does in a fifth of a second, measured once."""

from typing import Any

import numpy as np
import pytest

from desktop_app import labelling
from models.spec import Preprocess


class Model:
    """Takes `seconds` for each photo, by the clock that the test holds."""

    preprocess = Preprocess(32, (32, 32))
    batch_size = 16

    def __init__(self, seconds: float, device: str = "cpu") -> None:
        self.seconds, self.device, self.now, self.runs = seconds, device, 0.0, 0

    def run(self, entry: str, **arrays: Any) -> np.ndarray:
        self.runs += 1
        self.now += self.seconds * len(arrays["pixel_values"])
        return np.zeros((len(arrays["pixel_values"]), 4), np.float32)


@pytest.mark.parametrize(("seconds", "batch"), [(0.0001, 16), (0.03, 6), (0.15, 1), (5.0, 1)])
def test_a_step_on_the_processor_takes_a_fifth_of_a_second(
    monkeypatch: pytest.MonkeyPatch, seconds: float, batch: int
) -> None:
    model: Any = Model(seconds)
    monkeypatch.setattr(labelling, "perf_counter", lambda: model.now)
    assert [labelling.batch_for(model) for _ in range(3)] == [batch] * 3
    assert model.runs == 2


def test_a_graphics_card_gets_its_full_batch() -> None:
    model: Any = Model(1.0, "cuda:0")
    assert labelling.batch_for(model) == 16
    assert model.runs == 0
