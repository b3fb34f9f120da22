"""Filtering the grid by hand: exactly what was asked for, and the focus among it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QPushButton

from desktop_app.photo_list import Mark
from tests.label_robot import LabelRobot, remember
from tests.photo_folder import write_broken, write_photos
from tests.tiny_models import write_tiny_clip


@pytest.fixture
def app(tmp_path: Path, qapp: object) -> Iterator[LabelRobot]:
    write_tiny_clip(tmp_path / "tiny-clip")
    remember(tmp_path / "tiny-clip", min_probability=0.0, min_margin=0.0, background=False)
    write_photos(tmp_path / "pictures", 5, side=48)
    write_broken(tmp_path / "pictures", 3)
    robot = LabelRobot(tmp_path / "pictures")
    robot.wait_answered()
    yield robot
    robot.close()


def test_a_chip_shows_what_it_names_and_the_keys_act_on_what_is_shown(app: LabelRobot) -> None:
    marks = app.marks()
    app.session.select(marks.index(Mark.LABEL))
    chips = app.label.filters._chips
    chips[Mark.FAILED].click()
    shown = app.session.shown.tolist()
    assert shown == [place for place, mark in enumerate(marks) if mark is Mark.FAILED]
    assert app.session.current == shown[0]
    chips[Mark.FAILED].click()  # off again: every photo
    chips[Mark.LABEL].click()
    focus = app.session.current
    assert app.marks()[focus] is Mark.LABEL
    app.label.do_accept()
    app.wait_idle()
    assert app.marks()[focus] is Mark.CONFIRMED
    assert app.session.current == focus  # it does not vanish under the hand
    assert focus in app.session.shown


@pytest.mark.parametrize("size", [(900, 600), (1024, 700), (1280, 800)])
def test_every_chip_can_be_seen_and_clicked_in_a_small_window(app: LabelRobot, size: tuple[int, int]) -> None:
    filters = app.label.filters
    for word in (app.label.do_accept, app.label.do_reject):
        app.session.select(app.marks().index(Mark.LABEL))
        word()
        app.wait_idle()
    app.window.resize(*size)
    app.wait_until(lambda: app.window.size().toTuple() == size)
    app.qt.processEvents()
    named = {mark for mark in Mark if mark is not Mark.NONE}
    assert {mark for mark, chip in filters._chips.items() if chip.isVisible()} == named
    for button in filters.findChildren(QPushButton):
        if button.isVisible():
            assert button.visibleRegion().boundingRect() == button.rect(), button.text()
            assert button.width() >= button.sizeHint().width(), button.text()
