"""Models by capability: opened when first wanted, after the window; failures told; another choice wins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from desktop_app import model_shelf
from desktop_app.model_shelf import ModelShelf
from desktop_app.settings import Settings
from desktop_app.work import Outcome
from models.errors import ModelError


class _Later:
    """A Work whose calls run when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Callable[[], Any], Callable[[Outcome], None]]] = []

    def latest(
        self, key: str, call: Callable[[], Any], done: Callable[[Outcome], None], lane: str = "model"
    ) -> int:
        self.asked.append((key, call, done))
        return len(self.asked)

    def post(self, call: Callable[[], None]) -> None:
        call()

    def run(self) -> None:
        for key, call, done in [self.asked.pop(0) for _ in range(len(self.asked))]:
            try:
                done(Outcome(key, 1, call()))
            except Exception as error:  # noqa: BLE001 - as the real one does
                done(Outcome(key, 1, error=error))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What was opened: (capability, chosen, device); a model called "broken" fails."""
    seen: list[tuple[str, str, str]] = []

    def open_(
        capability: str, chosen: str, extra: object, device: str, precision: str, engine: str, progress: Any
    ) -> Any:
        seen.append((capability, chosen, device))
        progress("Reading the weights", 0.5)
        if chosen == "broken":
            raise RuntimeError("a tensor is missing")
        if chosen == "none":
            raise ModelError("There is no model")
        return SimpleNamespace(spec=SimpleNamespace(id=chosen or "first"), device=device)

    monkeypatch.setattr(model_shelf, "_open", open_)
    return seen


@pytest.fixture
def shelf(qapp: object, tmp_path: Path) -> tuple[ModelShelf, _Later, Settings]:
    work, settings = _Later(), Settings(tmp_path / "settings.json")
    return ModelShelf(settings, work), work, settings  # type: ignore[arg-type]


Shelf = tuple[ModelShelf, _Later, Settings]
Opened = list[tuple[str, str, str]]


def test_nothing_is_opened_before_the_window_is_there(shelf: Shelf, opened: Opened) -> None:
    models, work, _ = shelf
    assert models.want("zero_shot") is None
    assert work.asked == []
    models.begin()
    assert models.want("zero_shot") is None
    assert len(work.asked) == 1
    words: list[str] = []
    models.loading_changed.connect(lambda: words.extend(item.words for item in models.loading.values()))
    work.run()
    assert words == ["Reading the weights"]
    model = models.want("zero_shot")
    assert model is not None
    assert model.spec.id == "first"
    assert models.loading == {}


@pytest.mark.parametrize("name", ["broken", "none"])
def test_a_failure_is_told_once_and_can_be_tried_again(shelf: Shelf, opened: Opened, name: str) -> None:
    models, work, _ = shelf
    models.begin()
    told: list[str] = []
    models.changed.connect(told.append)
    models.choose("masking", name)
    work.run()
    error = models.error("masking")
    assert error is not None
    assert models.want("masking") is None
    assert work.asked == []
    assert told == ["masking", "masking"]
    models.choose("masking", "good")
    work.run()
    assert models.error("masking") is None
    assert models.ready("masking") is not None


def test_the_choice_is_remembered_and_a_later_one_wins(shelf: Shelf, opened: Opened) -> None:
    models, work, settings = shelf
    models.begin()
    models.choose("features", "one")
    models.choose("features", "two")
    work.run()
    model = models.ready("features")
    assert model is not None
    assert model.spec.id == "two"
    assert settings.features_model == "two"


def test_another_device_opens_everything_anew(shelf: Shelf, opened: Opened) -> None:
    models, work, settings = shelf
    models.begin()
    models.want("zero_shot")
    work.run()
    settings.device = "cpu"
    assert models.ready("zero_shot") is None
    models.want("zero_shot")
    work.run()
    assert opened == [("zero_shot", "", "auto"), ("zero_shot", "", "cpu")]
