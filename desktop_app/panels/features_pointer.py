"""The place under the mouse: told to the other panels, marked on the photo, and what the layer says there."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop_app.panels.features_engine import FeaturesEngine
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.panels.features_stage import FeaturesStage
from desktop_app.session import Session
from desktop_app.widgets.feature_legend import number
from models.tasks import feature_maps

if TYPE_CHECKING:
    from desktop_app.panels.features_studio import Explained
    from models.tasks.feature_maps import Strong

Place = tuple[float, float]


class FeaturesPointer(QObject):
    """Places of the session are shares of the photo; the network sees a part of it, so they are converted here.

    The inspector keeps the last place: the mouse has to leave the photo to reach the channels that are offered there.
    """

    def __init__(
        self, session: Session, engine: FeaturesEngine, stage: FeaturesStage, side: FeaturesInspector
    ) -> None:
        super().__init__(stage)
        self._session, self._engine, self._stage, self._side = session, engine, stage, side
        self.layer, self.channel = "", -1
        self.explained: Explained | None = None
        self.active = False
        self._last: Place | None = None
        self._strong: tuple[Strong, ...] = ()
        stage.view.hovered.connect(self._hovered)
        session.place_changed.connect(self._moved)
        session.current_changed.connect(self._forget)
        engine.strongest_ready.connect(self._came)

    def show(self) -> None:
        """Another layer, channel or photo under the same place."""
        now, shown, place = self._engine.now, self._stage.shown, self._session.place
        view = self._stage.view
        view.set_place(shown.to_view(*place) if place and shown is not None else None)
        here = self._here()
        if now is None or here is None or self.layer not in now.maps.outputs:
            view.set_marks(None, None)
            self._side.show_place(None)
            return
        rows, columns = now.maps.outputs[self.layer].shape[1:]
        view.cells = (columns, rows)
        index = self.channel if 0 <= self.channel < now.maps.layer(self.layer).channels else None
        spot = feature_maps.spot(now.maps, self.layer, *here, index)
        if place is not None and shown is not None and shown.box == now.maps.view.box:
            left, top = spot.column / columns, spot.row / rows
            view.set_marks(spot.box, (left, top, left + 1 / columns, top + 1 / rows))
        else:
            view.set_marks(None, None)
        self._side.show_place(spot, self._strong, now.maps.view.picture.shape[1], self._said())
        self._engine.ask_strongest(self.layer, here)

    def _here(self) -> Place | None:
        """The last place in the picture of the network; None where the crop left it out."""
        now = self._engine.now
        return now.maps.view.to_view(*self._last) if self._last and now is not None else None

    def _said(self) -> str:
        """What the explanation on screen says of this place."""
        answer = self.explained
        at = answer.view.to_view(*self._last) if answer is not None and self._last else None
        if answer is None or at is None:
            return ""
        words = self.tr("“{label}” here: {value}")
        return words.format(label=answer.found.label, value=number(answer.found.at(*at)))

    def _hovered(self, place: Place | None) -> None:
        shown = self._stage.shown
        self._session.set_place(shown.to_photo(*place) if place and shown is not None else None)

    def _moved(self, place: Place | None) -> None:
        if place is not None:
            self._last = place
        if self.active:
            self.show()

    def _forget(self, *_: object) -> None:
        self._last, self._strong = None, ()

    def _came(self, strong: "tuple[Strong, ...]") -> None:
        self._strong = strong
        self._side.show_strong(strong)
