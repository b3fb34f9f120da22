"""Adding a model in the window: from the dialog to the list of models, and what is refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app import dialogs, paths
from desktop_app.catalog import open_catalog
from models.spec import Capability
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_photos
from tests.tiny_models import write_tiny_clip


@pytest.fixture
def app(tmp_path: Path, qapp: object) -> Iterator[LabelRobot]:
    first = write_tiny_clip(tmp_path / "first")
    remember(first.folder, min_probability=0.0, min_margin=0.0, background=False)
    write_photos(tmp_path / "photos", 4, side=48)
    robot = LabelRobot(tmp_path / "photos")
    robot.wait_answered()
    yield robot
    robot.close()


def choose(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    monkeypatch.setattr(dialogs, "ask_model", lambda parent, folder: str(path))


def test_an_added_model_answers_at_once_and_the_one_before_is_a_click_away(
    app: LabelRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = write_tiny_clip(tmp_path / "second", seed=5)
    choose(monkeypatch, second.folder / "model.safetensors")
    app.run("add_model")
    app.wait_until(lambda: "one of your models now" in app.message(), "the model was never added")
    assert (paths.models_dir() / "second" / "tokenizer.json").is_file()
    model = app.session.shelf.ready
    app.wait_until(lambda: (found := model(Capability.ZERO_SHOT)) is not None and found.spec.id == "second")
    app.wait_answered()
    with open_catalog(paths.catalog_file()) as catalog:
        record = catalog.photo(app.session.current_path)
        assert record is not None
        assert catalog.without_embedding([record.id], f"second@{second.version}") == []
    chooser = app.label.look.models.models
    app.wait_until(lambda: chooser.findData("second") >= 0)
    assert chooser.currentData() == "second"
    chooser.setCurrentIndex(chooser.findData("pinhole-clip"))
    chooser.activated.emit(chooser.currentIndex())
    app.wait_until(
        lambda: (found := model(Capability.ZERO_SHOT)) is not None and found.spec.id == "pinhole-clip"
    )
    app.wait_answered()


def test_what_cannot_be_added_is_told_and_changes_nothing(
    app: LabelRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "holiday.pt").write_bytes(b"no weights at all")
    choose(monkeypatch, tmp_path / "holiday.pt")
    app.run("add_model")
    app.wait_until(lambda: "no file of weights" in app.message())
    app.wait_idle()
    assert list(paths.models_dir().iterdir()) == []
    assert app.session.work.jobs == []
    found = app.session.shelf.ready(Capability.ZERO_SHOT)
    assert found is not None
    assert found.spec.folder == tmp_path / "first"
    choose(monkeypatch, Path())
    monkeypatch.setattr(dialogs, "ask_model", lambda parent, folder: "")
    app.run("add_model")
    assert app.session.work.jobs == []
