"""The widgets by themselves: what they show, what they say when touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPoint,
    QPointF,
    QRect,
    QSize,
    Qt,
)
from PySide6.QtGui import QColor, QFontMetrics, QTextDocument
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QComboBox,
    QPushButton,
    QSpinBox,
    QStyledItemDelegate,
    QWidget,
)
from pytestqt.qtbot import QtBot

from desktop_app import theme, thumbnail_files
from desktop_app.figures import percent
from desktop_app.widgets import drops, section
from desktop_app.widgets.confusion_matrix import NumberTable
from desktop_app.widgets.empty_state import EmptyState
from desktop_app.widgets.feature_histogram import zero_fits
from desktop_app.widgets.image_view import ImageView, Lens
from desktop_app.widgets.message_bar import MessageBar
from desktop_app.widgets.score_bars import Bar, ScoreBars
from desktop_app.widgets.section import Column, ElidedLabel, Section, as_tip
from desktop_app.widgets.tile_view import TileView
from desktop_app.widgets.value_slider import ValueSlider
from models.errors import ImageError, UserError


class _Numbers(QAbstractListModel):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # type: ignore[override]  # noqa: B008
        return self.count

    def data(self, index: QModelIndex, role: int = 0) -> object:  # type: ignore[override]
        return str(index.row()) if role == 0 else None


def _tiles(qtbot: QtBot, count: int, flow: str = "grid") -> TileView:
    view = TileView(flow=flow)  # type: ignore[arg-type]
    qtbot.addWidget(view)
    view.numbers = _Numbers(count)  # type: ignore[attr-defined]
    view.setModel(view.numbers)  # type: ignore[attr-defined]
    view.setItemDelegate(QStyledItemDelegate(view))
    view.set_tile(QSize(100, 80), gap=10)
    view.resize(480, 400)
    view.show()
    return view


def test_tiles_are_found_where_they_are_drawn(qtbot: QtBot) -> None:
    view = _tiles(qtbot, 1_000_000)
    assert view.columns() == 4
    view.scrollTo(view.model().index(777_777, 0))
    for row in view.visible_rows():
        rect = view.visualRect(view.model().index(row, 0))
        assert view.indexAt(rect.center()).row() == row
    assert 777_777 in view.visible_rows()
    assert not view.indexAt(QPoint(1, 1)).isValid()


def test_arrows_move_by_tile_and_by_line(qtbot: QtBot) -> None:
    view = _tiles(qtbot, 10)
    view.setCurrentIndex(view.model().index(0, 0))
    seen = []
    for key in ("Right", "Down", "Down", "Down", "Left", "Up", "End", "Home"):
        qtbot.keyClick(view, getattr(Qt.Key, f"Key_{key}"))
        seen.append(view.currentIndex().row())
    assert seen == [1, 5, 9, 9, 8, 4, 9, 0]


def test_a_rubber_band_selects_what_it_touches(qtbot: QtBot) -> None:
    view = _tiles(qtbot, 10)
    first, sixth = (view.visualRect(view.model().index(row, 0)) for row in (0, 5))
    view.setSelection(first.united(sixth), QItemSelectionModel.SelectionFlag.ClearAndSelect)
    assert sorted(index.row() for index in view.selectedIndexes()) == [0, 1, 4, 5]
    view.setSelection(QRect(0, 0, 2, 2), QItemSelectionModel.SelectionFlag.ClearAndSelect)
    assert view.selectedIndexes() == []


def test_the_strip_keeps_its_tile_in_the_middle(qtbot: QtBot) -> None:
    view = _tiles(qtbot, 1000, "strip")
    view.setCurrentIndex(view.model().index(500, 0))
    view.scrollTo(view.currentIndex(), QAbstractItemView.ScrollHint.EnsureVisible)
    middle = view.visualRect(view.currentIndex()).center().x()
    assert abs(middle - view.viewport().width() // 2) < 2
    assert len(view.visible_rows()) < 10


def test_zooming_keeps_the_place_under_the_mouse(qtbot: QtBot) -> None:
    view = ImageView()
    qtbot.addWidget(view)
    view.resize(400, 300)
    view.set_image(np.zeros((300, 400, 3), np.uint8))
    point = QPointF(100, 200)
    before = view.place_at(point)
    view._zoom_at(point, 3.0)
    after = view.place_at(point)
    assert before is not None
    assert after == pytest.approx(before)
    view.lens.reset()
    assert view.place_at(QPointF(-5, 0)) is None


def test_a_shared_lens_moves_every_view_and_stays_in_the_picture(qtbot: QtBot) -> None:
    lens = Lens()
    views = [ImageView(lens=lens) for _ in range(2)]
    for view in views:
        qtbot.addWidget(view)
        view.resize(200, 200)
        view.set_image(np.zeros((50, 50, 3), np.uint8))
    lens.look(4.0, (0.0, 2.0))
    assert lens.centre == (0.125, 0.875)
    assert views[0].picture_rect() == views[1].picture_rect()
    assert views[0].picture_rect().width() == pytest.approx(800)
    views[1].toggle_zoom()
    assert lens.zoom == 1.0


def test_strokes_are_told_in_places_of_the_picture(qtbot: QtBot) -> None:
    view = ImageView()
    qtbot.addWidget(view)
    view.resize(200, 100)
    view.show()
    view.set_image(np.zeros((10, 10, 3), np.uint8))
    view.paint_mode = True
    told: list[tuple[object, ...]] = []
    view.stroke_started.connect(lambda x, y, erase: told.append(("start", round(x, 2), round(y, 2), erase)))
    view.stroke_moved.connect(lambda x, y: told.append(("move", round(x, 2), round(y, 2))))
    view.stroke_ended.connect(lambda: told.append(("end",)))
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(75, 50))
    qtbot.mouseMove(view, QPoint(125, 50))
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=QPoint(125, 50))
    assert told[0] == ("start", 0.25, 0.5, False)
    assert told[-1] == ("end",)
    told.clear()
    qtbot.mousePress(view, Qt.MouseButton.RightButton, pos=QPoint(75, 50))
    qtbot.mouseRelease(view, Qt.MouseButton.RightButton, pos=QPoint(75, 50))
    assert told[0] == ("start", 0.25, 0.5, True)


def test_layers_cover_the_image_by_their_opacity(qtbot: QtBot) -> None:
    view = ImageView()
    qtbot.addWidget(view)
    view.resize(100, 100)
    view.set_image(np.full((4, 4, 3), 255, np.uint8))
    black = np.zeros((2, 2, 4), np.uint8)
    black[..., 3] = 255
    view.set_layer("mask", black, opacity=0.5)
    assert QColor(view.grab().toImage().pixel(50, 50)).red() == pytest.approx(127, abs=2)
    view.set_layer_opacity("mask", 1.0)
    assert QColor(view.grab().toImage().pixel(50, 50)).red() == 0
    view.set_layer("mask", None)
    assert QColor(view.grab().toImage().pixel(50, 50)).red() == 255


def test_bars_are_chosen_by_mouse_and_key_and_the_line_is_dragged(qtbot: QtBot) -> None:
    bars = ScoreBars()
    qtbot.addWidget(bars)
    bars.resize(300, 100)
    bars.show()
    bars.set_bars([Bar("cat", 0.7, 0.31), Bar("dog", 0.2)])
    bars.set_threshold(0.5)
    chosen: list[str] = []
    moved: list[float] = []
    bars.chosen.connect(chosen.append)
    bars.threshold_moved.connect(moved.append)
    qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(30, 42))
    qtbot.keyClick(bars, Qt.Key.Key_Up)
    qtbot.keyClick(bars, Qt.Key.Key_Return)
    assert chosen == ["dog", "cat"]
    qtbot.mousePress(bars, Qt.MouseButton.LeftButton, pos=QPoint(150, 20))
    qtbot.mouseMove(bars, QPoint(80, 20))
    qtbot.mouseRelease(bars, Qt.MouseButton.LeftButton, pos=QPoint(80, 20))
    assert chosen == ["dog", "cat"]
    assert moved
    assert moved[-1] == pytest.approx((80 - 8) / 284)
    assert bars.accessibleDescription() == "cat 70%, dog 20%"


@pytest.mark.parametrize(("part", "words"), [(0.0, "0%"), (0.004, "0.4%"), (0.3, "30%"), (1.0, "100%")])
def test_probabilities_are_written_as_people_write_them(part: float, words: str) -> None:
    assert percent(part) == words


def test_a_slider_tells_its_value_while_dragged_and_when_settled(qtbot: QtBot) -> None:
    slider = ValueSlider("Ratio", 0.0, 0.95, 0.75, steps=95)
    qtbot.addWidget(slider)
    changed: list[float] = []
    settled: list[float] = []
    slider.changed.connect(changed.append)
    slider.settled.connect(settled.append)
    slider.set_value(0.75)
    assert changed == []
    qtbot.keyClick(slider.slider, Qt.Key.Key_Right)
    assert changed == [pytest.approx(0.76)]
    assert settled == changed


def test_messages_say_what_why_and_what_to_do(qtbot: QtBot) -> None:
    bar = MessageBar()
    qtbot.addWidget(bar)
    assert bar.text == ""
    bar.show_error(UserError("No model", "The folder is empty", "Add one"))
    assert bar.text == "No model The folder is empty. Add one."
    bar.clear()
    assert bar.text == ""


def test_a_section_folds(qtbot: QtBot) -> None:
    section = Section("Bars")
    qtbot.addWidget(section)
    section.show()
    assert section._holder.isVisible()
    section._button.click()
    assert not section._holder.isVisible()


def _turn(on: QWidget) -> None:
    """The wheel, one notch towards the hand, in the middle of a widget."""
    window = on.window()
    QTest.wheelEvent(window.windowHandle(), on.mapTo(window, on.rect().center()), QPoint(0, -120))
    QApplication.processEvents()


@pytest.mark.skipif(not hasattr(QTest, "wheelEvent"), reason="needs Qt 6.8")
def test_the_wheel_scrolls_a_column_and_turns_only_the_control_that_has_the_focus(qtbot: QtBot) -> None:
    column = Column()
    qtbot.addWidget(column)
    choice, number, slider = QComboBox(), QSpinBox(), ValueSlider("Share", 0.0, 1.0, 0.5)
    choice.addItems(["one", "two", "three"])
    section = Section("Bars")
    for control in (choice, number):
        section.body.addWidget(control)
    column.body.addWidget(section)
    column.body.addSpacing(2000)
    column.finish()
    column.resize(300, 300)
    column.show()
    column.activateWindow()
    qtbot.waitUntil(column.isActiveWindow)
    section.body.addWidget(slider)  # one that comes later
    qtbot.waitUntil(slider.isVisible)
    bar = column.verticalScrollBar()
    number.setValue(50)
    section._button.setFocus()
    for control in (choice, number, slider.slider):
        bar.setValue(0)
        _turn(control)
        assert bar.value() > 0
    assert (choice.currentIndex(), number.value(), slider.value()) == (0, 50, 0.5)
    bar.setValue(0)
    for control in (choice, number, slider.slider):
        control.setFocus()
        _turn(control)
    assert bar.value() == 0
    assert (choice.currentIndex(), number.value()) == (1, 49)
    assert slider.value() < 0.5


def test_a_long_name_is_cut_in_the_middle_and_whole_in_the_tip(qtbot: QtBot) -> None:
    label = ElidedLabel("/a/very/long/path/that/does/not/fit/anywhere.jpg")
    qtbot.addWidget(label)
    label.resize(120, 20)
    label._elide()
    assert "…" in label.text()
    assert label.toolTip() == label.words


def test_names_that_look_like_a_tag_are_shown_as_they_are(qtbot: QtBot) -> None:
    name = "leading <b>0&amp; trailing.jpg"
    label = ElidedLabel(name)
    for shown in (label, section.text(name)):
        qtbot.addWidget(shown)
        assert shown.textFormat() == Qt.TextFormat.PlainText
    tip = QTextDocument()
    tip.setHtml(label.toolTip())
    assert tip.toPlainText() == name
    assert as_tip("R&B") == "R&B"


def test_a_button_shortens_its_words_and_shows_an_ampersand(qtbot: QtBot) -> None:
    button = section.ElidedButton("It is “R&B”")
    qtbot.addWidget(button)
    button.resize(button.sizeHint())
    assert (
        button.text() == "It is “R&&B”"
    )  # Qt shows the second one, and underlines what follows a single one
    button.set_words("It is “" + "a very long label " * 10 + "”")
    button.resize(140, button.height())
    assert button.text().startswith("It is “")
    assert button.text().endswith("…")
    assert button.minimumSizeHint().width() <= 140
    assert QPushButton.sizeHint(button).width() <= 140, "the words are wider than the button"


def test_the_zero_of_a_histogram_keeps_off_the_figures_at_the_ends(qapp: object) -> None:
    metrics, ends = QFontMetrics(theme.small_font()), ("−0.54", "4.32")
    left = metrics.horizontalAdvance(ends[0])
    assert not zero_fits(metrics, left, 276, ends)
    assert zero_fits(metrics, left + 12, 276, ends)
    assert not zero_fits(metrics, 276 - metrics.horizontalAdvance(ends[1]), 276, ends)


def test_an_empty_place_offers_its_action(qtbot: QtBot) -> None:
    place = EmptyState("photos", "No photo <fits>", "Nothing matches the filter.", "Show all")
    qtbot.addWidget(place)
    column = place.layout()
    assert column is not None
    assert all(column.indexOf(label) >= 0 for label in (place._icon, place._title, place._more))
    assert place._title.textFormat() == Qt.TextFormat.PlainText
    with qtbot.waitSignal(place.action_clicked):
        place._button.click()


@pytest.mark.parametrize("table", [theme.DARK, theme.LIGHT], ids=lambda table: table.name)
def test_text_stands_out_from_what_is_behind_it(table: theme.Colours) -> None:
    def light(colour: str) -> float:
        def linear(value: float) -> float:
            return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

        r, g, b, _ = QColor(colour).getRgbF()  # type: ignore[misc]
        return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)

    def contrast(one: str, other: str) -> float:
        high, low = sorted((light(one), light(other)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for behind in (table.window, table.panel, table.raised):
        for text in (table.text, table.muted, table.accent_text, table.bad):
            assert contrast(text, behind) >= 4.5, (text, behind)
    assert contrast(table.on_accent, table.accent) >= 4.5
    assert contrast(table.text, table.selection) >= 4.5


def test_a_thumbnail_is_kept_on_disk_for_this_very_file(qapp: object, tmp_path: Path) -> None:
    from PIL import Image

    photo, folder = tmp_path / "photo.jpg", tmp_path / "kept"
    Image.new("RGB", (1000, 500), (200, 10, 10)).save(photo)
    first = thumbnail_files.load(str(photo), folder)
    assert first.shape == (thumbnail_files.SIDE // 2, thumbnail_files.SIDE, 4)
    stored = list(folder.rglob("*.jpg"))
    assert len(stored) == 1
    Image.new("RGB", (1000, 1000), (10, 10, 200)).save(photo)
    assert thumbnail_files.load(str(photo), folder).shape[0] == thumbnail_files.SIDE
    stored[0].write_bytes(b"torn")
    assert thumbnail_files.load(str(photo), folder).shape[0] == thumbnail_files.SIDE
    thumbnail_files.prune(folder, 0)
    assert not list(folder.rglob("*.jpg"))
    photo.unlink()
    with pytest.raises(ImageError):
        thumbnail_files.load(str(photo), folder)


def test_pictures_pasted_in_one_second_do_not_take_each_others_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    names = [drops._new_file(tmp_path, "now").name for _ in range(3)]
    assert names == ["now.png", "now 2.png", "now 3.png"], "taken before anything is written"
    folder = tmp_path / "pasted"
    places = [drops.save_picture(np.full((4, 6, 4), shade, np.uint8), folder) for shade in (10, 255)]
    assert [Image.open(place).mode for place in places] == ["RGBA", "RGB"]

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        drops.save_picture(np.zeros((4, 6, 4), np.uint8), folder)
    assert sorted(folder.iterdir()) == sorted(places), "nothing torn is left"


def test_the_list_of_models_says_under_which_licence_each_is(qapp: object) -> None:
    from desktop_app.widgets.model_chooser import ModelChooser
    from models.registry import list_models

    chooser, specs = ModelChooser("Model"), list_models()
    chooser.show_models(specs, specs[1].id, "")
    assert "research-only-training-data" in chooser.models.toolTip()
    assert chooser.models.toolTip().startswith(specs[1].title)
    chooser.show_models(specs, "/models/of/mine", "mine")
    assert chooser.models.toolTip() == ""


def test_tips_of_a_table_of_numbers_show_a_tag_as_it_is(qapp: object) -> None:
    table, tip = NumberTable("a table"), Qt.ItemDataRole.ToolTipRole
    table.show_numbers(["<b>"], ["<i>"], np.zeros((1, 1), np.float32), [["1"]], [["1 of “<b>”"]])
    model = table.model()
    tips = [model.headerData(0, way, tip) for way in (Qt.Orientation.Vertical, Qt.Orientation.Horizontal)]
    assert tips == ["<span>&lt;b&gt;</span>", "<span>&lt;i&gt;</span>"]
    assert model.index(0, 0).data(tip) == "<span>1 of “&lt;b&gt;”</span>"
    assert model.index(0, 0).data(Qt.ItemDataRole.AccessibleTextRole) == "1 of “<b>”"
