"""The robot with the verbs of the features panel, on a tiny ConvNeXt and a tiny CLIP."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent

from desktop_app.panels.features import FeaturesPanel
from desktop_app.settings import Settings
from desktop_app.widgets.image_view import Pixels
from tests.robot import AppRobot


def remember(features: Path | str, words: Path | str) -> None:
    """What an earlier day has left in the settings."""
    settings = Settings()
    settings.features_model, settings.current_model = str(features), str(words)
    settings.device, settings.precision, settings.engine = "cpu", "float32", "torch"
    settings.save()


class FeaturesRobot(AppRobot):
    """Starts the program with the features panel alone."""

    def __init__(self, *words: str | Path) -> None:
        super().__init__(*words, panels=(FeaturesPanel,))

    @property
    def features(self) -> FeaturesPanel:
        """The panel."""
        panel = self.panel
        assert isinstance(panel, FeaturesPanel)
        return panel

    # --- waiting

    def wait_walked(self) -> None:
        """Until the photo in focus was seen and everything asked of it has come."""
        panel = self.features
        self.wait_until(
            lambda: (
                panel.engine.now is not None
                and panel.engine.now.photo is self.session.photo
                and panel.sheet is not None
            ),
            "the photo was never walked through",
        )
        self.wait_idle()

    def wait_error(self) -> str:
        """Until the panel says what went wrong; returns it."""
        self.wait_until(lambda: self.features.messages.text, "no error was shown")
        return self.features.messages.text

    # --- hands

    def point(self, x: float, y: float) -> None:
        """Move the mouse over a place of the picture, 0..1 each."""
        self._mouse(QEvent.Type.MouseMove, x, y)
        self.wait_idle()

    def click(self, x: float, y: float) -> None:
        """Click on a place of the picture."""
        self._mouse(QEvent.Type.MouseButtonPress, x, y)
        self._mouse(QEvent.Type.MouseButtonRelease, x, y)
        self.wait_idle()

    def _mouse(self, kind: QEvent.Type, x: float, y: float) -> None:
        view = self.features.work.stage.view
        rect = view.picture_rect()
        at = QPointF(rect.x() + x * rect.width(), rect.y() + y * rect.height())
        button = Qt.MouseButton.NoButton if kind == QEvent.Type.MouseMove else Qt.MouseButton.LeftButton
        event = QMouseEvent(kind, at, view.mapToGlobal(at), button, button, Qt.KeyboardModifier.NoModifier)
        self.qt.sendEvent(view, event)

    def open_tab(self, place: int) -> None:
        """Look in another way."""
        self.features.work.tabs.setCurrentIndex(place)
        self.wait_idle()

    # --- eyes

    @property
    def map(self) -> Pixels:
        """What lies over the photo."""
        shown = self.features.work.stage.map
        assert shown is not None
        return shown

    @property
    def runs(self) -> int:
        """How often the network has run for the photos looked at."""
        now = self.features.engine.now
        assert now is not None
        return now.cache.runs

    @property
    def said(self) -> str:
        """What stands over the large picture."""
        return self.features.work.stage.name.words
