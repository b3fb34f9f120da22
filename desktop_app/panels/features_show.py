"""The maps of the tabs beside the channels: components, similarity to a place, and why a label."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop_app.panels.features_engine import FeaturesEngine
from desktop_app.panels.features_inspector import FeaturesInspector
from desktop_app.panels.features_pointer import FeaturesPointer
from desktop_app.panels.features_why import FeaturesWhy
from desktop_app.panels.features_work import COMPONENTS, ROAD, SIMILARITY, WHY, FeaturesWork

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desktop_app.panels.features_studio import Explained
    from models.tasks.feature_maps import Principal

Place = tuple[float, float]


class FeaturesShow(QObject):
    """Asks for the map of the tab on screen and lays it over the photo; another colour map only paints anew."""

    def __init__(
        self,
        engine: FeaturesEngine,
        work: FeaturesWork,
        side: FeaturesInspector,
        pointer: FeaturesPointer,
        why: FeaturesWhy,
    ) -> None:
        super().__init__(work)
        self._engine, self._work, self._side = engine, work, side
        self._pointer, self._why = pointer, why
        self.pin: Place = (0.5, 0.5)
        self._layer = ""
        self._similar: NDArray[np.float32] | None = None
        engine.principal_ready.connect(self._principal_came)
        engine.similar_ready.connect(self._similar_came)
        engine.explained.connect(self._explained)
        work.stage.view.clicked.connect(self.set_pin)
        why.wished.connect(self._explain)
        why.waiting.connect(self._nothing_explained)

    def ask(self, layer: str) -> None:
        """The map of the tab on screen at this layer."""
        self._layer = layer
        tab, view = self._work.tab, self._work.stage.view
        view.set_pin(self.pin if tab == SIMILARITY and view.has_image else None)
        if tab == ROAD:
            self._work.road.open()
        if tab != WHY:
            self._why.leave()
            self._forget_explained()
        if self._engine.now is None:
            return
        if tab == COMPONENTS:
            self._engine.ask_principal(layer)
        elif tab == SIMILARITY:
            self._engine.ask_similar(layer, self.pin)
        elif tab == WHY:
            self._why.ask(layer)

    def recolour(self) -> None:
        """Another colour map: what was answered is painted anew."""
        if self._work.tab == SIMILARITY and self._similar is not None:
            self._similar_came(self._similar)
        elif self._work.tab == WHY and self._pointer.explained is not None:
            self._explained(self._pointer.explained)

    def forget(self) -> None:
        """No photo or no model."""
        self._similar = None
        self._forget_explained()

    def _forget_explained(self) -> None:
        """What is said of a map goes with it."""
        self._pointer.explained = None
        self._side.show_explanation(None)

    def set_pin(self, x: float, y: float) -> None:
        """Compare every place with this one (0..1 of the picture)."""
        if self._work.tab == SIMILARITY:
            self.pin = (x, y)
            self.ask(self._layer)

    def _principal_came(self, found: "Principal") -> None:
        if self._work.tab == COMPONENTS and self._engine.now is not None:
            self._work.stage.show_principal(found, self._engine.now, self._layer)

    def _similar_came(self, values: "NDArray[np.float32]") -> None:
        self._similar = values
        if self._work.tab == SIMILARITY and self._engine.now is not None:
            name = self._side.colours.currentText()
            self._work.stage.show_similar(values, self._engine.now, self._layer, name)

    def _explain(self) -> None:
        """A class or words were chosen: the map is shown where maps of that kind are."""
        if self._work.tab == WHY:
            self.ask(self._layer)
        else:
            self._work.tabs.setCurrentIndex(WHY)

    def _explained(self, answer: "Explained") -> None:
        if self._work.tab == WHY:
            self._side.show_explanation(answer.found)
            self._pointer.explained = answer
            self._work.stage.show_explained(answer, self._side.colours.currentText())
            self._pointer.show()

    def _nothing_explained(self, words: str) -> None:
        self._forget_explained()
        self._work.stage.show_nothing(words)
