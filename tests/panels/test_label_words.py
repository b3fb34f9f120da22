"""What the Label panel says and takes: words pasted into the list, an empty list, the lab's first sentence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent

from desktop_app.panels import label_lab
from desktop_app.photo_list import Mark
from models.tasks.export import CsvOptions, Row, write_csv
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_photos


@pytest.fixture
def app(model: Path, tmp_path: Path, qapp: object) -> Iterator[LabelRobot]:
    remember(model, min_probability=0.0, min_margin=0.0, background=False)
    write_photos(tmp_path / "pictures", 6, side=48)
    robot = LabelRobot(tmp_path / "pictures")
    robot.wait_answered()
    robot.set_labels(["cat", "dog"])
    yield robot
    robot.close()


def test_words_are_pasted_into_the_list_of_labels_and_named_as_they_are_counted(app: LabelRobot) -> None:
    rows = app.label.column.labels.list
    QGuiApplication.clipboard().setText("Dog\r\nfox\r\n\r\n fox \r\nhare")
    rows.setFocus()
    asked = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    asked.ignore()
    app.qt.sendEvent(rows, asked)
    assert asked.isAccepted()  # else the window would look for photos in the clipboard
    app.press("Ctrl+V", rows)
    app.wait_answered()
    assert app.label.book.state.names == ("cat", "dog", "fox", "hare")
    assert "add 2 labels" in app.label.undo_words()[0]
    assert not app.window.messages.text


def test_all_chosen_in_a_list_are_its_rows_and_not_the_photos(app: LabelRobot) -> None:
    rows = app.label.column.labels.list
    rows.setFocus()
    app.press("Ctrl+A")
    assert rows.chosen_rows() == [0, 1]
    assert len(app.grid.selected_photos()) == 1
    app.press("Del")
    assert app.label.book.state.labels == ()


def test_where_there_is_no_label_nothing_is_said_about_changes(app: LabelRobot) -> None:
    app.label.column.labels.clear_asked.emit()
    app.wait_idle()
    assert app.change_line() == ""
    assert not app.label.filters._chips[Mark.NONE].isVisible()
    assert "Type one above" in app.label.column.labels.list.empty_words
    app.type_label("horse")
    app.wait_answered()
    assert app.change_line() == ""
    app.type_label("rose")
    app.wait_answered()
    assert "change" in app.change_line()


def test_the_lab_says_how_much_is_right_and_whose_word_the_truth_is(app: LabelRobot, tmp_path: Path) -> None:
    shown = app.answers()
    rows = [
        Row(path=path, label=shown[Path(path).name], decision="label", source="person" if place else "model")
        for place, path in enumerate(app.session.photos)
    ]
    write_csv(rows, tmp_path / "truth.csv", CsvOptions())
    lab = app.label.lab
    app.label.show_lab(True)
    lab.take_table(tmp_path / "truth.csv")
    app.wait_until(lambda: "truth.csv" in lab.source.text(), "the table was never read")
    app.wait_idle()
    assert "All templates together get 100% of them right." in lab.source.text()
    assert "For 1 the table says that a model said so" in lab.source.text()


def test_a_comma_is_told_and_without_a_label_one_is_asked_for(app: LabelRobot) -> None:
    app.type_label("red, blue")
    assert app.label.book.state.names[-2:] == ("red", "blue")
    told = "A comma parts labels: 2 were added. Edit, Undo takes them back."
    app.wait_until(lambda: app.status() == told)
    app.label.column.labels.clear_asked.emit()
    decision = app.label.look.decision
    app.wait_until(lambda: decision.text().startswith("Add a label at the left"))
    app.label.column.labels.add_asked.emit("a cat\na dog")
    app.wait_answered()
    assert decision.text() in ("a cat", "a dog")


def test_undo_and_redo_say_what_they_did(app: LabelRobot) -> None:
    said: list[str] = []
    app.session.notify.listen(lambda message: said.append(message.title))
    app.label.review.confirm([0], "dog")
    app.wait_idle()
    app.session.select(5)  # what is undone may be out of sight
    app.run("undo")
    app.wait_idle()
    app.run("redo")
    app.wait_idle()
    told = [words.split(":")[0] for words in said if "“dog”, 1 photo" in words]
    assert told == ["Taken back", "Made again"]
    app.label.review.confirm([1], "dog")
    app.label.review.confirm([2], "dog")
    told = [words.split(":")[0] for words in said if "“dog”, 1 photo" in words]
    assert told[2:] == ["Done"], "what is done next takes the place of what was undone, and is then quiet"


def test_a_table_without_any_figure_has_no_shades() -> None:
    """Where no photo can be read, no template says anything about any label."""
    nothing = np.full((2, 3), np.nan, np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(label_lab._spread(nothing)).all()
    some = np.array([[0.2, np.nan, 0.4], [0.3, np.nan, np.nan]], np.float32)
    shades = [[0, np.nan, 1], [0.5, np.nan, np.nan]]
    np.testing.assert_allclose(label_lab._spread(some), shades, atol=1e-6)
    assert np.isnan(label_lab._spread(nothing[:, :0])).all()
