"""The program under the robot, with two small panels that need no model, so that shell stories take no second each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QLabel, QWidget

from desktop_app import samples
from desktop_app.model_shelf import ModelShelf
from desktop_app.model_tuner import ModelTuner
from desktop_app.panels.base import Panel
from desktop_app.session import Session
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.photo_grid import PhotoGrid
from models.errors import UserError
from tests.robot import AppRobot, closing


class GridPanel(Panel):
    """The photos as a grid, and what was asked of the panel."""

    id, title, icon, wants_strip = "grid", "Grid", "label", False
    keys = (("Turn the photo upside down", "Y"),)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.body.addWidget(PhotoGrid(session))
        self.inspector = QLabel("about the photo")
        self.done: list[str] = []

    def do_accept(self) -> None:
        self.done.append("accept")

    def do_assign(self, digit: int) -> None:
        self.done.append(f"assign {digit}")

    def do_undo(self) -> None:
        self.done.append("undo")

    def undo_words(self) -> tuple[str, str]:
        return "confirm 3 photos", ""


class PhotoPanel(Panel):
    """The photo in focus, large."""

    id, title, icon = "photo", "Photo", "mask"

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(session, parent)
        self.view = ImageView()
        self.body.addWidget(self.view)
        self.refreshed = 0
        session.photo_ready.connect(self.mark_stale)

    def refresh(self) -> None:
        self.refreshed += 1
        photo = self.session.photo
        if isinstance(photo, UserError):
            self.view.set_image(None)
            self.view.set_words(str(photo))
        elif photo is not None:
            self.view.set_image(photo.rgb)


SMALL_PANELS: tuple[type[Panel], ...] = (GridPanel, PhotoPanel)
Start = Callable[..., AppRobot]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, qapp: object) -> Iterator[Start]:
    """Start the program, more than once if a story needs it; what is still open is closed at the end."""
    monkeypatch.setattr(ModelShelf, "begin", lambda self: None)
    monkeypatch.setattr(ModelTuner, "_wanted", lambda self: False)  # there are no models to measure

    def begin(*words: str | Path, panels: tuple[type[Panel], ...] = SMALL_PANELS) -> AppRobot:
        return AppRobot(*words, panels=panels)

    yield from closing(begin)


@pytest.fixture
def no_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start with nothing open."""
    monkeypatch.setattr(samples, "gather", lambda: [])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos and a sub-folder with two."""
    rng = np.random.default_rng(0)
    for name in ("photo 1.jpg", "photo 2.png", "photo 10.jpg", "more/a.jpg", "more/b.webp"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"
