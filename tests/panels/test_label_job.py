"""Labelling the open folder as a job: counts, pause, cancel, taking back, going on after a kill, export."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop_app import label_recipe, paths
from desktop_app.label_book import LabelBook
from desktop_app.labelling import Recipe
from desktop_app.panels import questions
from desktop_app.photo_list import Mark
from desktop_app.work import JobState
from desktop_app.work.journal import Journal
from models.tasks.export import COLUMNS, LONG_COLUMNS, denature, unescape_name
from models.tasks.prompts import Label, PromptSet, Template
from models.tasks.scoring import Bars
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_broken, write_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photos and three that are none."""
    write_photos(tmp_path / "mixed", 12, side=48)
    write_broken(tmp_path / "mixed", 3)
    return tmp_path / "mixed"


@pytest.fixture
def app(model: Path, folder: Path, qapp: object) -> Iterator[LabelRobot]:
    remember(model, min_probability=0.5, min_margin=0.0, background=False)
    robot = LabelRobot(folder)
    robot.wait_answered()
    robot.set_labels(["cat", "dog", "an old motorcycle"])
    yield robot
    robot.close()


def run(app: LabelRobot) -> None:
    """Press the button and wait for the end."""
    app.label.job_bar.start.click()
    wait_for_end(app)


def wait_for_end(app: LabelRobot) -> None:
    """Until the bar shows how the run ended."""
    bar = app.label.job_bar
    app.wait_until(lambda: bar.rollback.isVisibleTo(bar) and not app.label.job.running)
    app.wait_idle()


def first_labelled(app: LabelRobot, after: int = 0) -> int:
    """The place of a photo whose tile shows a label."""
    return [place for place, mark in enumerate(app.marks()) if mark in (Mark.LABEL, Mark.UNSURE)][after]


def held(app: LabelRobot) -> dict[str, str]:
    """File name -> what the catalogue holds."""
    catalog = app.session.catalog
    found = {}
    for path in app.session.photos:
        record = catalog.photo(path)
        assert record is not None
        answer = catalog.answers([record.id]).get(record.id)
        if answer is not None and answer.label:
            found[Path(path).name] = answer.label
    return found


def test_the_job_keeps_what_the_grid_shows_and_leaves_a_persons_word_alone(app: LabelRobot) -> None:
    app.label.review.confirm([first_labelled(app)], "an old motorcycle")
    app.wait_idle()
    shown = {name: label for name, label in app.answers().items() if label}
    marks = list(app.decisions().values())
    run(app)
    assert held(app) == shown
    words = app.label.job_bar.words
    assert f"{marks.count('LABEL')} labelled" in words
    assert f"{marks.count('UNSURE')} unsure" in words
    assert "3 skipped" in words
    assert "1 left as they were" in words
    assert app.label.job_bar.retry.isVisibleTo(app.label.job_bar)
    app.label.job_bar.reasons.click()
    assert len(app.dialogs()) == 1
    app.dialogs()[0].close()
    app.session.select(first_labelled(app, after=1))
    app.wait_idle()
    assert "Kept:" in app.label.look.history.text()


def test_what_only_new_keeps_from_other_labels_is_said_and_can_be_asked_again(app: LabelRobot) -> None:
    run(app)
    before = held(app)
    app.set_labels(["a rose", "a bicycle"])
    bar = app.label.job_bar
    bar.only_new.setChecked(True)
    run(app)
    assert "12 left as they were" in bar.words
    assert "Of these, 12 keep an answer to other labels" in bar.words
    assert held(app) == before
    bar.again.click()
    wait_for_end(app)
    path = app.session.current_path
    app.wait_until(lambda: f"“{before[Path(path).name]}”" in app.label.look.history.text().splitlines()[-1])
    assert "other labels" not in bar.words
    assert set(held(app).values()) <= {"a rose", "a bicycle"}


def test_a_run_is_taken_back_but_not_what_a_person_confirmed(app: LabelRobot) -> None:
    run(app)
    place = first_labelled(app)
    app.label.review.confirm([place])
    app.wait_idle()
    name = Path(app.session.photos[place]).name
    app.label.job_bar.rollback.click()
    app.wait_idle()
    assert "Taken back for 11 photos" in app.label.job_bar.words
    assert set(held(app)) == {name}


