"""What a person decides in the Label panel: accept, reject, change, rename, undo, by keys and in full screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import (
    QAbstractButton,
)

from desktop_app.figures import percent
from desktop_app.photo_list import Mark
from desktop_app.widgets import marks
from desktop_app.widgets.viewer import Viewer
from models.errors import UserError
from models.tasks.prompts import Label
from tests.label_robot import LabelRobot
from tests.panels.conftest import Start


def test_words_of_a_person_stay_and_are_undone_by_name(app: LabelRobot) -> None:
    name = app.shown()[2]
    app.look_at(name)
    before = app.answers()[name]
    other = 1 if before != "cat" else 2
    app.press(str(other), app.window)
    assert app.decisions()[name] == "CONFIRMED"
    assert app.answers()[name] == ("cat" if other == 1 else "dog")
    app.wait_idle()
    app.window.refresh_actions()
    assert "confirm" in app.window.actions_by_name["undo"].text()
    app.edit_template(0, "a completely different {}")
    app.wait_answered()
    assert app.decisions()[name] == "CONFIRMED", "no edit touches it"
    app.run("undo")
    app.wait_answered()
    assert app.label.book.state.templates[0].text != "a completely different {}"
    app.run("undo")
    app.wait_answered()
    assert (app.decisions()[name], app.answers()[name]) == ("LABEL", before)
    app.run("redo")
    app.wait_answered()
    assert app.decisions()[name] == "CONFIRMED"
    app.look_at(name)
    app.press("0", app.window)
    app.wait_idle()
    assert app.decisions()[name] == "LABEL"


def test_accept_and_reject_work_on_all_chosen_photos(app: LabelRobot) -> None:
    app.label.grid.setFocus()
    app.run("select_all")
    app.press("Return", app.window)
    assert set(app.decisions().values()) == {"CONFIRMED"}
    app.wait_idle()
    app.run("undo")
    app.wait_idle()
    assert set(app.decisions().values()) == {"LABEL"}, "one step for all sixteen"
    app.look_at(app.shown()[3])
    app.press("Del", app.window)
    app.wait_idle()
    assert list(app.decisions().values()).count("REJECTED") == 1
    assert app.label.look.history.text() != ""


def test_a_word_is_kept_when_the_folder_is_opened_again(app: LabelRobot, photos: Path, start: Start) -> None:
    name = app.shown()[5]
    app.look_at(name)
    app.press("3", app.window)
    app.wait_idle()
    app.close()
    again = start(photos)
    again.wait_answered()
    assert again.decisions()[name] == "CONFIRMED"
    assert again.answers()[name] == "an old motorcycle"
    assert again.label.book.state.names == ("cat", "dog", "an old motorcycle"), "the labels are remembered"


def test_undo_reaches_what_is_open_and_what_an_earlier_day_left_stays(
    app: LabelRobot, photos: Path, start: Start
) -> None:
    def confirm_one() -> str:
        app.look_at(app.shown()[2])
        app.press("3", app.window)
        app.wait_idle()
        return app.shown()[2]

    def open_(folder: Path) -> None:
        app.open_folder(folder)
        app.wait_for_photos(8)
        app.wait_answered()

    def undo() -> None:
        app.press("Ctrl+Z", app.window)
        app.wait_idle()

    open_(photos / "dog")
    dog = confirm_one()
    app.close()
    app = start(photos / "dog")
    app.wait_answered()
    assert app.label.undo_words() == ("", "")
    undo()
    assert app.decisions()[dog] == "CONFIRMED"
    open_(photos / "cat")
    cat = confirm_one()
    open_(photos / "dog")
    assert app.label.undo_words() == ("", "")
    undo()
    assert not app.status().startswith("Taken back")
    app.look_at(dog)
    app.press("0", app.window)
    app.wait_idle()
    open_(photos / "cat")
    assert app.decisions()[cat] == "CONFIRMED"
    assert "confirm" in app.label.undo_words()[0]
    undo()
    assert app.decisions()[cat] == "LABEL"
    undo()
    open_(photos / "dog")
    assert app.decisions()[dog] == "LABEL"
    assert "clear" in app.label.undo_words()[0]
    undo()
    assert app.decisions()[dog] == "CONFIRMED"


def test_what_was_said_under_the_old_name_of_a_label_is_moved_if_one_wants(
    app: LabelRobot, photos: Path
) -> None:
    def open_(folder: Path, count: int) -> None:
        app.open_folder(folder)
        app.wait_for_photos(count)
        app.wait_answered()

    def confirmed() -> list[str]:
        marks, shown = app.decisions(), app.answers()
        return sorted(shown[name] for name, mark in marks.items() if mark == "CONFIRMED")

    def press(keys: str) -> None:
        app.press(keys, app.window)
        app.wait_answered()

    line, labels = app.label.renamed, app.label.column.labels.list
    app.label.grid.setFocus()
    app.session.select(9)
    press("3")
    open_(photos / "cat", 8)
    for place in (1, 2):
        app.session.select(place)
        press("3")

    app.edit_row(labels, 2, "a motorbike")
    app.wait_answered()
    assert line.text == "2 photos are confirmed as “an old motorcycle”."
    assert line.button.text() == "Move them to “a motorbike”"
    assert confirmed() == ["an old motorcycle"] * 2, "nobody was asked"
    line.button.click()
    app.wait_answered()
    assert line.text == ""
    assert confirmed() == ["a motorbike"] * 2
    assert set(app.session.catalog.confirmed().values()) == {"a motorbike", "an old motorcycle"}
    assert app.label.undo_words()[0] == "move to “a motorbike”, 2 photos"
    press("Ctrl+Z")
    assert confirmed() == ["an old motorcycle"] * 2
    assert line.text != ""
    press("Ctrl+Z")
    assert line.text == "", "it is called so again"
    press("Ctrl+Shift+Z")
    press("Ctrl+Shift+Z")
    assert confirmed() == ["a motorbike"] * 2

    open_(photos, 16)
    assert line.text == "1 photo is confirmed as “an old motorcycle”."
    line.findChildren(QAbstractButton)[-1].click()
    press("0")
    assert line.text == ""
    assert confirmed().count("an old motorcycle") == 1


def test_what_a_label_is_not_is_not_the_same_label_under_another_name(app: LabelRobot) -> None:
    names, catalog = list(app.label.book.state.names), app.session.catalog
    app.look_at(app.shown()[0])
    old = app.answers()[app.focus()]
    app.press("Del", app.window)
    app.edit_row(app.label.column.labels.list, names.index(old), "a pet")
    app.wait_answered()
    assert app.label.renamed.text == f"1 photo is rejected as “{old}”."
    assert app.label.renamed.button.text() == "Move it to “a pet”"
    app.label.renamed.button.click()
    app.wait_answered()
    assert app.label.renamed.text == ""
    record = catalog.photo(app.session.current_path)
    assert record is not None
    assert set(catalog.answers([record.id])[record.id].rejected) == {old, "a pet"}


def test_of_unknown_photos_nothing_is_accepted_or_rejected_that_was_not_chosen(app: LabelRobot) -> None:
    look = app.label.look
    look.background.click()
    app.wait_answered()
    bar = float(np.median(app.label.engine.scored.fit))
    look.min_known_moved.emit(bar, True)
    app.wait_answered()
    before = app.decisions()
    unknown = [name for name, mark in before.items() if mark == "UNKNOWN"]
    assert 1 < len(unknown) < 16
    app.look_at(unknown[0])
    app.wait_idle()
    assert not look.accept.isEnabled()
    assert not look.reject.isEnabled()
    for key, verb in (("Del", "reject"), ("Return", "accept")):
        app.press(key)
        app.wait_until(lambda verb=verb: verb in app.status())
        assert "1 photo has no label" in app.status()
        assert app.decisions() == before
    app.press("Ctrl+A")
    app.press("Return")
    app.wait_idle()
    assert [name for name, mark in app.decisions().items() if mark != "CONFIRMED"] == unknown
    assert f"{len(unknown)} photos have no label to accept" in app.status()
    assert len(app.program.catalog.confirmed()) == 16 - len(unknown)
    app.run("undo")
    app.wait_idle()
    assert app.decisions() == before


@pytest.mark.parametrize("place", [0, 1])
def test_a_bar_that_was_clicked_is_a_label_for_an_unknown_photo(app: LabelRobot, place: int) -> None:
    look = app.label.look
    look.background.click()
    look.min_known_moved.emit(1.0, True)
    app.wait_answered()
    app.look_at(app.shown()[4])
    app.wait_idle()
    name = look.scores.shown[place][0]
    look.scores.chosen.emit(name)
    assert name in look.accept.words
    look.accept.click()
    app.wait_idle()
    assert app.answers()[app.focus()] == name
    assert list(app.decisions().values()).count("CONFIRMED") == 1


def test_a_label_from_before_the_photo_became_unreadable_is_not_accepted(app: LabelRobot) -> None:
    app.session.select(3)
    app.session.report_failure(app.session.current_path, UserError("It is gone"))
    app.label.do_accept()
    app.wait_idle()
    assert app.program.catalog.confirmed() == {}


def test_after_a_click_on_a_button_the_keys_go_on_with_the_photos(app: LabelRobot) -> None:
    app.window.activateWindow()
    app.wait_until(app.window.isActiveWindow, "the window never became active")
    names, look, filters = app.shown(), app.label.look, app.label.filters
    app.look_at(names[2])
    app.wait_idle()
    app.click(look.accept)
    app.press("Right")
    app.press("Space")
    assert app.focus() == names[4]
    assert {name for name, mark in app.decisions().items() if mark != "LABEL"} == {names[2]}
    assert app.decisions()[names[2]] == "CONFIRMED"
    app.wait_idle()
    app.type("cat", app.label.column.labels.entry)
    app.click(look.reject)
    app.press("Left")
    app.press("2")
    assert app.label.column.labels.entry.text() == "cat"
    assert app.focus() == names[3]
    assert (app.decisions()[names[4]], app.answers()[names[3]]) == ("REJECTED", "dog")
    app.click(filters._chips[Mark.LABEL])
    app.press("End")
    app.press("Space")
    assert app.focus() == app.shown()[-1] == names[-1]
    assert filters.wanted == {Mark.LABEL}


def test_from_the_lab_back_to_the_photos_by_mouse_the_keys_come_along(app: LabelRobot) -> None:
    app.window.activateWindow()
    app.wait_until(app.window.isActiveWindow, "the window never became active")
    names = app.shown()
    app.look_at(names[2])
    app.click(app.label.filters.lab_button)
    app.wait_idle()
    app.click(app.label.filters.grid_button)
    app.press("Right")
    assert app.focus() == names[3]
    assert app.label.pages.currentWidget() is app.label.grid


def test_in_full_screen_a_photo_has_the_mark_and_words_of_its_tile_and_answers_the_keys(
    app: LabelRobot,
) -> None:
    app.look_at(app.shown()[2])
    app.wait_for_photo()
    app.wait_idle()
    label, probability, _ = app.session.answer(app.session.current)
    app.run("full_screen")
    viewer = next(one for one in app.qt.topLevelWidgets() if isinstance(one, Viewer))

    def shown() -> tuple[str, Mark]:
        drawn = viewer._mark.pixmap().toImage()
        assert drawn.width() == drawn.height()
        same = [one for one in Mark if marks.icon(one).pixmap(drawn.size(), 1.0).toImage() == drawn]
        assert len(same) == 1
        return viewer._said.text(), same[0]

    assert shown() == (f"{label} {percent(probability)}", Mark.LABEL)
    app.press("Return", on=viewer)
    assert shown() == (label, Mark.CONFIRMED)
    assert not viewer._said.font().strikeOut()
    app.press("Del", on=viewer)
    assert shown() == (label, Mark.REJECTED)
    assert viewer._said.font().strikeOut()
    app.press("0", on=viewer)
    assert not viewer._said.font().strikeOut()
    app.wait_idle()
    app.label.look.background.click()
    app.label.look.min_known_moved.emit(1.0, True)
    app.wait_answered()
    assert shown() == ("Unknown", Mark.UNKNOWN)
    app.press("Return", on=viewer)
    app.wait_until(lambda: "no label to accept" in viewer._told.text())
    assert shown() == ("Unknown", Mark.UNKNOWN)
    app.press("Esc", on=viewer)


def test_what_is_confirmed_under_a_name_of_two_labels_is_offered_to_neither(app: LabelRobot) -> None:
    rows, book = app.label.column.labels.list, app.label.book
    app.session.select(0)
    app.press("3", app.window)
    app.wait_answered()
    old = book.state.names[2]
    app.edit_row(rows, 2, "a motorbike")
    app.wait_answered()
    assert app.label.renamed.text != ""
    book.add_labels([Label(old)], "add")
    app.wait_answered()
    app.edit_row(rows, len(book.state.names) - 1, "a moped")
    app.wait_answered()
    assert app.label.renamed.text == ""


def test_what_is_confirmed_cannot_be_accepted_again(app: LabelRobot) -> None:
    look = app.label.look
    app.look_at(app.shown()[2])
    app.wait_idle()
    assert look.accept.isEnabled()
    app.press("2", app.window)
    app.wait_idle()
    assert (look.decision.text(), look.accept.isEnabled()) == ("“dog”, confirmed by you", False)
    other = next(name for name, _ in look.scores.shown if name != "dog")
    look.scores.chosen.emit(other)
    assert (look.accept.words, look.accept.isEnabled()) == (f"It is “{other}”", True)
    assert look.decision.text() == "“dog”, confirmed by you"
    look.scores.chosen.emit("dog")
    assert (look.accept.words, look.accept.isEnabled()) == ("Accept", False)


def test_what_was_rejected_is_not_accepted_with_the_others(app: LabelRobot) -> None:
    app.look_at(app.shown()[2])
    app.press("Del")
    app.wait_idle()
    rejected = app.focus()
    assert not app.label.look.accept.isEnabled()
    app.press("Ctrl+A")
    app.press("Return")
    app.wait_idle()
    assert [name for name, mark in app.decisions().items() if mark != "CONFIRMED"] == [rejected]
    assert "1 photo has no label to accept" in app.status()


def test_the_keys_decide_nothing_of_a_photo_that_no_filter_shows(app: LabelRobot) -> None:
    app.look_at(app.shown()[2])
    app.label.filters.choose(frozenset({Mark.REJECTED}))
    app.wait_idle()
    assert app.shown() == []
    app.press("1", app.window)
    app.press("Return", app.window)
    app.wait_idle()
    assert app.program.catalog.confirmed() == {}


def test_undo_passes_over_a_step_of_which_some_photos_are_out_of_sight(app: LabelRobot, photos: Path) -> None:
    app.press("Ctrl+A")
    app.press("1")
    app.wait_idle()
    app.open_folder(photos / "cat")
    app.wait_for_photos(8)
    app.wait_answered()
    assert "confirm" not in app.label.undo_words()[0]
    app.press("Ctrl+Z", app.window)
    app.wait_idle()
    assert len(app.program.catalog.confirmed()) == 16


def test_what_is_undone_before_the_photos_were_looked_up_is_undone_on_screen_too(
    app: LabelRobot, photos: Path
) -> None:
    app.open_folder(photos / "cat")
    app.wait_for_photos(8)
    app.wait_answered()
    app.session.select(1)
    app.press("1", app.window)
    app.wait_idle()
    app.open_folder(photos / "dog")
    app.wait_for_photos(8)
    app.wait_answered()
    app.open_folder(photos / "cat")
    app.wait_for_photos(8)
    app.press("Ctrl+Z", app.window)
    app.wait_answered()
    assert app.program.catalog.confirmed() == {}
    assert "CONFIRMED" not in app.decisions().values()


def test_in_full_screen_the_keys_are_about_the_photo_that_is_seen(app: LabelRobot) -> None:
    app.look_at(app.shown()[2])
    app.wait_for_photo()
    app.press("Ctrl+A")
    app.run("full_screen")
    viewer = next(one for one in app.qt.topLevelWidgets() if isinstance(one, Viewer))
    app.press("Return", on=viewer)
    app.wait_idle()
    assert [name for name, mark in app.decisions().items() if mark == "CONFIRMED"] == [app.focus()]
    app.press("Esc", on=viewer)
    app.wait_idle()
    app.press("Return")
    app.wait_idle()
    assert list(app.decisions().values()).count("CONFIRMED") == 16
