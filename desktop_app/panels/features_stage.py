"""The photo, large, as the network sees it, and over it whatever map is looked at."""

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QVBoxLayout, QWidget

from desktop_app.widgets.feature_legend import FeatureLegend
from desktop_app.widgets.feature_view import FeatureView
from desktop_app.widgets.image_view import Pixels
from desktop_app.widgets.section import ElidedLabel
from models.tasks import colours

if TYPE_CHECKING:
    from desktop_app.panels.features_studio import Closeup, Explained, Walked
    from models.tasks.feature_maps import Principal
    from models.tasks.view import View

_MAP = "map"
_NARROW = 216  # the name of a channel fits
_WIDE = 440  # what is shown and its colours side by side


class FeaturesStage(QWidget):
    """Shows one map at a time; the opacity is the view's, so that changing it computes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.view = FeatureView()
        self.view.setAccessibleName(self.tr("The photo with the map over it"))
        self.name, self.legend = ElidedLabel(), FeatureLegend()
        self.picture: Pixels | None = None
        self.shown: View | None = None
        self.map: Pixels | None = None
        self.opacity = 0.7
        self.setMinimumWidth(_NARROW)
        row = self._head = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        row.setContentsMargins(8, 4, 8, 4)
        row.setSpacing(8)
        row.addWidget(self.name, 1)
        row.addWidget(self.legend, 0, Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(row)
        column.addWidget(self.view, 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Where what is shown could not be read beside its colours it stands above them."""
        super().resizeEvent(event)
        # By the width alone: by the words it would jump from channel to channel.
        wide = self.width() >= _WIDE
        self._head.setDirection(
            QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        )
        self._head.setSpacing(8 if wide else 0)

    # --- the photo

    def show_photo(self, rgb: Pixels, words: str) -> None:
        """The whole photo, while the network has not seen it yet."""
        self.clear(words)
        self.view.set_image(rgb)

    def show_walked(self, walked: "Walked") -> None:
        """What the network saw; the map of the photo before goes."""
        self._put(walked.picture, walked.maps.view)
        self._lay(None, "")

    def _put(self, picture: Pixels, view: "View") -> None:
        if picture is not self.picture:
            self.picture, self.shown = picture, view
            self.view.set_image(picture)

    def clear(self, words: str = "") -> None:
        """No photo or no model: say why."""
        self.picture = self.shown = None
        self.view.set_image(None)
        self.view.set_words(words)
        self.view.set_marks(None, None)
        self.view.set_place(None)
        self.view.set_pin(None)
        self._lay(None, "")

    # --- the map

    def show_closeup(self, close: "Closeup", walked: "Walked", colour_map: str) -> None:
        """One channel."""
        self._put(walked.picture, walked.maps.view)
        words = self.tr("Channel {number} of {layer}").format(number=close.channel.index, layer=close.layer)
        self._lay(close.picture, words)
        self.legend.set_range(
            colour_map, close.low, close.high, self.tr("Value of the channel at each place")
        )

    def show_principal(self, found: "Principal", walked: "Walked", layer: str) -> None:
        """The main directions as colours."""
        self._put(walked.picture, walked.maps.view)
        self._lay(found.picture, self.tr("Principal components of {layer}").format(layer=layer))
        tip = self.tr("Share of the variance that each of the three components explains")
        self.legend.set_parts(found.explained, tip)

    def show_similar(
        self,
        values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]",
        walked: "Walked",
        layer: str,
        name: str,
    ) -> None:
        """Where the features resemble those of the pinned place."""
        self._put(walked.picture, walked.maps.view)
        self._lay(
            colours.paint(values, name, -1.0, 1.0),
            self.tr("Like the marked place, at {layer}").format(layer=layer),
        )
        self.legend.set_range(
            name, -1.0, 1.0, self.tr("Cosine between the features of each place and the marked one")
        )

    def show_explained(self, answer: "Explained", name: str) -> None:
        """What speaks for a label; between the cells it is interpolated, as such maps are usually drawn."""
        self._put(answer.picture, answer.view)
        found = answer.found
        heat = colours.smoothed(found.heat, *answer.view.picture.shape[:2])
        words = self.tr("What speaks for “{label}” at {layer}")
        self._lay(colours.paint(heat, name, 0.0, 1.0), words.format(label=found.label, layer=found.layer))
        most = max(0.0, float(found.values.max()))
        self.legend.set_range(name, 0.0, most, self.tr("How much each place adds to the score"))

    def show_nothing(self, words: str) -> None:
        """The photo alone."""
        self._lay(None, words)

    def set_opacity(self, opacity: float) -> None:
        """How strongly the map covers the photo."""
        self.opacity = opacity
        self.view.set_layer_opacity(_MAP, opacity)

    def _lay(self, pixels: Pixels | None, words: str) -> None:
        self.map = pixels
        self.view.set_layer(_MAP, pixels, opacity=self.opacity)
        self.name.set_words(words)
        if pixels is None:
            self.legend.clear()
