"""A model that takes its turn at the device call by call, for jobs whose steps do more than compute."""

from __future__ import annotations

from typing import Any

from desktop_app.work.lane import DeviceGate


class TurnTaking:
    """Stands in for a model: every `run` waits until no interactive call wants the device; all else is the model's.

    A job whose step decodes photos and then computes would hold the device while it decodes; with this, and
    `start_job(..., gated=False)`, a slider waits for one batch at most.
    """

    def __init__(self, model: Any, gate: DeviceGate) -> None:
        self._model = model
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def run(self, *entry: Any, **arrays: Any) -> Any:
        """As the model's own, in a job's turn."""
        with self._gate.turn(urgent=False):
            return self._model.run(*entry, **arrays)
