"""The Tab key: everything is reached, in the order of the eye, forwards as backwards, and says its name.

The mouse, for its part, takes the keys from the photos with no button, and its wheel turns no control it passes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QPushButton,
    QSlider,
    QWidget,
)

from desktop_app.settings import Settings
from desktop_app.widgets.section import Column
from tests.features_robot import remember
from tests.photo_folder import write_photos
from tests.robot import AppRobot
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

_MOST = 200


@pytest.fixture
def app(tmp_path: Path, qapp: object) -> Iterator[AppRobot]:
    models = tmp_path / "models"
    for name, write in (
        ("convnext", write_tiny_convnext),
        ("clip", write_tiny_clip),
        ("mae", write_tiny_mae),
    ):
        write(models / name)
    remember(models / "convnext", models / "clip")
    settings = Settings()
    settings.masking_model, settings.current_model = str(models / "mae"), str(models / "clip")
    settings.save()
    write_photos(tmp_path / "pictures", 3, side=96)
    robot = AppRobot(tmp_path / "pictures")
    robot.wait_for_photos(3)
    robot.wait_for_photo()
    robot.window.activateWindow()
    robot.wait_until(robot.window.isActiveWindow, "the window never became active")
    yield robot
    robot.close()


def walk(app: AppRobot, key: Qt.Key) -> list[QWidget]:
    """What one press after the other leads to, once round."""
    found: list[QWidget] = []
    for _ in range(_MOST):
        focus = app.qt.focusWidget()
        assert focus is not None
        if focus in found:
            assert focus is found[0], f"Tab turns in a circle at {focus}"
            return found
        found.append(focus)
        QTest.keyClick(focus, key)
        app.qt.processEvents()
    raise AssertionError("Tab never came back")


def wants_tab(widget: QWidget) -> bool:
    if not (widget.isVisible() and widget.isEnabled() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus):
        return False
    if widget.focusProxy() is not None:
        return False
    # Of buttons that exclude each other one takes Tab, and the arrows walk through the rest.
    return not (isinstance(widget, QAbstractButton) and widget.autoExclusive() and not widget.isChecked())


def name_of(widget: QWidget) -> str:
    face = QAccessible.queryAccessibleInterface(widget)
    return face.text(QAccessible.Text.Name) if face is not None else ""


@pytest.mark.parametrize("panel", ["label", "mask", "features"])
def test_tab_reaches_everything_in_the_order_of_the_eye(app: AppRobot, panel: str) -> None:
    window = app.window
    app.open_panel(panel)
    app.wait_idle()
    app.qt.processEvents()
    forwards, backwards = walk(app, Qt.Key.Key_Tab), walk(app, Qt.Key.Key_Backtab)
    assert forwards[1:] == backwards[:0:-1]
    missed = [one for one in window.findChildren(QWidget) if wants_tab(one) and one not in forwards]
    assert not missed
    assert not [one for one in forwards if not name_of(one)]
    inspector = app.panel.inspector
    assert inspector is not None
    # Begin at the rail: then work, strip and inspector come one after the other.
    start = next(place for place, one in enumerate(forwards) if window.rail.isAncestorOf(one))
    order = forwards[start:] + forwards[:start]
    parts = [
        "work" if app.panel.isAncestorOf(one) else "strip" if one is window.strip else "inspector"
        for one in order
        if app.panel.isAncestorOf(one) or one is window.strip or inspector.isAncestorOf(one)
    ]
    assert parts == sorted(parts, key=["work", "strip", "inspector"].index)


@pytest.mark.parametrize("panel", ["label", "mask", "features"])
def test_no_button_takes_the_keys_from_the_photos_when_it_is_pressed_with_the_mouse(
    app: AppRobot, panel: str
) -> None:
    app.open_panel(panel)
    app.wait_idle()
    kinds = (
        QPushButton,
        QCheckBox,
    )  # those that take the focus of a click; others may open a menu when pressed
    buttons = [one for kind in kinds for one in app.window.findChildren(kind) if wants_tab(one)]
    assert buttons
    for button in buttons:
        app.window.top.search.setFocus()
        QTest.mousePress(button, Qt.MouseButton.LeftButton)
        assert not isinstance(app.qt.focusWidget(), QAbstractButton), name_of(button)
        QTest.mouseRelease(button, Qt.MouseButton.LeftButton, pos=QPoint(-9, -9))
        button.setFocus(Qt.FocusReason.TabFocusReason)
        assert app.qt.focusWidget() is button, "by Tab it is reached all the same"


def test_where_the_grid_is_hidden_a_click_on_a_button_leaves_the_keys_with_the_panel(app: AppRobot) -> None:
    filters = app.panel.filters
    app.window.top.search.setFocus()
    filters.lab_button.click()
    app.wait_idle()
    QTest.mousePress(filters.lab_button, Qt.MouseButton.LeftButton)
    assert app.qt.focusWidget() is app.panel
    QTest.mouseRelease(filters.lab_button, Qt.MouseButton.LeftButton, pos=QPoint(-9, -9))


@pytest.mark.skipif(not hasattr(QTest, "wheelEvent"), reason="needs Qt 6.8")
@pytest.mark.parametrize("panel", ["label", "mask", "features"])
def test_the_wheel_turns_no_control_that_it_passes_over(app: AppRobot, panel: str) -> None:
    window = app.window
    app.open_panel(panel)
    app.wait_idle()
    combos, spins = window.findChildren(QComboBox), window.findChildren(QAbstractSpinBox)
    controls = [one for one in (*combos, *spins, *window.findChildren(QSlider)) if wants_tab(one)]
    assert controls

    def values() -> list[object]:
        return [
            one.currentIndex() if isinstance(one, QComboBox) else one.property("value") for one in controls
        ]

    inspector, before = app.panel.inspector, values()
    assert isinstance(inspector, Column)
    for control in controls:
        for notch in (120, -120, -120):
            if inspector.isAncestorOf(control):
                inspector.ensureWidgetVisible(control)
            place = control.mapTo(window, control.rect().center())
            QTest.wheelEvent(window.windowHandle(), place, QPoint(0, notch))
            app.qt.processEvents()
    assert values() == before
