"""The place under the mouse: told to the other panels, marked in every picture here, and its patch in words."""

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop_app.panels.mask_engine import MaskEngine
from desktop_app.panels.mask_inspector import MaskInspector
from desktop_app.panels.mask_work import MaskWork
from desktop_app.session import Session

if TYPE_CHECKING:
    from models.tasks.masking import MaskResult

Place = tuple[float, float]


class MaskPointer(QObject):
    """Places of the session are shares of the photo; the model sees a part of it, so they are converted here."""

    def __init__(self, session: Session, engine: MaskEngine, work: MaskWork, side: MaskInspector) -> None:
        super().__init__(work)
        self._session, self._engine = session, engine
        self._views = (*work.stage.views, *work.compare.views)
        self._side = side
        self._result: MaskResult | None = None
        session.place_changed.connect(self._show)
        work.stage.hovered.connect(self._hovered)
        for view in work.compare.views:
            view.hovered.connect(self._hovered)

    def set_result(self, result: "MaskResult | None") -> None:
        """Where the errors come from."""
        self._result = result
        self._show_patch()

    def _hovered(self, place: Place | None) -> None:
        seen = self._engine.now
        self._session.set_place(seen.view.to_photo(*place) if place and seen is not None else None)

    def _here(self) -> Place | None:
        """The session's place in the model's picture; None where the model does not see it."""
        place, seen = self._session.place, self._engine.now
        return seen.view.to_view(*place) if place and seen is not None else None

    def _show(self, *_: object) -> None:
        here = self._here()
        for view in self._views:
            view.set_place(here)
        self._show_patch()

    def _show_patch(self) -> None:
        here, seen, result = self._here(), self._engine.now, self._result
        if here is None or seen is None:
            self._side.show_patch(None)
            return
        rows, columns = seen.frame.grid
        row, column = min(int(here[1] * rows), rows - 1), min(int(here[0] * columns), columns - 1)
        known = result is not None and result.error.shape == (rows, columns)
        error = float(result.error[row, column]) if known and result is not None else math.nan
        self._side.show_patch((row, column), error)
