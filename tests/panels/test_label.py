"""The Label panel through hands and eyes: edits, changes, filters, bars, the lab, what is remembered."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QComboBox,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QTableView,
    QWidget,
)

from desktop_app import label_recipe, presets
from desktop_app.panels import questions
from desktop_app.photo_list import Mark
from desktop_app.settings import Settings
from models.tasks.prompts import PromptSet, Template
from models.tasks.scoring import Decision
from tests.label_robot import LabelRobot
from tests.panels.conftest import Start
from tests.photo_folder import write_broken, write_photos


def test_every_photo_gets_an_answer_and_each_label_its_count(app: LabelRobot) -> None:
    assert set(app.decisions().values()) == {"LABEL"}
    names = list(app.answers().values())
    rows = app.label.column.labels.list.rows
    assert [(row.text, row.lead) for row in rows] == [("cat", "1"), ("dog", "2"), ("an old motorcycle", "3")]
    for row in rows:
        assert row.trail == (str(names.count(row.text)) if row.text in names else "")
    assert sum(int(row.trail or 0) for row in rows) == 16


def test_the_inspector_ranks_every_label(app: LabelRobot) -> None:
    app.session.select(3)
    app.wait_idle()
    shown = app.label.look.scores.shown
    assert shown[0][0] == list(app.answers().values())[3]
    assert sum(part for _, part in shown) == pytest.approx(1.0, abs=1e-4)
    assert [part for _, part in shown] == sorted((part for _, part in shown), reverse=True)
    assert "temperature" in app.label.look.margin.text()


def test_an_edit_says_what_it_changed_and_shows_it_on_a_click(app: LabelRobot) -> None:
    before = app.answers()
    app.edit_template(0, "{} in a very long and entirely different sentence")
    app.wait_answered()
    changed = {name for name, label in app.answers().items() if before[name] != label}
    assert changed
    words = "1 photo changes label" if len(changed) == 1 else f"{len(changed)} photos change label"
    assert app.change_line() == words
    app.label.change_line.button.click()
    assert set(app.shown()) == changed
    assert "changed by" in app.session.view.keep_words
    app.press("Escape", app.label.grid)
    assert len(app.shown()) == 16


def test_only_new_sentences_are_embedded(app: LabelRobot) -> None:
    cache = app.label.engine.texts
    before = cache.embedded
    app.type_label("owl")
    app.wait_answered()
    templates = len(app.label.book.state.used_templates)
    assert cache.embedded == before + templates
    app.label.column.templates.edited.emit(
        0, type(app.label.book.state.templates[0])(app.label.book.state.templates[0].text, 3.0)
    )
    app.wait_answered()
    assert cache.embedded == before + templates, "another weight asks nothing of the model"


def test_a_rename_changes_words_and_no_answer(app: LabelRobot) -> None:
    before = app.answers()
    app.label.column.labels.edited.emit(
        0, type(app.label.book.state.labels[0])("cat", ("cat",), "animals|cat")
    )
    app.edit_row(app.label.column.labels.list, 1, "hound")
    app.wait_answered()
    asked = app.label.book.state.labels[1]
    assert (asked.name, asked.prompts) == ("hound", ("hound",))
    app.label.column.labels.edited.emit(1, type(asked)("hound", ("dog",), "hound"))
    app.wait_answered()
    renamed = {name: "hound" if label == "dog" else label for name, label in app.answers().items()}
    assert renamed == {name: "hound" if label == "dog" else label for name, label in before.items()}


def test_lists_are_pasted_taken_from_presets_and_reordered_by_keys(app: LabelRobot) -> None:
    app.label.column.labels.preset_asked.emit("cifar-10")
    app.wait_until(lambda: len(app.label.book.state.labels) == 10)
    app.wait_answered()
    view = app.label.column.labels.list
    view.choose(9)
    QTest.keyClick(view, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert app.label.book.state.names[8] == "truck"
    assert view.currentIndex().row() == 8
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert "truck" not in app.label.book.state.names
    QGuiApplication.clipboard().setText("first new\nsecond new\n")
    app.press("Ctrl+V", app.label.column.labels.entry)
    assert app.label.book.state.names[-2:] == ("first new", "second new")
    assert app.label.column.labels.entry.text() == ""
    app.type_label("FIRST  new")
    assert "in the list already" in app.label.column.labels.note.text()
    app.wait_answered()


def test_what_is_wrong_is_said_where_it_stands(app: LabelRobot) -> None:
    column = app.label.column
    column.templates.add_asked.emit("no place for the label")
    column.templates.add_asked.emit("word " * 120 + "{}")
    column.labels.edited.emit(2, type(app.label.book.state.labels[2])("an old motorcycle", ("cat",)))
    app.wait_idle()
    remarks = [row.remark for row in column.templates.list.rows]
    assert "no {}" in remarks[-2]
    assert "tokens" in remarks[-1]
    column.labels.list.choose(2)
    assert "cannot be told apart" in column.labels.note.text()
    assert "word word" in column.templates.preview.toPlainText()


def test_prompt_sets_are_taken_switched_and_kept_under_a_name(
    app: LabelRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    column = app.label.column
    column.templates.set_asked.emit("eighty")
    app.wait_until(lambda: len(app.label.book.state.templates) == 80)
    app.wait_answered()
    view = column.templates.list
    view.setFocus()
    view.choose(0)
    QTest.keyClick(view, Qt.Key.Key_Space)
    assert not app.label.book.state.templates[0].enabled
    assert len(column.templates.preview.toPlainText().splitlines()) == 79
    monkeypatch.setattr(questions, "ask_name", lambda *words: "Mine")
    column.templates.save_asked.emit()
    app.wait_until(lambda: column.templates.sets.findData("Mine") >= 0)
    assert app.label.book.state.prompt_set == "Mine"
    app.wait_answered()


def test_saved_prompts_are_replaced_only_after_a_question(
    app: LabelRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    column, asked = app.label.column, list[str]()
    presets.save_own_set(PromptSet("Mine", (Template("kept {}"),)))
    monkeypatch.setattr(questions, "ask_name", lambda *words: "Mine")

    def answer(yes: bool) -> None:
        monkeypatch.setattr(questions, "ask_replace", lambda *words: asked.append(words[-1]) or yes)
        column.templates.save_asked.emit()
        app.wait_idle()

    answer(False)
    assert asked == ["Mine"]
    assert presets.prompt_set_of("Mine").templates == (Template("kept {}"),)
    assert app.label.book.state.prompt_set != "Mine"
    answer(True)
    app.wait_until(lambda: app.label.book.state.prompt_set == "Mine", "it was not saved")
    assert presets.prompt_set_of("Mine").templates == app.label.book.state.templates
    app.wait_answered()


def test_what_was_asked_to_be_written_is_written_when_the_window_closes_first(
    app: LabelRobot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    column, work = app.label.column, app.session.work
    free, busy = threading.Event(), threading.Semaphore(0)
    for _ in range(2):  # both threads of the lane
        work.once(lambda: (busy.release(), free.wait(20)), lambda outcome: None, lane="io")
    assert busy.acquire(timeout=20)
    assert busy.acquire(timeout=20)
    monkeypatch.setattr(questions, "ask_name", lambda *words: "Mine")
    for name, ask in (
        ("labels.txt", column.labels.export_asked.emit),
        ("prompts.txt", column.templates.export_asked.emit),
        ("recipe.json", lambda: column.save_recipe(app.label.engine.recipe())),
    ):
        file = str(tmp_path / name)
        monkeypatch.setattr(questions, "ask_save", lambda *words, file=file: file)
        ask()
    column.templates.save_asked.emit()
    work.close(0.05)
    free.set()
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["labels.txt", "prompts.txt", "recipe.json"]
    assert presets.prompt_set_of("Mine").templates == app.label.book.state.templates


# --- filters, order, bars


def test_chips_filter_and_the_next_unsure_photo_is_found(app: LabelRobot) -> None:
    app.label.look.min_probability_moved.emit(0.5, True)
    app.wait_answered()
    decisions = app.decisions()
    unsure = {name for name, mark in decisions.items() if mark == "UNSURE"}
    assert unsure
    app.label.filters.choose(frozenset({Mark.UNSURE}))
    assert set(app.shown()) == unsure
    assert app.session.view.keep_words == "unsure"
    app.session.clear_filters()
    assert app.label.filters.everything.isChecked()
    app.session.select(0)
    app.press("U", app.window)
    assert app.focus() in unsure
    app.label.filters.choose(frozenset(), "cat")
    assert set(app.shown()) <= {name for name, label in app.answers().items() if label == "cat"}


def test_the_bar_of_unknown_is_there_when_it_may_be_said_and_can_be_dragged(app: LabelRobot) -> None:
    look = app.label.look
    assert not look.min_known.isVisibleTo(look)
    look.background.click()
    app.wait_answered()
    assert look.min_known.isVisibleTo(look)
    look.min_known_moved.emit(1.0, False)
    app.wait_answered()
    assert set(app.decisions().values()) == {"UNKNOWN"}
    look.min_known_moved.emit(0.0, True)
    app.wait_answered()
    assert "UNKNOWN" not in app.decisions().values()
    assert app.program.settings.min_known == 0.0
    assert app.label.engine.recipe().bars.min_known == 0.0


def test_the_order_by_confidence_and_by_change(app: LabelRobot) -> None:
    app.label.filters.order_asked.emit("unsure")
    parts = [app.session.answers.of(int(i))[1] for i in app.session.shown]
    assert parts == sorted(parts)
    app.label.filters.order_asked.emit("sure")
    assert [app.session.answers.of(int(i))[1] for i in app.session.shown] == sorted(parts, reverse=True)
    app.label.filters.order_asked.emit("name")
    app.wait_idle()
    assert app.shown()[:2] == ["cat 0.jpg", "cat 1.jpg"]
    assert app.shown()[-1].startswith("dog 7")
    app.label.filters.order_asked.emit("changed")
    changed = app.label.engine.changes.any
    first = [bool(changed[int(i)]) for i in app.session.shown]
    assert first == sorted(first, reverse=True)
    app.label.filters.order_asked.emit("disk")
    assert np.array_equal(app.session.shown, np.arange(16))


def test_the_newest_are_those_taken_last_in_whatever_order_they_were_copied(
    start: Start, tmp_path: Path
) -> None:
    def write(name: str, taken: str, copied: int, folder: str = "card") -> Path:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        exif = Image.Exif()
        if taken:
            exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
        Image.effect_noise((48, 36), 40 + copied).save(path, exif=exif)
        os.utime(path, (copied, datetime(2024, 7, copied, 12).timestamp()))
        return path

    write("arrival.jpg", "2024:07:01 18:30:00", 9)
    write("beach.jpg", "2024:07:03 11:00:00", 8)
    write("drawing.png", "", 2)  # nobody took it: its file is from the day between
    write("way home.jpg", "2024:07:05 09:00:00", 7)
    app = start(tmp_path / "card")
    app.wait_answered()
    order = app.label.filters.order
    app.label.control.set_order("date")
    newest = ["way home.jpg", "beach.jpg", "drawing.png", "arrival.jpg"]
    app.wait_until(lambda: app.shown() == newest)
    assert "taken" in order.itemData(order.findData("date"), Qt.ItemDataRole.ToolTipRole)
    app.drop_photos(write("harbour.jpg", "2024:07:04 20:00:00", 1, "phone"))
    newest.insert(1, "harbour.jpg")
    app.wait_until(lambda: app.shown() == newest, "what came later was not put into order")
    write("arrival.jpg", "2024:07:06 18:30:00", 9)  # the camera's clock was put right
    app.run("reread")
    newest.insert(0, newest.pop())
    app.wait_until(lambda: app.shown() == newest, "the file was not looked at again")


def test_the_line_after_an_edit_goes_when_it_no_longer_speaks_of_what_is_shown(
    app: LabelRobot, tmp_path: Path
) -> None:
    def edit(words: str) -> None:
        app.edit_template(0, words)
        app.wait_answered()
        assert app.change_line() != ""

    edit("{} in a very long and entirely different sentence")
    app.run("undo")
    app.wait_answered()
    assert app.change_line() == "", "what was taken back changes nothing"
    assert not app.label.engine.changes.any.any()
    app.run("redo")
    app.wait_answered()
    assert app.change_line() != ""
    app.label.filters.lab_button.click()
    assert app.change_line() == "", "it speaks of the grid"
    edit("an edit in the lab {}")
    app.label.change_line.button.click()
    assert app.label.pages.currentWidget() in (app.label.grid, app.label.nothing)
    app.label.back()
    app.label.job_bar.start.click()
    app.wait_until(lambda: app.label.job_bar.rollback.isVisibleTo(app.label.job_bar))
    assert app.change_line() == "", "the folder is labelled"
    app.wait_idle()
    edit("another {} entirely")
    write_photos(tmp_path / "other", 2)
    app.open_folder(tmp_path / "other")
    app.wait_for_photos(2)
    app.wait_answered()
    assert app.change_line() == "", "another folder"


def test_the_line_over_the_answers_is_kept_when_the_hand_lets_go(app: LabelRobot) -> None:
    scores, settings = app.label.look.scores, app.program.settings
    left, length = scores._track()
    start, end = (QPoint(round(x), 30) for x in (scores._line_x(), left + 0.6 * length))
    QTest.mousePress(scores, Qt.MouseButton.LeftButton, pos=start)
    QTest.mouseMove(scores, end)
    assert settings.min_probability == 0.0, "written when the hand lets go"
    assert app.label.engine.bars().min_probability == pytest.approx(0.6, abs=0.01)
    QTest.mouseRelease(scores, Qt.MouseButton.LeftButton, pos=end)
    assert settings.min_probability == pytest.approx(0.6, abs=0.01)
    settings.set("min_probability", 0.2)
    assert app.label.engine.bars().min_probability == 0.2, "what the hand has let go of is past"


def test_dragging_a_bar_counts_as_one_edit_and_is_kept_when_let_go(app: LabelRobot) -> None:
    bar = app.label.look.min_probability
    bar.show()
    bar.resize(260, 64)
    for value in (0.2, 0.4, 0.95):
        bar.moved.emit(value)
    app.wait_answered()
    assert app.program.settings.min_probability == 0.0, "written when the hand lets go"
    bar.settled.emit(0.95)
    app.wait_answered()
    assert app.program.settings.min_probability == 0.95
    unsure = list(app.decisions().values()).count("UNSURE")
    assert unsure > 0
    assert f"{unsure} photo" in app.change_line(), "counted from before the drag"


def test_corrections_teach_the_bars(app: LabelRobot) -> None:
    order = sorted(range(16), key=lambda i: app.session.answers.of(i)[1])
    names = app.label.book.state.names
    for i in order[:4]:
        wrong = next(name for name in names if name != app.session.answers.of(i)[0])
        app.label.review.confirm([i], wrong)
    app.label.review.confirm(order[-4:])
    app.wait_idle()
    app.wait_until(lambda: app.label.look.take.isVisibleTo(app.label.look), "no suggestion came")
    assert "8 of your 8" in app.label.look.suggestion.text()
    app.label.look.take.click()
    app.wait_answered()
    machine = app.label.engine.scored.decision
    assert [int(machine[i]) for i in order[:4]] == [Decision.UNSURE] * 4
    assert [int(machine[i]) for i in order[-4:]] == [Decision.LABEL] * 4


# --- the other pages


def test_the_lab_compares_templates_with_the_folder_names(app: LabelRobot, tmp_path: Path) -> None:
    app.label.filters.lab_button.click()
    lab = app.label.lab
    app.wait_until(lambda: lab.trial is not None and lab.trial.done == lab.trial.total)
    app.wait_idle()
    assert lab.matrix.row_names[0] == "All together"
    assert len(lab.matrix.row_names) == 1 + len(app.label.book.state.templates)
    assert "16 of 16" in lab.source.text()
    assert lab.trial is not None
    counts = lab.trial.confusion()
    assert counts.sum() == 16
    truth, answer = np.argwhere(counts == counts.max())[0]
    lab.confusion.opened.emit(int(truth), int(answer))
    assert len(app.shown()) == counts.max()
    assert "taken for" in app.session.view.keep_words
    table = tmp_path / "truth.csv"
    table.write_text(f"path,label\n{app.session.photos[0]},dog\n", encoding="utf-8")
    app.label.show_lab(True)
    lab.take_table(table)
    app.wait_until(lambda: "1 of 16" in lab.source.text())
    app.wait_idle()


def test_the_photo_is_shown_large_and_escape_leads_back(app: LabelRobot) -> None:
    app.look_at(app.shown()[1])
    app.press("Z", app.window)
    app.wait_idle()
    assert app.label.pages.currentWidget() is app.label.big
    assert app.label.big.has_image
    app.press("Right", app.window)
    app.wait_idle()
    assert app.focus() == app.shown()[2]
    app.press("Escape", app.label.big)
    assert app.label.pages.currentWidget() is app.label.grid


def test_a_recipe_is_saved_opened_and_undone(
    app: LabelRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.json"
    monkeypatch.setattr(questions, "ask_save", lambda *words: str(file))
    monkeypatch.setattr(questions, "ask_open", lambda *words: str(file))
    app.label.column.labels.save_recipe_asked.emit()
    app.wait_until(file.exists)
    saved = label_recipe.load(file)
    assert [label.name for label in saved.labels] == ["cat", "dog", "an old motorcycle"]
    assert saved.bars.min_probability == 0.0
    app.set_labels(["boat"])
    app.program.settings.min_probability = 0.7
    app.label.column.labels.open_recipe_asked.emit()
    app.wait_until(lambda: len(app.label.book.state.labels) == 3)
    app.wait_answered()
    assert app.program.settings.min_probability == 0.0
    app.run("undo")
    assert app.label.book.state.names == ("boat",)
    app.wait_answered()
    assert Settings().label_recipe


def test_unreadable_photos_are_marked_with_their_reason(start: Start, tmp_path: Path) -> None:
    write_photos(tmp_path / "mixed", 4, side=48)
    broken = write_broken(tmp_path / "mixed", 6)
    app = start(tmp_path / "mixed")
    app.wait_answered()
    failed = {name for name, mark in app.decisions().items() if mark == "FAILED"}
    assert failed == {path.name for path in broken}
    assert app.label.filters.findChildren(type(app.label.filters.everything))
    app.label.filters.choose(frozenset({Mark.FAILED}))
    assert set(app.shown()) == failed
    app.look_at(next(iter(failed)))
    app.wait_idle()
    assert app.label.look.decision.text() == "Could not be read"


def test_without_photos_the_panel_says_what_belongs_there(start: Start, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    app = start(tmp_path / "empty")
    app.wait_until(lambda: not app.session.reading)
    app.wait_until(lambda: app.label.pages.currentWidget() is app.label.empty)
    app.wait_idle()
    app.run("export")
    assert "nothing to export" in app.label.messages.text


def test_a_model_that_cannot_be_opened_is_told_where_it_matters(
    start: Start, photos: Path, tmp_path: Path
) -> None:
    app = start(photos, current_model=str(tmp_path / "no such model"))
    app.wait_until(lambda: app.label.messages.text != "")
    app.wait_idle()
    assert "no such model" in app.label.messages.text
    assert not app.label.job_bar.start.isEnabled()


def test_judged_one_by_one_several_labels_may_hold(app: LabelRobot) -> None:
    app.label.look.mode_asked.emit("multi")
    app.wait_answered()
    app.session.select(2)
    app.wait_idle()
    parts = [part for _, part in app.label.look.scores.shown]
    assert abs(sum(parts) - 1.0) > 1e-3, "independent scores need not add up"
    assert app.label.look.decision.text() == ", ".join(name for name, _ in app.label.look.scores.shown)
    assert "Margin" not in app.label.look.margin.text()
    app.label.look.mode_asked.emit("single")
    app.wait_answered()
    assert sum(part for _, part in app.label.look.scores.shown) == pytest.approx(1.0, abs=1e-4)


def test_a_tile_names_all_labels_of_its_photo_and_each_of_them_finds_it(app: LabelRobot) -> None:
    app.label.look.mode_asked.emit("multi")
    app.wait_answered()
    tile = app.grid.photos.tile(2)
    assert tile is not None
    given = app.session.answers.given(2)
    assert set(given) == {"cat", "dog", "an old motorcycle"}, "without a bar every label holds"
    assert tile[1] == f"{given[0]}, {given[1]} +1"
    app.session.select(2)
    app.wait_idle()
    assert app.label.look.decision.text().startswith(f"{given[0]}, {given[1]}"), "the surest first, as here"
    spoken = app.grid.photos.index(2).data(Qt.ItemDataRole.AccessibleTextRole)
    assert all(name in spoken for name in given)
    assert all(name in app.grid.photos.index(2).data(Qt.ItemDataRole.ToolTipRole) for name in given)
    assert {row.trail for row in app.label.column.labels.list.rows} == {"16"}
    for name in given:
        app.label.filters.choose(frozenset(), name)
        assert len(app.shown()) == 16
    app.label.filters.clear()
    app.label.review.confirm([2], given[2])
    app.wait_idle()
    tile = app.grid.photos.tile(2)
    assert tile is not None
    assert tile[1] == given[2]


def test_the_mouse_alone_can_accept_change_and_take_back(app: LabelRobot) -> None:
    name = app.shown()[4]
    app.look_at(name)
    app.wait_idle()
    second = app.label.look.scores.shown[1][0]
    app.label.look.scores.chosen.emit(second)
    assert second in app.label.look.accept.words
    app.label.look.accept.click()
    app.wait_idle()
    assert (app.decisions()[name], app.answers()[name]) == ("CONFIRMED", second)
    app.label.grid.customContextMenuRequested.emit(
        app.label.grid.visualRect(app.label.grid.currentIndex()).center()
    )
    menu = next(one for one in app.label.grid.findChildren(QMenu) if one.isVisible())
    back = next(action for action in menu.actions() if "Take back" in action.text())
    back.trigger()
    menu.close()
    app.wait_idle()
    assert app.decisions()[name] == "LABEL"


def test_a_search_that_finds_nothing_names_what_was_searched(app: LabelRobot) -> None:
    app.session.search("zebra")
    assert app.label.nothing._more.text() == "No name or folder has “zebra” in it."
    app.label.filters.choose(frozenset({Mark.LABEL}))
    assert app.label.nothing._more.text() == "None that fits the filter has “zebra” in its name or folder."
    app.session.search("")
    app.label.filters.choose(frozenset({Mark.REJECTED}))
    assert app.label.nothing._more.text() == "None fits the filter."


def test_a_filter_that_fits_nothing_offers_the_way_back(app: LabelRobot) -> None:
    app.label.filters.choose(frozenset({Mark.REJECTED}))
    assert app.shown() == []
    assert app.label.pages.currentWidget() is app.label.nothing
    app.label.nothing.action_clicked.emit()
    assert len(app.shown()) == 16
    assert app.label.pages.currentWidget() is app.label.grid


def test_every_control_has_a_name_for_those_who_do_not_see_it(app: LabelRobot) -> None:
    kinds = (QAbstractButton, QLineEdit, QComboBox, QAbstractItemView, QAbstractSpinBox, QPlainTextEdit)
    nameless = [
        f"{type(widget).__name__} in {type(widget.parent()).__name__}"
        for root in (app.label, app.label.look)
        for widget in root.findChildren(QWidget)
        if isinstance(widget, kinds) and widget.focusPolicy() != Qt.FocusPolicy.NoFocus
        if not widget.accessibleName() and not (isinstance(widget, QAbstractButton) and widget.text())
        if not isinstance(widget.parent(), QAbstractSpinBox | QComboBox | QTableView)
        if widget.isVisibleTo(root) and widget.window() is app.window
    ]
    assert nameless == []
    app.label.look.min_margin.set_value(0.25)
    assert app.label.look.min_margin.accessibleName().endswith("25%")
