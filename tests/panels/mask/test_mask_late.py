"""What is on screen while answers are on their way, fail, or come when something else was asked."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QContextMenuEvent, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget

from desktop_app.panels.mask_work import COMPARE
from models.tasks.masks import make_mask
from tests.mask_robot import MaskRobot
from tests.tiny_models import write_tiny_mae

Start = Callable[..., MaskRobot]


def moved(canvas: QWidget, point: QPoint, held: Qt.MouseButton) -> None:
    """The mouse is moved over a point with these buttons held."""
    place = QPointF(point)
    event = QMouseEvent(
        QMouseEvent.Type.MouseMove,
        place,
        canvas.mapToGlobal(place),
        Qt.MouseButton.NoButton,
        held,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(canvas, event)


def asked_for_menu(widget: QWidget, reason: QContextMenuEvent.Reason) -> None:
    middle = widget.rect().center()
    QApplication.sendEvent(widget, QContextMenuEvent(reason, middle, widget.mapToGlobal(middle)))


def test_the_right_button_paints_and_opens_no_menu(app: MaskRobot) -> None:
    canvas, asked = app.mask.work.stage.canvas, []
    app.mask.work.stage.menu_asked.disconnect()
    app.mask.work.stage.menu_asked.connect(lambda *words: asked.append(words))
    asked_for_menu(canvas, QContextMenuEvent.Reason.Mouse)
    assert not asked
    asked_for_menu(canvas, QContextMenuEvent.Reason.Keyboard)
    assert len(asked) == 1
    asked_for_menu(app.mask.work.stage.panes.panes[0], QContextMenuEvent.Reason.Mouse)
    assert len(asked) == 2, "at its name"
    asked_for_menu(app.mask.work.stage.painted, QContextMenuEvent.Reason.Mouse)
    assert len(asked) == 3, "where nothing is painted on, on the picture too"


def test_a_stroke_ends_when_no_button_is_held_any_more(app: MaskRobot) -> None:
    app.set_mask_ratio(0.0)
    canvas = app.mask.work.stage.canvas
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=app.point(0, 0))
    moved(canvas, app.point(0, 1), Qt.MouseButton.LeftButton)
    # A menu or another window has had the release.
    moved(canvas, app.point(2, 1), Qt.MouseButton.NoButton)
    moved(canvas, app.point(3, 3), Qt.MouseButton.NoButton)
    assert app.hidden.sum() == 2
    assert app.undo_words() == "hide 2 patches"


def test_the_canvas_keeps_its_cursor_after_a_click(app: MaskRobot) -> None:
    canvas = app.mask.work.stage.canvas
    before = canvas.cursor().shape()
    app.click_patch(1, 1)
    assert canvas.cursor().shape() == before
    QTest.mouseClick(canvas, Qt.MouseButton.MiddleButton, pos=app.point(1, 1))
    assert canvas.cursor().shape() == before


def test_the_buttons_of_undo_and_redo_say_what_they_do_from_the_first_step_on(app: MaskRobot) -> None:
    tools = app.mask.side.tools
    assert not tools["undo"].isEnabled()
    app.click_patch(0, 0)
    name = app.undo_words()
    assert tools["undo"].isEnabled()
    assert tools["undo"].toolTip().endswith(name)
    assert not tools["redo"].isEnabled()
    app.use("undo")
    assert not tools["undo"].isEnabled()
    assert tools["redo"].toolTip().endswith(name)
    app.mask.work.ratio.slider.setValue(40)
    app.mask.work.ratio.slider.setValue(41)
    assert tools["undo"].toolTip().endswith("hide 41%"), "steps of one drag become one"


def test_keys_on_the_slider_are_not_part_of_the_drag_before_them(app: MaskRobot) -> None:
    app.set_mask_ratio(0.4)
    slider = app.mask.work.ratio.slider
    slider.setFocus()
    app.press("Right")
    assert app.mask.book.recipe.ratio == pytest.approx(0.41)
    app.use("undo")
    assert app.mask.book.recipe.ratio == pytest.approx(0.4)


def fail_at(monkeypatch: pytest.MonkeyPatch, app: MaskRobot, name: str) -> None:
    def refuse(*_: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(app.mask.engine.studio, name, refuse)


def test_a_second_model_that_fails_leaves_the_first_as_it_is(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_mae(tmp_path / "other-mae", seed=5)
    app.program.settings.model_folders = (str(tmp_path),)
    compare, panel = app.mask.work.compare, app.mask
    app.wait_until(lambda: compare.model.findData("other-mae") > 0)
    panel.work.tabs.setCurrentIndex(COMPARE)
    app.wait_idle()
    first, paint = panel.engine.now, panel.engine.studio.paint

    def only_the_first(model: Any, photo: Any, mask: Any) -> Any:
        if model is not first.model:  # type: ignore[union-attr]
            raise RuntimeError("out of memory")
        return paint(model, photo, mask)

    monkeypatch.setattr(panel.engine.studio, "paint", only_the_first)
    compare.choose_model("other-mae")
    app.wait_until(lambda: app.mask.messages.text, "nothing was said")
    app.wait_idle()
    assert panel.engine.now is first
    assert panel.work.stage.painted.has_image
    assert compare.b is None
    app.set_mask_ratio(0.3)
    app.wait_painted()


def test_a_picture_that_cannot_be_painted_is_not_shown_for_another_mask(
    app: MaskRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, app, "paint")
        app.set_mask_ratio(0.3)
        app.wait_until(lambda: app.mask.messages.text, "nothing was said")
        app.wait_idle()
    assert app.mask.result is None
    assert not app.mask.work.stage.painted.has_image
    assert app.mask.work.stage.canvas.has_image
    app.set_mask_ratio(0.4)
    app.wait_painted()


def test_a_second_model_that_opens_late_does_not_replace_a_newer_choice(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_mae(tmp_path / "other-mae", seed=5)
    app.program.settings.model_folders = (str(tmp_path),)
    compare = app.mask.work.compare
    app.wait_until(lambda: compare.model.findData("other-mae") > 0)
    app.mask.work.tabs.setCurrentIndex(COMPARE)
    app.wait_idle()
    late: list[Callable[[Any], None]] = []
    monkeypatch.setattr(app.mask.engine, "open_other", lambda name, done: late.append(done))
    compare.choose_model("other-mae")
    compare.choose_model("")
    from types import SimpleNamespace

    late[0](SimpleNamespace(error=None, value="a model"))
    assert compare._model is None
    late[0](SimpleNamespace(error=RuntimeError("no"), value=None))
    assert not app.mask.messages.text


def test_two_photos_are_never_compared(app: MaskRobot) -> None:
    compare = app.mask.work.compare
    app.mask.work.tabs.setCurrentIndex(COMPARE)
    app.wait_idle()
    assert "A and B are the same" in compare.words.words
    app.look_at("broken.jpg")
    app.wait_until(lambda: app.mask.engine.now is None)
    app.wait_idle()
    assert not any(view.has_image for view in compare.views)
    assert compare.words.words == ""
    app.look_at("b.png")
    app.wait_idle()
    assert all(view.has_image for view in compare.views)
    old = compare.b
    app.look_at("a.png")
    app.wait_painted()
    compare.b, compare._of["b"] = old, None  # B of the photo before, as it is while its answer is on its way
    compare._show()
    assert [view.has_image for view in compare.views] == [True, False, True, False]
    assert compare.words.words == ""


def test_what_was_seen_while_the_panel_was_hidden_is_painted_when_it_comes_back(app: MaskRobot) -> None:
    panel = app.mask
    app.look_at("b.png")
    app.wait_until(lambda: app.session.photo is not None)
    panel.set_active(False)
    app.wait_idle()
    panel.set_active(True)
    result = app.wait_painted()
    assert panel.engine.now is not None
    assert (result.original == panel.engine.now.view.picture).all()


def test_a_result_of_another_photo_is_not_saved_under_this_one_s_name(
    app: MaskRobot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert app.mask.shown().result is not None
    monkeypatch.setattr(app.mask.engine, "paint", lambda mask: None)
    app.look_at("b.png")
    app.wait_until(lambda: app.mask.engine.now is not None and app.mask.shown().name == "b")
    assert app.mask.shown().result is None


def test_the_numbers_are_those_of_the_mask_on_screen(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.mask.book.load(make_mask(64, 64, unit=16, ratio=0.25, seed=3))
    app.wait_painted()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "numbers.csv"), ""))
    app.mask.files.save("numbers", app.mask.shown())
    app.wait_until(lambda: (tmp_path / "numbers.csv").exists())
    app.wait_idle()
    with (tmp_path / "numbers.csv").open(encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["ratio"], row["seed"]) == ("0.25", "")
    assert np.isclose(float(row["ratio"]), int(row["hidden_patches"]) / 16)
