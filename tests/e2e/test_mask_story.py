"""A student's story in the whole window: open photos, hide, paint, undo, look at the next photo, sweep, save, close."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtWidgets import QApplication

from desktop_app.panels import questions
from desktop_app.panels.mask import MaskPanel
from desktop_app.panels.mask_work import SWEEP
from models.bundle import write_bundle
from models.families.simmim import SimMIM, ViTConfig
from models.spec import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from models.tasks.masks import Strategy
from tests.e2e.conftest import GridPanel
from tests.mask_robot import MaskRobot, remember
from tests.photo_folder import originals
from tests.robot import AppRobot
from tests.tiny_models import write_tiny_mae


class WindowRobot(MaskRobot):
    """The verbs of the masking panel in a window that has another panel too."""

    def __init__(self, *words: str | Path) -> None:
        AppRobot.__init__(self, *words, panels=(GridPanel, MaskPanel))

    @property
    def mask(self) -> MaskPanel:
        """The panel, on screen or not."""
        panel = self.window.panels["mask"]
        assert isinstance(panel, MaskPanel)
        return panel

    def looked_at(self) -> str:
        """The photo that the masking panel last looked at."""
        seen = self.mask.engine.now
        return seen.photo.path.name if seen is not None else ""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, source in zip(("a.png", "b.png", "c.png"), originals()[:3], strict=True):
        Image.open(source).convert("RGB").resize((120, 90)).save(folder / name)
    return folder


def test_from_the_first_photo_to_a_saved_sweep(
    qapp: QApplication, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tiny_mae(tmp_path / "mae")
    remember(tmp_path / "mae", panel="grid")
    app = WindowRobot(pictures)
    app.wait_for_photos(3)
    app.press("Ctrl+2")
    assert app.panel.id == "mask"
    app.wait_painted()
    app.set_mask_ratio(0.25)
    app.choose_strategy(Strategy.CENTRE)
    app.click_patch(0, 0)
    assert app.hidden[0, 0]
    mine = app.hidden.copy()
    assert app.wait_painted().patches.tolist() == mine.tolist()
    app.press("Ctrl+Z")
    assert not app.hidden[0, 0]
    app.press("Ctrl+Shift+Z")
    assert (app.hidden == mine).all()

    app.window.strip.setFocus()
    app.press("Right")
    app.wait_until(lambda: app.looked_at() == "b.png")
    app.wait_painted()
    assert (app.hidden == mine).all(), "the mask stays for the next photo"

    app.press("Ctrl+1")
    app.session.step(1)
    app.wait_for_photo()
    assert app.looked_at() == "b.png", "a hidden panel computes nothing"
    app.press("Ctrl+2")
    app.wait_until(lambda: app.looked_at() == "c.png")
    app.wait_painted()

    app.mask.work.tabs.setCurrentIndex(SWEEP)
    app.mask.work.sweep.run_button.click()
    app.wait_until(lambda: len(app.mask.work.sweep.steps) == 27 and not app.mask.work.sweep.running)
    monkeypatch.setattr(questions, "ask_save", lambda *_: str(tmp_path / "sweep.webp"))
    app.mask.files.save("animation", app.mask.shown())
    app.wait_idle()
    with Image.open(tmp_path / "sweep.webp") as film:
        assert getattr(film, "n_frames", 1) > 8
    app.close()


def test_a_simmim_hides_in_cells_of_32_px(qapp: QApplication, pictures: Path, tmp_path: Path) -> None:
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=64, patch_size=16
    )  # fmt: skip
    module = SimMIM(config)
    preprocess = Preprocess(64, (64, 64), mean=IMAGENET_MEAN, std=IMAGENET_STD)
    write_bundle(tmp_path / "simmim", module, module.to_hf(), preprocess, dtype="float32")
    remember(tmp_path / "simmim", panel="mask")
    app = WindowRobot(pictures)
    result = app.wait_painted()
    assert app.hidden.shape == (2, 2)
    assert result.mask.unit == 32
    assert result.tokens_seen == result.tokens_all == 16
    assert "saves no work" in app.mask.side.tokens.text()
    app.close()


def test_a_sweep_goes_on_while_the_slider_is_dragged_and_closing_stops_it(
    qapp: QApplication, pictures: Path, tmp_path: Path
) -> None:
    write_tiny_mae(tmp_path / "mae")
    remember(tmp_path / "mae", panel="mask")
    app = WindowRobot(pictures)
    app.wait_painted()
    sweep = app.mask.work.sweep
    sweep.seeds.setValue(12)
    sweep.run()
    app.wait_until(lambda: sweep.steps)
    for percent in range(10, 60, 5):
        app.set_mask_ratio(percent / 100)
    app.wait_until(lambda: app.mask.result is not None and app.mask.result.mask == app.mask.book.mask)
    assert app.mask.result is not None
    assert app.mask.result.mask.ratio == pytest.approx(0.55, abs=0.04)
    app.close()
