"""The features panel through hands and eyes, with the real workers and a tiny ConvNeXt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QWidget
from pytestqt.qtbot import QtBot

from desktop_app.panels import questions
from desktop_app.panels.features_stage import FeaturesStage
from desktop_app.panels.features_work import CHANNELS, COMPONENTS, SIMILARITY, WHY
from models.tasks import colours
from models.tasks.feature_maps import channel, numbers, principal, similarity
from tests.features_robot import FeaturesRobot, remember
from tests.photo_folder import write_photos
from tests.robot import closing
from tests.tiny_models import write_tiny_clip, write_tiny_convnext, write_tiny_mae

Start = Callable[..., FeaturesRobot]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny_convnext(folder / "convnext")
    write_tiny_convnext(folder / "other", seed=5)
    write_tiny_clip(folder / "clip")
    write_tiny_mae(folder / "mae")
    return folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_photos(folder, 5, side=96)
    return folder


@pytest.fixture
def start(models: Path, photos: Path, qapp: object) -> Iterator[Start]:
    def begin(*words: str | Path, features: str = "convnext", words_model: str = "clip") -> FeaturesRobot:
        remember(models / features, models / words_model)
        return FeaturesRobot(*(words or (photos,)))

    yield from closing(begin)


def test_the_network_runs_once_a_photo_whatever_is_looked_at(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    assert app.runs == 1
    before = app.map.copy()
    panel.side.colours.setCurrentText("magma")
    app.wait_idle()
    assert not np.array_equal(app.map, before)
    panel.work.grid.choose(3)
    panel.work.shared.setChecked(True)
    panel.work.order.setCurrentIndex(2)
    for layer in panel.engine.now.maps.layers if panel.engine.now else ():
        panel.work.network._choose(layer.name)
        app.wait_idle()
        assert panel.layer == layer.name
        assert panel.work.grid.count == layer.channels
    for tab in (COMPONENTS, SIMILARITY, WHY, CHANNELS):
        app.open_tab(tab)
    assert app.runs == 1
    app.session.step(1)
    app.wait_walked()
    assert app.runs == 2
    app.session.step(-1)
    app.wait_walked()
    assert app.runs == 2  # its maps were kept


def test_the_large_map_and_its_legend_are_those_of_the_channel(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    now = panel.engine.now
    assert now is not None
    panel.work.grid.choose(5)
    app.wait_idle()
    found = channel(now.maps, panel.layer, 5)
    assert np.array_equal(app.map, colours.paint(found.values, "viridis"))
    assert "5" in app.said
    low, high = panel.work.stage.legend.words
    assert float(low.replace("−", "-")) == pytest.approx(found.minimum, rel=0.05)
    assert float(high.replace("−", "-")) == pytest.approx(found.maximum, rel=0.05)
    panel.work.shared.setChecked(True)
    app.wait_idle()
    whole = now.maps.outputs[panel.layer]
    shared = colours.paint(found.values, "viridis", float(whole.min()), float(whole.max()))
    assert np.array_equal(app.map, shared)


def test_channels_sort_by_what_was_chosen_and_the_opacity_asks_nobody(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    assert panel.sheet is not None
    assert panel.engine.now is not None
    told = numbers(panel.engine.now.maps, panel.layer)
    assert (np.diff(told.activation[panel.sheet.grid.indices]) <= 0).all()
    panel.work.order.setCurrentIndex(1)
    app.wait_idle()
    assert (np.diff(told.variance[panel.sheet.grid.indices]) <= 0).all()
    panel.work.order.setCurrentIndex(2)
    app.wait_idle()
    assert list(panel.sheet.grid.indices) == list(range(16))
    shown = app.map
    panel.side.opacity.set_value(0.2)
    assert app.program.work.idle
    assert app.map is shown
    assert panel.shown().opacity == pytest.approx(0.2)


def test_arrows_walk_channels_and_pages_walk_stages_from_anywhere(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel, grid = app.features, app.features.work.grid
    panel.work.order.setCurrentIndex(2)
    app.wait_idle()
    app.press("Home", grid)
    assert panel.channel == 0
    app.press("Right", grid)
    app.press("Right", grid)
    app.press("Left", grid)
    assert panel.channel == 1
    app.press("End", grid)
    assert panel.channel == 15
    assert panel.layer == "stage2.block0"
    app.press("PgDown", grid)
    app.wait_idle()
    assert panel.layer == "stage3.block0"
    app.press("Shift+Down", grid)
    app.wait_idle()
    assert panel.layer == "stage4.block0"
    app.press("Shift+Up", panel.work.stage.view)
    app.wait_idle()
    assert panel.layer == "stage3.block0"
    app.press("Up", panel.work.network)
    app.wait_idle()
    assert panel.layer == "stage3.down"
    app.press("2", grid)
    app.wait_idle()
    assert panel.work.tab == COMPONENTS
    view = panel.work.stage.view
    assert app.window.focusWidget() is view  # the grid has gone, and the focus not astray
    app.press("Z", view)
    assert view.lens.zoom > 1
    app.press("Z", view)
    assert view.lens.zoom == 1
    app.press("1", view)
    assert app.window.focusWidget() is grid


def test_a_channel_stays_within_its_stage_and_starts_anew_in_another(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    panel.work.grid.choose(7)
    panel.set_layer("stage2.down")
    app.wait_idle()
    assert panel.channel == 7
    panel.set_layer("stage4.block0")
    app.wait_idle()
    assert panel.sheet is not None
    assert panel.channel == panel.sheet.grid.indices[0]


def test_components_and_similarity_are_what_the_task_says(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    now = panel.engine.now
    assert now is not None
    app.open_tab(COMPONENTS)
    found = principal(now.maps, panel.layer)
    assert np.array_equal(app.map, found.picture)
    assert panel.work.stage.legend.words[0] == f"{found.explained[0]:.0%}"
    app.open_tab(SIMILARITY)
    app.click(0.9, 0.2)
    assert panel.work.stage.view.pin == pytest.approx((0.9, 0.2), abs=0.01)
    x, y = panel.maps.pin
    like = colours.paint(similarity(now.maps, panel.layer, x, y), "viridis", -1.0, 1.0)
    assert np.array_equal(app.map, like)
    panel.side.colours.setCurrentText("cividis")
    assert not np.array_equal(app.map, like)  # painted anew at once, nothing was asked
    app.press("Left", panel.work.stage.view)  # the first step shows the place
    app.press("Up", panel.work.stage.view)
    app.press("Return", panel.work.stage.view)
    app.wait_idle()
    assert panel.maps.pin != (x, y)


def test_the_place_is_shared_and_named(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    now = panel.engine.now
    assert now is not None
    app.point(0.5, 0.5)
    view = now.maps.view
    assert app.session.place == pytest.approx(view.to_photo(0.5, 0.5), abs=0.01)
    assert panel.work.stage.view.field is not None
    assert "Row 5, column 5" in panel.side.place.text() or "Row 4, column 4" in panel.side.place.text()
    app.session.set_place(view.to_photo(0.05, 0.95))  # from another panel
    app.wait_idle()
    assert panel.side.place.text().startswith("Row 8, column 1:")
    left, top, _, bottom = panel.work.stage.view.field or (1, 1, 1, 1)
    assert left == 0
    assert bottom == 1
    assert top > 0
    offered = [int(button.text()) for button in panel.side.strong if not button.isHidden()]
    assert len(offered) == 4
    app.session.set_place(None)  # the mouse left for the buttons: they stay
    panel.side.strong[0].click()
    app.wait_idle()
    assert panel.channel == offered[0]
    assert panel.work.stage.view.field is None


def test_why_maps_follow_the_class_the_layer_and_the_method(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    app.open_tab(WHY)
    best = panel.side.classes.shown[0][0]
    assert best in app.said
    panel.side.classes.chosen.emit("fox")
    app.wait_idle()
    assert "fox" in app.said
    assert "stage2.block0" in app.said
    shown = app.map.copy()
    panel.set_layer("stage3.block0")
    app.wait_idle()
    assert "stage3.block0" in app.said
    assert not np.array_equal(app.map, shown)
    panel.side.method.setCurrentIndex(1)
    panel.side.method.activated.emit(1)
    app.wait_idle()
    assert "stage4.block0" in app.said  # a class activation map is of the last layer
    app.point(0.5, 0.5)
    assert "“fox” here:" in panel.side.place.text()
    assert app.runs == 1


def test_what_speaks_for_a_label_is_said_while_its_map_is_on_screen(start: Start) -> None:
    app = start()
    app.wait_walked()
    explained = app.features.side.explained
    nothing = explained.text()
    app.open_tab(WHY)
    assert "score" in explained.text()
    app.open_tab(COMPONENTS)
    app.session.step(1)
    app.wait_walked()
    assert explained.text() == nothing, "it was about the photo before"


def test_words_are_explained_on_the_clip_that_loads_when_first_asked(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    assert app.session.shelf.ready("zero_shot") is None
    app.session.select_label("a red cup")
    assert panel.side.words.text() == "a red cup"
    panel.side.words.returnPressed.emit()
    app.wait_until(lambda: "a red cup" in app.said, "the words were never explained")
    app.wait_idle()
    assert panel.work.tab == WHY
    assert app.session.shelf.ready("zero_shot") is not None
    app.session.select_label("a dog")  # the label chosen elsewhere is followed
    app.wait_until(lambda: "a dog" in app.said, "the other label was never explained")
    assert "a dog" in panel.side.explained.text()


def test_a_clip_that_cannot_be_opened_is_said(start: Start) -> None:
    app = start(words_model="nowhere")
    app.wait_walked()
    app.features.side.text_asked.emit("anything")
    assert app.wait_error()
    app.wait_idle()
    assert app.features.work.stage.map is None


def test_photos_that_excite_a_channel_are_scanned_once_and_kept(start: Start, photos: Path) -> None:
    app = start()
    app.wait_walked()
    app.wait_for_photos(5)
    app.wait_idle()
    panel = app.features
    assert panel.side.photos.photos == ()
    assert "5" in panel.side.photos_words.text()
    panel.side.scan.click()
    app.wait_until(lambda: not panel.scan.running, "the scan never ended")
    app.wait_idle()
    found = panel.side.photos.photos
    assert len(found) == 5
    values = [value for _, value in found]
    assert values == sorted(values, reverse=True)
    assert panel.side.scan.isHidden()
    jobs = len(app.program.work.jobs)
    panel.work.grid.choose((panel.channel + 1) % 16)
    app.wait_idle()
    other = panel.side.photos.photos
    assert len(other) == 5
    assert [value for _, value in other] != values
    assert len(app.program.work.jobs) == jobs  # from the catalogue
    panel.side.photos.chosen.emit(other[3][0])
    app.wait_walked()
    assert app.session.current_path == other[3][0]


def test_a_scan_goes_past_what_cannot_be_read(start: Start, tmp_path: Path) -> None:
    paths = write_photos(tmp_path, 3, side=64)
    (tmp_path / "broken.png").write_bytes(b"no photo")
    app = start(tmp_path)
    app.wait_for_photos(4)
    app.session.select(app.session.photos.index(str(paths[0])))
    app.wait_walked()
    panel = app.features
    panel.scan.toggle()
    app.wait_until(lambda: not panel.scan.running, "the scan never ended")
    app.wait_idle()
    assert len(panel.side.photos.photos) == 3
    assert "1" in panel.side.photos_words.text()


def test_exports_can_be_read_back(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    saved: list[str] = []
    panel.files.saved.connect(saved.append)
    names = {"grid": "grid.png", "map": "map.png", "layer": "layer.npz", "all": "all"}
    for what, name in names.items():
        monkeypatch.setattr(questions, "ask_save", lambda *_, name=name: str(tmp_path / name))
        panel.files.save(what, panel.shown())
    app.wait_until(lambda: len(saved) == 4, "not everything was written")
    now = panel.engine.now
    assert now is not None
    over = np.asarray(Image.open(tmp_path / "map.png"))
    assert over.shape == now.picture.shape
    assert not np.array_equal(over, now.picture)
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert grid.shape[1] >= 4 * 96
    layer = np.load(tmp_path / "layer.npz")
    assert np.array_equal(layer["stage2_block0"], now.maps.outputs["stage2.block0"])
    assert set(np.load(tmp_path / "all.npz")) == {"picture", *(n.replace(".", "_") for n in now.maps.outputs)}
    kept = (tmp_path / "all.npz").read_bytes()
    panel.set_layer("stem")
    panel.files.save("all", panel.shown())  # the name without its suffix: nobody was asked about replacing
    assert "all.npz is already there" in app.wait_error()
    assert (tmp_path / "all.npz").read_bytes() == kept
    panel.clear_error()
    blocked = tmp_path / "grid.png" / "below.png"
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(blocked))
    panel.files.save("map", panel.shown())
    assert app.wait_error()


def test_a_folder_of_the_wrong_kind_is_refused_in_words_and_another_model_walks(
    start: Start, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    before = panel.side.classes.shown
    monkeypatch.setattr(questions, "ask_folder", lambda *_: str(models / "mae"))
    panel.side.models.folder.click()
    said = app.wait_error()
    assert "Tiny MAE" in said or "mae" in said
    assert panel.engine.now is not None  # what was there stays
    panel.clear_error()
    monkeypatch.setattr(questions, "ask_folder", lambda *_: str(models / "other"))
    panel.side.models.folder.click()
    app.wait_until(lambda: panel.side.classes.shown != before, "the other model never came")
    app.wait_idle()
    assert not panel.messages.text


def test_a_model_that_cannot_be_walked_is_said(start: Start, tmp_path: Path) -> None:
    app = start(features="mae")
    assert "no feature maps" in app.wait_error()
    app.wait_idle()
    assert app.features.work.grid.count == 0
    app.features.do_export()  # offers nothing, breaks nothing


@pytest.mark.parametrize("kind", ["dot", "thread", "grey", "alpha"])
def test_odd_photos_give_a_picture_or_a_sentence(start: Start, tmp_path: Path, kind: str) -> None:
    pictures = {
        "dot": Image.new("RGB", (1, 1), (200, 30, 90)),
        "thread": Image.linear_gradient("L").resize((20000, 3)).convert("RGB"),
        "grey": Image.linear_gradient("L"),
        "alpha": Image.new("RGBA", (120, 80), (10, 200, 30, 90)),
    }
    path = tmp_path / "odd.png"
    pictures[kind].save(path)
    app = start(path)
    panel = app.features
    app.wait_until(
        lambda: panel.sheet is not None or panel.messages.text or panel.work.stage.view._words,
        "neither a picture nor a sentence",
    )
    app.wait_idle()
    if panel.engine.now is not None:
        for tab in (COMPONENTS, SIMILARITY, WHY, CHANNELS):
            app.open_tab(tab)
            assert panel.work.stage.map is not None
        app.point(0.5, 0.5)
        assert panel.side.place.text().startswith("Row")


def test_without_a_photo_the_panel_says_what_belongs_there(start: Start, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    app = start(tmp_path / "empty")
    app.wait_until(lambda: not app.session.reading, "the folder was never read")
    assert app.features.work.currentWidget() is app.features.work.empty
    assert "Open" in app.features.work.empty._button.text()


def test_an_unreadable_photo_leaves_nothing_of_the_one_before(start: Start, tmp_path: Path) -> None:
    first = write_photos(tmp_path, 1, side=64)[0]
    broken = tmp_path / "zz.png"
    broken.write_bytes(b"no photo")
    app = start(tmp_path)
    app.wait_for_photos(2)
    app.session.select(app.session.photos.index(str(first)))
    app.wait_walked()
    panel = app.features
    nothing = panel.side.explained.text()
    app.open_tab(WHY)
    assert "speaks for" in panel.side.explained.text() != nothing
    app.session.select(app.session.photos.index(str(broken)))
    app.wait_until(lambda: "zz.png" in panel.work.stage.view._words, "the reason was never shown")
    assert panel.work.grid.count == 0
    assert panel.side.classes.shown == []
    assert panel.side.no_classes.isHidden()
    assert panel.side.scan.isHidden()
    assert panel.side.explained.text() == nothing
    assert panel.work.stage.map is None


def test_every_control_has_a_name(start: Start) -> None:
    app = start()
    app.wait_walked()
    panel = app.features
    named = 0
    for root in (panel.work, panel.side):
        for widget in root.findChildren(QWidget):
            own = not widget.isHidden() and widget.window() is app.window
            if own and widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                words = widget.text() if isinstance(widget, QAbstractButton) else ""
                assert words or widget.accessibleName(), f"{type(widget).__name__} has no name"
                named += 1
    assert named > 15


def test_in_a_narrow_window_the_name_of_what_is_shown_stands_over_its_colours(qtbot: QtBot) -> None:
    stage = FeaturesStage()
    qtbot.addWidget(stage)
    stage.show()
    stage.show_nothing("Channel 54 of stage2.block1")
    stage.legend.set_range("viridis", -5.94, 5.69, "")
    name, legend = stage.name, stage.legend
    stage.resize(stage.minimumWidth(), 400)
    qtbot.waitUntil(lambda: name.geometry().bottom() < legend.geometry().top())
    assert name.width() >= stage.width() - 16, "all of the width is the name's"
    stage.resize(700, 400)
    qtbot.waitUntil(lambda: name.geometry().right() < legend.geometry().left())
    assert name.text() == name.words
