"""The masking panel through hands and eyes: slider, brush, keys, undo, files, models, sweep, compare, places."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QMenu, QSpinBox

from desktop_app import paths
from desktop_app.panels import questions
from desktop_app.panels.mask_work import COMPARE, PAINT, SWEEP
from models.tasks.masks import Mask, Strategy, from_json, make_mask, to_json
from tests.mask_robot import MaskRobot
from tests.tiny_models import write_tiny_clip, write_tiny_mae

Start = Callable[..., MaskRobot]


def test_the_mask_moves_at_once_and_the_picture_follows(app: MaskRobot) -> None:
    first = app.mask.result
    assert app.share() == "75%"
    app.set_mask_ratio(0.5)
    assert app.share() == "50%"
    assert app.hidden.sum() == 8
    assert app.mask.result is first
    result = app.wait_painted()
    assert result.patches.sum() == 8
    rows = app.mask.side.figures.rows
    assert [name for name, _, _ in rows] == ["the model", "interpolation", "mean colour"]
    assert all("dB" in psnr for _, _, psnr in rows)
    assert "8 of 16 patches" in app.mask.side.tokens.text()
    assert "which spared it" in app.mask.side.tokens.text()


def test_a_long_drag_ends_at_the_last_tick_and_paints_few_of_them(app: MaskRobot) -> None:
    painted: list[object] = []
    app.mask.engine.painted.connect(painted.append)
    for percent in [*range(0, 96), *range(95, 29, -1)]:
        app.mask.work.ratio.slider.setValue(percent)
    assert app.wait_painted().mask.ratio == pytest.approx(0.3, abs=0.05)
    assert 1 <= len(painted) < 80  # of 162; how many depends on who else computes


def test_the_ratio_by_keyboard_and_by_the_ticks(app: MaskRobot) -> None:
    slider = app.mask.work.ratio.slider
    slider.setFocus()
    app.press("PgDown")
    assert slider.value() == 70
    app.press("Left")
    assert slider.value() == 69
    app.press("Home")
    assert slider.value() == 0
    app.press("End")
    assert slider.value() == 95
    assert app.wait_painted().patches.sum() == 15


def test_where_strokes_count_too_the_slider_says_so_and_lights_no_tick(app: MaskRobot) -> None:
    ratio = app.mask.work.ratio
    app.set_mask_ratio(0.75)
    assert (ratio.shown, ratio._ticks.lit) == (("75%", "12 of 16 patches"), True)
    row, column = np.argwhere(app.hidden)[0].tolist()
    app.click_patch(row, column, right=True)
    assert (ratio.shown, ratio._ticks.lit) == (("69%", "11 of 16, painted"), False)
    app.use("clear")
    assert (ratio.shown, ratio._ticks.lit) == (("75%", "12 of 16 patches"), True)


def test_in_the_sweep_a_ratio_between_two_columns_marks_neither(app: MaskRobot) -> None:
    strip = app.mask.work.sweep.strip
    for ratio, marked in ((0.75, None), (0.8, 0.8), (0.306, 0.3)):
        strip.set_ratio(ratio)
        assert strip.marked == (pytest.approx(marked) if marked else None)


def test_every_strategy_gives_its_own_mask(app: MaskRobot) -> None:
    app.set_mask_ratio(0.5)
    seen = set()
    for strategy in Strategy:
        app.choose_strategy(strategy)
        assert app.mask.work.strategies.buttons[strategy].isChecked()
        assert app.hidden.sum() == 8
        assert app.wait_painted().mask == make_mask(64, 64, unit=16, ratio=0.5, strategy=strategy)
        seen.add(app.hidden.tobytes())
    assert len(seen) == len(Strategy)


def test_units_and_seeds(app: MaskRobot) -> None:
    side = app.mask.side
    assert [side.unit.itemData(i) for i in range(side.unit.count())] == [16, 32]
    side.unit.setCurrentIndex(1)
    side.unit.activated.emit(1)
    assert app.hidden.shape == (2, 2)
    assert app.wait_painted().patches.shape == (4, 4)
    side.unit.activated.emit(0)
    before = app.hidden.copy()
    side.seed.setValue(7)
    assert (app.hidden != before).any()
    side.seed.setValue(0)
    assert (app.hidden == before).all()
    side.dice.click()
    assert app.undo_words().startswith("seed ")


def test_the_seed_stays_for_the_next_photo_unless_unlocked(app: MaskRobot) -> None:
    app.look_at("b.png")
    app.wait_painted()
    assert app.mask.book.recipe.seed == 0
    app.mask.side.lock.click()
    seeds = set()
    for name in ("a.png", "b.png", "a.png"):
        app.look_at(name)
        app.wait_painted()
        seeds.add(app.mask.book.recipe.seed)
    assert len(seeds) > 1


def test_patches_are_painted_by_click_drag_and_brush(app: MaskRobot) -> None:
    app.set_mask_ratio(0.0)
    app.click_patch(1, 2)
    assert app.hidden.sum() == 1
    assert app.hidden[1, 2]
    app.click_patch(1, 2)
    assert not app.hidden.any()
    app.drag((0, 0), (0, 3))
    assert app.hidden[0].all()
    assert app.undo_words() == "hide 4 patches"
    app.click_patch(0, 1, right=True)
    assert app.hidden.sum() == 3
    app.mask.side.brush.set_value(3)
    app.click_patch(2, 1)
    assert app.hidden[1:4, 0:3].all()
    assert app.wait_painted().patches.sum() == app.hidden.sum()
    assert app.share() == f"{app.hidden.mean():.0%}"
    for _ in range(5):
        app.use("undo")
    assert not app.hidden.any()
    app.use("redo")
    assert app.hidden[1, 2]


def test_painting_by_keyboard_alone(app: MaskRobot) -> None:
    app.set_mask_ratio(0.0)
    canvas = app.mask.work.stage.canvas
    app.keys_on_canvas("Right", "Down", "Space")
    assert app.hidden[1, 1]
    assert "Row 2, column 2: hidden" in canvas.accessibleDescription()
    app.keys_on_canvas("Right", "Shift+Right", "Shift+Down", "Space")
    assert app.hidden[1:3, 2:4].all()
    assert app.hidden.sum() == 5
    assert app.session.current == 0
    app.keys_on_canvas("Esc", "Left", "Space")
    assert not app.hidden[2, 2]
    assert app.hidden.sum() == 4
    app.run("undo")
    assert app.hidden.sum() == 5
    assert app.undo_words() == "hide 4 patches"


def test_edit_names_what_undo_would_take_back(app: MaskRobot) -> None:
    app.set_mask_ratio(0.4)
    app.window.refresh_actions()
    assert "hide 40%" in app.window.actions_by_name["undo"].text()
    app.use("invert")
    app.window.refresh_actions()
    assert "exchange hidden and visible" in app.window.actions_by_name["undo"].text()
    assert app.mask.side.tools["undo"].isEnabled()
    assert not app.mask.side.tools["redo"].isEnabled()


def test_hovering_tells_the_place_and_another_panels_place_is_marked(app: MaskRobot) -> None:
    app.set_mask_ratio(0.0)
    app.click_patch(1, 1)
    result = app.wait_painted()
    error = app.mask.work.stage.error
    QTest.mouseMove(error, QPoint(1, 1))  # where the mouse already is, moving it says nothing
    QTest.mouseMove(error, app.point(1, 1, error))
    assert app.session.place is not None
    x, y = app.session.place
    # The model sees the middle square of a photo of 160 by 120.
    assert (x, y) == (pytest.approx(0.125 + 0.375 * 0.75, abs=0.02), pytest.approx(0.375, abs=0.02))
    assert f"{result.error[1, 1]:.0f} of 255" in app.mask.side.patch.text()
    app.session.set_place((0.5 + 0.75 / 8, 0.125))
    assert "Row 1, column 3: visible" in app.mask.side.patch.text()
    app.session.set_place((0.01, 0.5))
    assert "Point at a patch" in app.mask.side.patch.text()


def test_why_three_quarters_is_measured_on_this_photo(app: MaskRobot) -> None:
    said = app.mask.side.why.text()
    assert "With 19% hidden" in said
    assert "The encoder" not in said
    assert "4 of 16 patches" in said


def test_masks_are_saved_and_loaded(app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app.choose_strategy(Strategy.BLOCK)
    app.click_patch(0, 0)
    mask = app.mask.book.mask
    assert mask is not None
    for name in ("mask.json", "mask.png"):
        path = tmp_path / name
        monkeypatch.setattr(questions, "ask_save", lambda *_, path=path: str(path))
        monkeypatch.setattr(questions, "ask_open", lambda *_, path=path: str(path))
        app.use("save")
        app.wait_idle()
        app.use("invert")
        assert app.mask.book.mask != mask
        app.use("load")
        app.wait_idle()
        assert app.mask.book.mask == mask
        assert not any(button.isChecked() for button in app.mask.work.strategies.buttons.values())
    assert from_json((tmp_path / "mask.json").read_text()) == mask
    assert app.undo_words() == "load a mask"


def test_a_file_that_is_no_mask_is_refused_in_words(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"hello": 1}))
    monkeypatch.setattr(questions, "ask_open", lambda *_: str(bad))
    before = app.mask.book.mask
    app.use("load")
    app.wait_idle()
    assert "This is no mask file" in app.what_went_wrong()
    assert app.mask.book.mask == before


def test_a_mask_for_another_model_is_fitted(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.json"
    path.write_text(to_json(Mask(np.tri(14, dtype=np.bool_), 16, 224, 224)))
    monkeypatch.setattr(questions, "ask_open", lambda *_: str(path))
    app.use("load")
    app.wait_idle()
    assert app.hidden.shape == (4, 4)
    assert app.hidden[3, 0]
    assert not app.hidden[0, 3]


def test_everything_on_screen_can_be_saved(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(parent: object, title: str, kinds: str, proposal: str) -> str:
        asked.append(title)
        return str(tmp_path / Path(proposal).name)

    monkeypatch.setattr(questions, "ask_save", ask)
    app.wait_painted()
    app.run("export")
    menu = app.mask.findChild(QMenu)
    assert menu is not None
    assert menu.isVisible()
    menu.close()
    shown = app.mask.shown()
    pictures = ("original", "masked", "reconstruction", "pasted", "error", "row")
    for what in (*pictures, "numbers", "mask"):
        app.mask.files.save(what, shown)
    app.wait_idle()
    sizes = {what: Image.open(tmp_path / f"a-{what}.png").size for what in pictures}
    assert set(sizes.values()) == {(64, 64), (64 * 5 + 16, 64)}
    numbers = (tmp_path / "a-numbers.csv").read_text().splitlines()
    assert numbers[0].startswith("ratio,seed")
    assert numbers[1].startswith("0.75,0,16,12,16,4,")
    assert (tmp_path / "a-mask.json").exists()
    assert len(asked) == 8


def test_a_name_given_without_its_suffix_replaces_no_file_that_nobody_named(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("somebody's own")
    app.wait_painted()
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(tmp_path / "mine"))
    app.mask.files.save("mask", app.mask.shown())
    app.wait_idle()
    assert mine.read_text() == "somebody's own"
    assert "already there" in app.what_went_wrong()
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(mine))
    app.mask.files.save("mask", app.mask.shown())
    app.wait_idle()
    assert "pinhole_mask" in mine.read_text(), "the dialog asked before it gave this name"


def test_a_file_that_cannot_be_written_says_why(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(tmp_path / "nowhere" / "a.png"))
    app.mask.files.save("pasted", app.mask.shown())
    app.wait_idle()
    assert "could not be written" in app.what_went_wrong()


def test_the_sweep_fills_the_strip_and_the_curve(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.mask.work.tabs.setCurrentIndex(SWEEP)
    sweep = app.mask.work.sweep
    sweep.seeds.setValue(2)
    app.mask.side.sweep.click()
    app.wait_until(lambda: not sweep.running and len(sweep.steps) == 18)
    assert sweep.strip.count == sweep.curve.points == app.mask.side.curve.points == 9
    assert sweep.state.words == "18 of 18 pictures"
    assert app.mask.side.curve.marked == pytest.approx(0.75)
    monkeypatch.setattr(questions, "ask_save", lambda *args: str(tmp_path / Path(args[3]).name))
    for what in ("strip", "animation", "numbers"):
        sweep.export_asked.emit(what)
    app.wait_idle()
    assert getattr(Image.open(tmp_path / "a-animation.gif"), "n_frames", 1) == 16
    assert Image.open(tmp_path / "a-strip.png").size == (64 * 9 + 32, 132)
    assert len((tmp_path / "a-numbers.csv").read_text().splitlines()) == 19
    QTest.keyClick(sweep.strip, Qt.Key.Key_Right)
    QTest.keyClick(sweep.strip, Qt.Key.Key_Return)
    assert app.mask.book.recipe.ratio == pytest.approx(0.2)
    assert app.mask.side.curve.marked == pytest.approx(0.1875)
    app.look_at("b.png")
    app.wait_painted()
    assert sweep.strip.count == 0
    assert sweep.steps == []


def test_a_sweep_can_be_stopped(app: MaskRobot) -> None:
    sweep = app.mask.work.sweep
    sweep.seeds.setValue(12)
    sweep.run_button.click()
    app.wait_until(lambda: sweep.steps)
    sweep.run_button.click()
    app.wait_until(lambda: not sweep.running)
    assert 0 < len(sweep.steps) < 108
    assert sweep.run_button.text() == "Run the Sweep"


def test_two_strategies_and_two_models_side_by_side(app: MaskRobot, tmp_path: Path) -> None:
    other = tmp_path / "other-mae"
    write_tiny_mae(other, seed=5)
    compare = app.mask.work.compare
    app.mask.work.tabs.setCurrentIndex(COMPARE)
    app.wait_idle()
    assert "Choose another" in compare.words.words
    compare.strategy.setCurrentIndex(compare.strategy.findData(Strategy.CENTRE))
    compare.strategy.activated.emit(compare.strategy.currentIndex())
    app.wait_idle()
    assert all(view.has_image for view in compare.views)
    assert "less error" in compare.words.words
    compare.strategy.setCurrentIndex(0)
    app.program.settings.model_folders = (str(tmp_path),)
    app.wait_until(lambda: compare.model.findData("other-mae") > 0)
    compare.choose_model("other-mae")
    app.wait_until(lambda: compare.b is not None and app.program.work.idle)
    assert compare.a is not None
    assert compare.b is not None
    assert compare.a.mask == compare.b.mask
    assert (compare.a.reconstruction != compare.b.reconstruction).any()
    app.press("1", on=app.window)
    assert compare.panes.alone == 0


def test_a_model_that_was_brought_into_the_program_can_be_the_other_one(app: MaskRobot) -> None:
    write_tiny_mae(paths.models_dir() / "brought-mae", seed=5)
    app.session.shelf.look_for_models()
    compare = app.mask.work.compare
    app.mask.work.tabs.setCurrentIndex(COMPARE)
    app.wait_until(lambda: compare.model.findData("brought-mae") > 0)
    first = app.wait_painted()
    compare.choose_model("brought-mae")
    app.wait_idle()
    assert app.what_went_wrong() == ""
    assert compare.b is not None
    assert (compare.b.reconstruction != first.reconstruction).any()


def test_one_picture_alone_and_all_again(app: MaskRobot) -> None:
    panes = app.mask.work.stage.panes
    app.press("2", on=app.window)
    assert [pane.isVisible() for pane in panes.panes] == [False, True, False, False, False]
    app.press("2", on=app.window)
    assert all(pane.isVisible() for pane in panes.panes)
    panes.panes[3].button.click()
    assert panes.alone == 3
    app.press("0", on=app.window)
    assert panes.alone is None


def test_the_keys_of_single_pictures_do_nothing_to_those_out_of_sight(app: MaskRobot) -> None:
    app.mask.work.tabs.setCurrentIndex(SWEEP)
    app.press("2", on=app.window)
    app.mask.do_zoom()
    app.mask.work.tabs.setCurrentIndex(PAINT)
    assert app.mask.work.stage.panes.alone is None
    assert app.mask.work.stage.lens.zoom == 1.0


def test_zoom_and_pan_are_shared(app: MaskRobot) -> None:
    stage = app.mask.work.stage
    app.press("z", on=app.window)
    assert stage.lens.zoom > 1
    before = stage.lens.centre
    view, middle = stage.error, stage.error.rect().center()
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=middle)
    QTest.mouseMove(view, middle + QPoint(15, 10))
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=middle + QPoint(15, 10))
    assert stage.lens.centre != before
    for view in stage.views:
        assert view.place_at(QPointF(view.rect().center())) == pytest.approx(stage.lens.centre, abs=0.02)
    app.press("z", on=app.window)
    assert stage.lens.zoom == 1


def test_a_folder_of_another_kind_is_refused_in_words_and_the_model_stays(
    app: MaskRobot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_clip(tmp_path / "clip")
    model = app.session.shelf.ready("masking")
    for folder, words in ((tmp_path / "clip", "cannot paint hidden patches"), (tmp_path, "")):
        monkeypatch.setattr(questions, "ask_folder", lambda *_, folder=folder: str(folder))
        app.mask.clear_error()
        app.mask.side.models.folder.click()
        app.wait_idle()
        assert words in app.what_went_wrong()
        assert app.what_went_wrong()
    assert app.session.shelf.ready("masking") is model
    other = tmp_path / "right"
    write_tiny_mae(other, seed=3)
    monkeypatch.setattr(questions, "ask_folder", lambda *_: str(other))
    app.mask.side.models.folder.click()
    app.wait_until(lambda: app.session.shelf.ready("masking") not in (None, model))
    app.wait_painted()
    assert app.what_went_wrong() == ""


def test_a_model_that_cannot_be_opened_says_why_and_another_can_be_chosen(
    start: Start, photos: Path, model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    write_tiny_mae(broken)
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:900])
    app = start(photos, folder=broken)
    app.wait_until(app.what_went_wrong)
    assert app.mask.result is None
    app.mask.side.models.chosen.emit(str(model))
    app.wait_painted()
    assert app.what_went_wrong() == ""


def test_a_broken_photo_gives_its_reason_and_the_next_one_works(app: MaskRobot) -> None:
    app.look_at("broken.jpg")
    app.wait_for_photo()
    app.wait_idle()
    assert app.mask.result is None
    assert not app.mask.work.stage.canvas.has_image
    app.look_at("b.png")
    app.wait_painted()


@pytest.mark.parametrize(
    ("name", "size", "mode"),
    [
        ("dot", (1, 1), "RGB"),
        ("ribbon", (20000, 3), "RGB"),
        ("grey", (90, 70), "L"),
        ("clear", (80, 90), "RGBA"),
    ],
)
def test_odd_photos_give_a_picture_or_a_sentence(
    start: Start, tmp_path: Path, name: str, size: tuple[int, int], mode: str
) -> None:
    Image.effect_noise(size, 60).convert(mode).save(tmp_path / f"{name}.png")
    app = start(tmp_path)
    app.wait_until(lambda: app.mask.result is not None or app.what_went_wrong())
    app.wait_idle()
    if app.mask.result is not None:
        assert app.wait_painted().original.shape == (64, 64, 3)
    else:
        assert len(app.what_went_wrong()) > 20


def test_without_a_photo_the_panel_says_what_belongs_there(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = start(tmp_path)
    app.wait_until(lambda: not app.session.reading)
    app.wait_idle()
    assert app.mask.work.currentWidget() is app.mask.work.empty
    app.set_mask_ratio(0.5)
    assert app.mask.book.mask is None


def test_every_control_has_a_name_and_takes_the_focus(app: MaskRobot) -> None:
    panel, tabs = app.mask, app.mask.work.tabs
    for tab in (PAINT, SWEEP, COMPARE):
        tabs.setCurrentIndex(tab)
        for kind in (QAbstractButton, QAbstractSlider, QComboBox, QSpinBox):
            for root in (panel.work, panel.side):
                for widget in root.findChildren(kind):
                    if not widget.isVisible() or widget.objectName() == "qt_spinbox_lineedit":
                        continue
                    if widget.metaObject().className() in ("QScrollBar", "CloseButton"):
                        continue
                    words = widget.text() if isinstance(widget, QAbstractButton) else ""
                    assert widget.accessibleName() or words, widget
                    assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, (widget, words)
