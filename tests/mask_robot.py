"""The robot with the verbs of the masking panel, on a tiny masked autoencoder and real photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest

from desktop_app.panels.mask import MaskPanel
from desktop_app.settings import Settings
from desktop_app.widgets.image_view import ImageView
from models.tasks.masking import MaskResult
from models.tasks.masks import Strategy
from tests.robot import AppRobot


def remember(model: Path | str, **values: object) -> None:
    """What an earlier day has left in the settings."""
    settings = Settings()
    settings.masking_model = str(model)
    settings.device, settings.precision, settings.engine = "cpu", "float32", "torch"
    settings.welcomed = True
    for name, value in values.items():
        settings.set(name, value)
    settings.save()


class MaskRobot(AppRobot):
    """Starts the program with the masking panel alone."""

    def __init__(self, *words: str | Path) -> None:
        super().__init__(*words, panels=(MaskPanel,))

    @property
    def mask(self) -> MaskPanel:
        """The panel."""
        panel = self.panel
        assert isinstance(panel, MaskPanel)
        return panel

    # --- waiting

    def wait_painted(self) -> MaskResult:
        """Until what is on screen was painted behind the present mask, and nothing runs; returns it."""
        panel = self.mask

        def fresh() -> bool:
            return panel.result is not None and panel.result.mask == panel.book.mask

        self.wait_until(fresh, f"never painted; the panel says “{panel.messages.text}”")
        self.wait_idle()
        assert panel.result is not None
        return panel.result

    # --- hands

    def set_mask_ratio(self, ratio: float) -> None:
        """Drag the slider there."""
        self.mask.work.ratio.slider.setValue(round(ratio * 100))

    def choose_strategy(self, strategy: Strategy) -> None:
        """Click on its picture."""
        QTest.mouseClick(self.mask.work.strategies.buttons[strategy], Qt.MouseButton.LeftButton)

    def point(self, row: int, column: int, view: ImageView | None = None) -> QPoint:
        """The middle of a cell on a picture, in that widget."""
        panel, mask = self.mask, self.mask.book.mask
        assert mask is not None
        rect = (view or panel.work.stage.canvas).picture_rect()
        share = mask.unit / mask.width
        return QPointF(
            rect.x() + (column + 0.5) * share * rect.width(), rect.y() + (row + 0.5) * share * rect.height()
        ).toPoint()

    def click_patch(self, row: int, column: int, *, right: bool = False) -> None:
        """Paint one cell."""
        button = Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton
        QTest.mouseClick(self.mask.work.stage.canvas, button, pos=self.point(row, column))

    def drag(self, *cells: tuple[int, int]) -> None:
        """One stroke over these cells."""
        canvas = self.mask.work.stage.canvas
        QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=self.point(*cells[0]))
        for cell in cells[1:]:
            QTest.mouseMove(canvas, self.point(*cell))
        QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=self.point(*cells[-1]))

    def keys_on_canvas(self, *keys: str) -> None:
        """Press keys with the focus on the picture one paints on."""
        canvas = self.mask.work.stage.canvas
        canvas.setFocus()
        for key in keys:
            QTest.keySequence(canvas, key)

    def use(self, tool: str) -> None:
        """Click a tool of the inspector: undo, redo, clear, invert, load or save."""
        self.mask.side.tools[tool].click()

    def look_at(self, name: str) -> None:
        """Put a photo in focus."""
        self.session.select([Path(path).name for path in self.session.photos].index(name))

    # --- eyes

    @property
    def hidden(self) -> npt.NDArray[np.bool_]:
        """The present mask, (rows, columns)."""
        mask = self.mask.book.mask
        assert mask is not None
        return mask.hidden

    def share(self) -> str:
        """The large figure beside the slider."""
        return self.mask.work.ratio.shown[0]

    def undo_words(self) -> str:
        """What Edit, Undo would take back."""
        return self.mask.undo_words()[0]

    def what_went_wrong(self) -> str:
        """What stands in the bar over the panel's work."""
        return self.mask.messages.text
