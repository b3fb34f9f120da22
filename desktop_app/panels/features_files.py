"""Feature maps as files: one question for a name each, the writing on the io lane, the answer in words."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.panels import questions
from desktop_app.session import Session, as_user_error
from models.errors import DataError
from models.tasks import colours, feature_pictures, mask_export

if TYPE_CHECKING:
    from desktop_app.widgets.image_view import Pixels
    from desktop_app.work import Outcome
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
    """Saves; `saved` carries the path, `failed` a UserError."""

    saved = Signal(str)
    failed = Signal(object)

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._widget = session, parent
        self._folder = ""

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
        start = self._folder or str(self._session.settings.last_folder) or str(Path.home())
        proposal = str(Path(start) / f"{shown.name}-{_plain(parts[what])}{suffix}")
        title = self.names()[what].replace("&", "").rstrip("…")
        chosen = questions.ask_save(self._widget, title, kind, proposal)
        if not chosen:
            return
        path = Path(chosen) if Path(chosen).suffix else Path(chosen + suffix)
        self._folder = str(path.parent)
        write = partial(_write, _WRITERS[what], shown, path, replaces=path == Path(chosen))
        self._session.work.once(write, partial(self._written, path), lane="io", must=True)

    def _written(self, path: Path, outcome: "Outcome") -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The file could not be written")))
        else:
            self._session.notify.info(self.tr("Saved as {path}").format(path=path))
            self.saved.emit(str(path))


def _write(writer: Callable[[Shown, Path], None], shown: Shown, path: Path, *, replaces: bool) -> None:
    """Where the suffix was added here, nobody was asked whether the file of that name may be replaced."""
    if not replaces and path.exists():
        cure = QCoreApplication.translate(
            "FeaturesFiles", "Choose that very name to replace it, or another one."
        )
        words = QCoreApplication.translate("FeaturesFiles", "{name} is already there")
        raise DataError(words.format(name=path.name), "", cure)
    writer(shown, path)


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
