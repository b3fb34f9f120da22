"""Feature maps as files: pictures of what is on screen, and arrays of a layer or of all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.panels.file_saver import FileSaver
from desktop_app.session import Session
from models.tasks import colours, feature_pictures, mask_export

if TYPE_CHECKING:
    from desktop_app.widgets.image_view import Pixels
    from models.tasks.feature_maps import Maps
    from models.tasks.feature_pictures import Grid

_TILE = 96  # px of a channel in the picture of the grid


@dataclass(frozen=True, eq=False)
class Shown:
    """What is on screen and can be saved."""

    name: str  # of the photo, without its suffix
    layer: str
    maps: "Maps | None"
    grid: "Grid | None"
    picture: "Pixels | None"
    map: "Pixels | None"
    opacity: float
    words: str  # what the map is, for the file's name


class FeaturesFiles(QObject):
    """Saves what can be saved of what is on screen."""

    saved = Signal(str)  # path
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        self._saver = FileSaver(session, parent)
        self._saver.saved.connect(self.saved)
        self._saver.failed.connect(self.failed)

    def names(self) -> dict[str, str]:
        """What each thing is called in the menu."""
        return {
            "grid": self.tr("The &Grid of Channels…"),
            "map": self.tr("The &Map over the Photo…"),
            "layer": self.tr("The Arrays of This &Layer (NPZ)…"),
            "all": self.tr("The Arrays of &All Layers (NPZ)…"),
        }

    def menu(self, shown: Shown) -> QMenu:
        """Everything that can be saved now."""
        menu = QMenu(self._widget)
        there = {
            "grid": shown.grid is not None,
            "map": shown.map is not None and shown.picture is not None,
            "layer": shown.maps is not None,
            "all": shown.maps is not None,
        }
        for what, words in self.names().items():
            if what == "layer":
                menu.addSeparator()
            menu.addAction(words, partial(self.save, what, shown)).setEnabled(there[what])
        return menu

    def save(self, what: str, shown: Shown) -> None:
        """Ask for a name and write."""
        arrays = what in ("layer", "all")
        suffix = ".npz" if arrays else ".png"
        kind = self.tr("NumPy arrays (*.npz)") if arrays else self.tr("PNG picture (*.png)")
        parts = {"grid": shown.layer, "map": shown.words, "layer": shown.layer, "all": self.tr("features")}
        name = f"{shown.name}-{_plain(parts[what])}"
        self._saver.save(self.names()[what], name, suffix, kind, partial(_WRITERS[what], shown))


def _plain(words: str) -> str:
    """Words as part of a file's name."""
    kept = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in words)
    return "-".join(part for part in kept.split("-") if part)[:60] or "map"


def _write_grid(shown: Shown, path: Path) -> None:
    assert shown.grid is not None
    mask_export.save_png(feature_pictures.mosaic(shown.grid.pictures, cell=_TILE, gap=2), path)


def _write_map(shown: Shown, path: Path) -> None:
    assert shown.picture is not None
    assert shown.map is not None
    height, width = shown.picture.shape[:2]
    over = colours.enlarged(shown.map, height, width)
    mask_export.save_png(colours.over(shown.picture, over, shown.opacity), path)


def _write_layer(shown: Shown, path: Path) -> None:
    assert shown.maps is not None
    feature_pictures.save_npz(shown.maps, path, (shown.layer,))


def _write_all(shown: Shown, path: Path) -> None:
    assert shown.maps is not None
    feature_pictures.save_npz(shown.maps, path)


_WRITERS: dict[str, Callable[[Shown, Path], None]] = {
    "grid": _write_grid,
    "map": _write_map,
    "layer": _write_layer,
    "all": _write_all,
}
