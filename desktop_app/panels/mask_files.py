"""Masks and results as files: what can be saved of what is on screen, and masks to load."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from desktop_app.panels import questions
from desktop_app.panels.file_saver import FileSaver
from desktop_app.session import Session, as_user_error
from models.errors import DataError
from models.tasks import mask_export, masks
from models.tasks.mask_export import Pane
from models.tasks.masking import SweepStep
from models.tasks.masks import Mask

if TYPE_CHECKING:
    from desktop_app.work import Outcome
    from models.tasks.masking import MaskResult


@dataclass(frozen=True, eq=False)
class Shown:
    """What is on screen and can be saved."""

    name: str  # of the photo, without its suffix
    mask: Mask | None
    result: "MaskResult | None"
    steps: tuple[SweepStep, ...]
    seed: int | None  # None where the mask is not chance's alone
    high: float  # the end of the error map's legend


class MaskFiles(QObject):
    """Saves everything, and loads masks."""

    loaded = Signal(object)  # Mask
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._widget = session, parent
        self._saver = FileSaver(session, parent)
        self._saver.failed.connect(self.failed)

    # --- what can be saved

    def menu(self, shown: Shown, one: Pane | None = None) -> QMenu:
        """Everything that can be saved now; with `one`, that pane comes first."""
        menu = QMenu(self._widget)
        names = self.names()
        first = [one.value] if one is not None else []
        groups: Sequence[Sequence[str]] = (
            [*first, *(name for name in names if name in list(Pane) and name not in first), "row"],
            ["strip", "animation", "numbers"],
            ["mask"],
        )
        for group in groups:
            for what in group:
                action = menu.addAction(names[what], partial(self.save, what, shown))
                action.setEnabled(self._possible(what, shown))
            menu.addSeparator()
        return menu

    def names(self) -> dict[str, str]:
        """What each thing is called in a menu."""
        return {
            Pane.ORIGINAL.value: self.tr("The &Photo as the Model Sees It…"),
            Pane.MASKED.value: self.tr("What Is &Hidden…"),
            Pane.RECONSTRUCTION.value: self.tr("The &Reconstruction…"),
            Pane.PASTED.value: self.tr("Reconstruction with &Visible Patches…"),
            Pane.ERROR.value: self.tr("The &Error Map…"),
            "row": self.tr("&All Five in a Row…"),
            "strip": self.tr("The &Strip of the Sweep…"),
            "animation": self.tr("The Sweep as &GIF or WebP…"),
            "numbers": self.tr("The &Numbers as CSV…"),
            "mask": self.tr("The &Mask as JSON or PNG…"),
        }

    def _possible(self, what: str, shown: Shown) -> bool:
        if what == "mask":
            return shown.mask is not None
        if what in ("strip", "animation"):
            return bool(shown.steps)
        return shown.result is not None or (what == "numbers" and bool(shown.steps))

    def save(self, what: str, shown: Shown) -> None:
        """Ask for a name and write."""
        kinds = {
            "numbers": (".csv", self.tr("Table (*.csv)")),
            "animation": (".gif", self.tr("GIF (*.gif);;WebP (*.webp)")),
            "mask": (".json", self.tr("Mask as JSON (*.json);;Mask as PNG (*.png)")),
        }
        suffix, kind = kinds.get(what, (".png", self.tr("PNG picture (*.png)")))
        write = partial(_WRITERS.get(what, partial(_write_pane, what)), shown)
        self._saver.save(self.names()[what], f"{shown.name}-{what}", suffix, kind, write)

    # --- loading

    def load(self, side: int, unit: int) -> None:
        """Ask for a mask file and read it; a picture without its own size is stretched over `side` px."""
        kinds = self.tr("Masks (*.json *.png);;All files (*)")
        chosen = questions.ask_open(self._widget, self.tr("Load a mask"), kinds, self._saver.folder)
        if chosen:
            self._saver.remember(Path(chosen))
            read = partial(masks.load, Path(chosen), side, side, unit)
            self._session.work.once(read, self._read, lane="io")

    def _read(self, outcome: "Outcome") -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The mask could not be read")))
        else:
            self.loaded.emit(outcome.value)


def _write_pane(what: str, shown: Shown, path: Path) -> None:
    mask_export.save_png(mask_export.picture(_result(shown), Pane(what), high=shown.high), path)


def _write_row(shown: Shown, path: Path) -> None:
    panes = [mask_export.picture(_result(shown), pane, high=shown.high) for pane in Pane]
    mask_export.save_png(mask_export.side_by_side(panes), path)


def _write_strip(shown: Shown, path: Path) -> None:
    mask_export.save_png(mask_export.strip(shown.steps), path)


def _write_animation(shown: Shown, path: Path) -> None:
    mask_export.save_animation(shown.steps, path)


def _write_numbers(shown: Shown, path: Path) -> None:
    steps = shown.steps
    if not steps:
        result = _result(shown)
        steps = (SweepStep(result.mask.ratio, shown.seed, result, 1, 1),)
    mask_export.save_csv(steps, path)


def _write_mask(shown: Shown, path: Path) -> None:
    if shown.mask is not None:
        masks.save(shown.mask, path)


def _result(shown: Shown) -> "MaskResult":
    if shown.result is None:
        raise DataError(QCoreApplication.translate("MaskFiles", "There is no picture to save yet"))
    return shown.result


_WRITERS: dict[str, Callable[[Shown, Path], None]] = {
    "row": _write_row,
    "strip": _write_strip,
    "animation": _write_animation,
    "numbers": _write_numbers,
    "mask": _write_mask,
}