def test_a_second_run_taken_back_leaves_what_the_first_one_said(app: LabelRobot) -> None:
    run(app)
    first = held(app)
    app.set_labels(["a rose", "a bicycle"])
    run(app)
    assert set(held(app).values()) <= {"a rose", "a bicycle"}
    app.label.job_bar.rollback.click()
    app.wait_idle()
    assert held(app) == first


def test_what_could_not_be_read_is_tried_again_when_it_was_mended(app: LabelRobot, folder: Path) -> None:
    run(app)
    broken = next(path for path in folder.iterdir() if path.name.startswith("broken-cut"))
    write_photos(folder / "spare", 1, side=48)
    good = next((folder / "spare").rglob("*.jpg"))
    good.replace(broken)
    app.label.job_bar.retry.click()
    assert not app.label.job_bar.rollback.isVisibleTo(app.label.job_bar)
    wait_for_end(app)
    assert "2 skipped" in app.label.job_bar.words
    assert broken.name in held(app)


def test_a_run_can_be_paused_and_cancelled(app: LabelRobot) -> None:
    job, bar = app.label.job, app.label.job_bar
    bar.start.click()
    bar.pause_asked.emit()
    assert job._job is not None
    state = job._job
    app.wait_until(lambda: state.state in (JobState.PAUSED, JobState.DONE))
    if state.state is JobState.PAUSED:
        assert bar.pause.text() == "Go on"
    bar.cancel.click()
    assert bar.cancel.text() == "Cancelling…" or not job.running
    app.wait_until(lambda: bar.start.isVisibleTo(bar))
    app.wait_idle()
    assert not job.running


def test_an_interrupted_run_goes_on_with_what_it_was_asked(model: Path, folder: Path, qapp: object) -> None:
    remember(model)
    book = LabelBook((Label("first"), Label("second")), PromptSet("mine", (Template("a {}"),)))
    recipe = Recipe(book.state.labels, book.state.templates, "mine", Bars(0.0, 0.0, False))
    asked = {
        "paths": [str(folder)], "recursive": True, "only_new": False, "retry_skipped": False,
        "recipe": label_recipe.to_text(recipe), "run": "run-1",
    }  # fmt: skip
    Journal(paths.jobs_dir()).open("label", "Labelling", asked).close()  # as a kill leaves it
    app = LabelRobot(folder)
    try:
        app.wait_answered()
        assert "interrupted" in app.label.job_bar.words
        app.label.job_bar.resume.click()
        app.wait_until(lambda: "labelled" in app.label.job_bar.words)
        app.wait_idle()
        assert set(held(app).values()) <= {"first", "second"}
        assert len(held(app)) == 12
        assert app.session.catalog.runs()[0].id == "run-1"
    finally:
        app.close()


def test_an_interrupted_run_is_offered_where_its_photos_are_open(
    model: Path, folder: Path, tmp_path: Path, qapp: object
) -> None:
    remember(model)
    write_photos(tmp_path / "others", 4, side=48)
    book = LabelBook((Label("first"), Label("second")), PromptSet("mine", (Template("a {}"),)))
    recipe = Recipe(book.state.labels, book.state.templates, "mine", Bars(0.0, 0.0, False))
    asked = {"paths": [str(folder)], "recursive": True, "recipe": label_recipe.to_text(recipe)}
    for name in ("run-1", "run-2"):
        Journal(paths.jobs_dir()).open("label", "Labelling", {**asked, "run": name}).close()
    app = LabelRobot(tmp_path / "others")
    bar = app.label.job_bar

    def open_(place: Path, count: int) -> None:
        app.open_folder(place)
        app.wait_for_photos(count)
        app.wait_answered()

    try:
        app.wait_answered()
        assert bar.start.isVisibleTo(bar)
        assert not bar.resume.isVisibleTo(bar)
        run(app)
        others = held(app)
        assert len(others) == 4
        open_(folder, 15)
        assert bar.words == "Labelling “mixed” was interrupted before it had begun."
        assert not bar.start.isVisibleTo(bar)
        bar.resume.click()
        wait_for_end(app)
        assert set(held(app).values()) <= {"first", "second"}
        assert app.session.catalog.runs()[0].id == "run-2"
        open_(tmp_path / "others", 4)
        assert bar.start.isVisibleTo(bar)
        assert not bar.rollback.isVisibleTo(bar)
        open_(tmp_path, 19)
        assert bar.words.startswith("“mixed”: ")
        open_(folder, 15)
        assert "3 skipped" in bar.words
        bar.rollback.click()
        app.wait_idle()
        assert held(app) == {}
        open_(tmp_path / "others", 4)
        assert held(app) == others
        assert not app.program.work.unfinished()
    finally:
        app.close()


