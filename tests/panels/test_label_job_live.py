"""What a person sees and may do while a folder is being labelled, and when that has ended."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from desktop_app import label_recipe, labelling, paths
from desktop_app.label_book import LabelBook
from desktop_app.labelling import Recipe
from desktop_app.photo_list import Mark
from desktop_app.work.journal import Journal
from models.tasks import zero_shot
from models.tasks.prompts import Label, PromptSet, Template
from models.tasks.scoring import Bars
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "some", 8, side=48)
    return tmp_path / "some"


@pytest.fixture
def app(model: Path, folder: Path, qapp: object) -> Iterator[LabelRobot]:
    remember(model, min_probability=0.0, min_margin=0.0, background=False)
    robot = LabelRobot(folder)
    robot.wait_answered()
    robot.set_labels(["cat", "dog"])
    yield robot
    robot.close()


def test_what_is_shown_of_a_run_is_looked_up_when_it_is_stored(
    app: LabelRobot, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers are stored about once a second: one that was looked up before that was never shown until the end."""
    reader, catalog = app.label.engine.reader, app.session.catalog
    reader.hold(True)
    write_photos(folder / "more", 9, side=40)
    last: list[str] = []
    opened = threading.Event()
    real = zero_shot.prepare_file  # type: ignore[attr-defined]

    def prepare(path: Path, *words: Any, **options: Any) -> Any:
        if str(path) in last:
            assert opened.wait(60)
        return real(path, *words, **options)

    monkeypatch.setattr(zero_shot, "prepare_file", prepare)
    monkeypatch.setattr(labelling, "batch_for", lambda model: 2)
    asked: list[bool] = []
    look = reader.look_again

    def look_again(places: Sequence[int]) -> None:
        ids = [catalog.photo(app.session.photos[place]) for place in places]
        found, _ = catalog.load_embeddings([record.id for record in ids if record is not None], reader.key)
        asked.append(len(found) == len(places))
        look(places)

    monkeypatch.setattr(reader, "look_again", look_again)
    app.session.reread()
    app.wait_for_photos(17)
    last.append([path for path in app.session.photos if "/more/" in Path(path).as_posix()][-1])
    job = app.label.job
    job.start()
    app.wait_until(lambda: sum(job._tally.values()) > 8, "the run never told of new photos")
    opened.set()
    app.wait_until(lambda: not job.running)
    app.wait_answered()
    assert asked
    assert all(asked)
    assert all(mark is Mark.LABEL for mark in app.marks())


def test_a_run_that_ends_while_another_folder_is_open_is_told_of_its_own(
    app: LabelRobot, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bar, free, inside = app.label.job_bar, threading.Event(), threading.Event()
    real = zero_shot.prepare_file  # type: ignore[attr-defined]

    def prepare(*words: Any, **options: Any) -> Any:
        inside.set()
        assert free.wait(60)
        return real(*words, **options)

    app.label.engine.reader.hold(True)
    write_photos(tmp_path / "others", 4, side=40, seed=1)
    write_photos(folder / "more", 1, side=40, seed=2)
    monkeypatch.setattr(zero_shot, "prepare_file", prepare)
    app.session.reread()
    app.wait_for_photos(9)
    bar.start.click()
    app.wait_until(inside.is_set, "the run never came to the new photo")
    app.open_folder(tmp_path / "others")
    app.wait_for_photos(4)
    assert "some" in bar.words.split("  ·  ")[-1]
    free.set()
    app.wait_until(lambda: bar.start.isVisibleTo(bar))
    assert not bar.rollback.isVisibleTo(bar)
    app.wait_until(lambda: app.status() == "Labelling has ended. “some”: 9 labelled.")
    app.wait_answered()
    app.open_folder(folder)
    app.wait_for_photos(9)
    assert bar.words == "9 labelled"
    assert bar.rollback.isVisibleTo(bar)
    app.wait_answered()


def test_without_a_label_nothing_can_be_labelled_and_the_button_says_why(app: LabelRobot) -> None:
    bar = app.label.job_bar
    assert bar.start.isEnabled()
    app.label.column.labels.clear_asked.emit()
    app.wait_idle()
    assert not bar.start.isEnabled()
    assert bar.words == bar.start.toolTip() == "Add a label first."
    app.type_label("cat")
    app.wait_answered()
    assert bar.start.isEnabled()
    assert "Add a label" not in bar.words


def test_after_an_interrupted_run_has_ended_another_can_begin(
    model: Path, folder: Path, qapp: object
) -> None:
    remember(model)
    book = LabelBook((Label("first"), Label("second")), PromptSet("mine", (Template("a {}"),)))
    recipe = Recipe(book.state.labels, book.state.templates, "mine", Bars(0.0, 0.0, False))
    asked = {
        "paths": [str(folder)],
        "recursive": True,
        "recipe": label_recipe.to_text(recipe),
        "run": "run-1",
    }
    Journal(paths.jobs_dir()).open("label", "Labelling", asked).close()  # as a kill leaves it
    app = LabelRobot(folder)
    try:
        bar = app.label.job_bar
        # Before the model is there: then the button is greyed out for its want, and hidden.
        app.wait_until(lambda: bar.resume.isVisibleTo(bar), "the interrupted run was never offered")
        app.wait_answered()
        bar.resume.click()
        app.wait_until(lambda: bar.rollback.isVisibleTo(bar) and not app.label.job.running)
        app.wait_idle()
        assert bar.start.isVisibleTo(bar)
        assert bar.start.isEnabled()
        assert bar.only_new.isVisibleTo(bar)  # it counts, so it is in sight
    finally:
        app.close()


def test_the_bar_wraps_rather_than_cutting_its_buttons(app: LabelRobot) -> None:
    bar = app.label.job_bar
    bar.start.click()
    app.wait_until(lambda: bar.rollback.isVisibleTo(bar) and not app.label.job.running)
    app.window.resize(1024, 700)
    app.wait_idle()
    buttons = [bar.start, bar.only_new, bar.rollback]
    assert all(button.width() >= button.sizeHint().width() for button in buttons)
    assert all(bar.rect().contains(button.mapTo(bar, button.rect().bottomRight())) for button in buttons)


def test_a_model_that_cannot_be_opened_is_named_until_another_is_chosen(
    model: Path, folder: Path, tmp_path: Path, qapp: object
) -> None:
    broken = shutil.copytree(model, tmp_path / "my-model")
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    remember(broken)
    app = LabelRobot(folder)
    try:
        bar = app.label.job_bar
        app.wait_until(lambda: "my-model could not be opened" in bar.words, "the bar never said why")
        assert not bar.start.isEnabled()
        assert app.window.status.device_words == "my-model could not be opened"
        app.session.shelf.choose("zero_shot", str(model))
        app.wait_answered()
        assert bar.start.isEnabled()
    finally:
        app.close()