def test_export_previews_writes_and_says_where(
    app: LabelRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = first_labelled(app)
    app.label.review.confirm([mine], "an old motorcycle")
    file = tmp_path / "out" / "labels.csv"
    file.parent.mkdir()
    monkeypatch.setattr(questions, "ask_save", lambda *words: str(file))
    app.run("export")
    dialog = app.label.export.dialog
    assert dialog is not None
    app.wait_until(lambda: dialog.table.rowCount() > 0)
    assert dialog.table.columnCount() == len(COLUMNS)
    dialog.long.setChecked(True)
    app.wait_until(lambda: dialog.table.columnCount() == len(LONG_COLUMNS))
    dialog.long.setChecked(False)
    dialog.bom.setChecked(True)
    app.wait_until(lambda: dialog.table.columnCount() == len(COLUMNS))
    dialog.save.click()
    app.wait_until(lambda: "Written" in app.label.messages.text)
    app.wait_idle()
    raw = file.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 15
    assert sum(bool(row["error"]) for row in rows) == 3
    by_place = dict(zip(app.session.photos, rows, strict=True))
    assert by_place[app.session.photos[mine]]["label"] == "an old motorcycle"
    assert by_place[app.session.photos[mine]]["source"] == "person"
    for place, path in enumerate(app.session.photos):
        label, _, mark = app.session.answers.of(place)
        row = by_place[path]
        if row["error"]:
            assert app.marks()[place] is Mark.FAILED
        else:
            assert row["label"] == label
            assert row["decision"] == ("label" if mark in (Mark.LABEL, Mark.CONFIRMED) else "unsure")
            assert row["sha256"] != ""
            assert int(row["width"]) == 48
    assert app.program.settings.csv_bom


def test_one_more_photo_changes_no_path_of_the_table(
    app: LabelRobot, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def table(name: str) -> list[str]:
        asked: list[object] = []
        monkeypatch.setattr(questions, "ask_save", lambda *words: asked.extend(words) or str(tmp_path / name))
        app.run("export")
        dialog = app.label.export.dialog
        assert dialog is not None
        said.append(dialog.summary.text())
        dialog.save.click()
        app.wait_until(lambda: name in app.label.messages.text)
        app.wait_idle()
        assert asked[-1] == f"{folder.name}.csv"
        with (tmp_path / name).open(encoding="utf-8", newline="") as stream:
            return [unescape_name(denature(row["path"])) for row in csv.DictReader(stream)]

    said: list[str] = []
    before = table("before.csv")
    assert [str(folder / path) for path in before] == list(app.session.photos)
    assert not any(Path(path).is_absolute() for path in before)
    (stray,) = write_photos(tmp_path / "elsewhere", 1, side=48)
    app.drop_photos(stray)
    app.wait_for_photos(len(before) + 1)
    assert table("after.csv") == [*before, str(stray)]
    assert f"paths start at {folder}," in said[0]
    assert f"paths start at {folder}, those of photos elsewhere are whole" in said[1]


def test_a_table_that_cannot_be_written_is_told_with_its_cure(
    app: LabelRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ask_save", lambda *words: str(tmp_path / "no folder" / "labels.csv"))
    app.run("export")
    dialog = app.label.export.dialog
    assert dialog is not None
    app.wait_until(lambda: dialog.table.rowCount() > 0)
    dialog.save.click()
    app.wait_until(lambda: "could not be written" in app.label.messages.text)
    app.wait_idle()
    assert "Make the folder first" in app.label.messages.text
