"""Accuracy along the road from ResNet to ConvNeXt, over the steps or over what each costs."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.widgets.plain_plot import plain_plot


class FeatureRoadPlot(QWidget):
    """A line through the steps; the chosen one is filled. pyqtgraph is imported when there is something to draw."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self._plot: Any = None
        self._line: Any = None
        self._dots: Any = None
        self.points: tuple[tuple[float, float], ...] = ()
        self._axis = ""
        self._at = -1
        self.setAccessibleName(self.tr("Accuracy along the road"))
        theme.current().changed.connect(self._rebuild)

    def sizeHint(self) -> QSize:
        return QSize(320, 190)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, 124)

    def set_points(self, across: Sequence[float], accuracy: Sequence[float], axis: str) -> None:
        """Draw accuracy in % over `across`, whose name is `axis`."""
        self.points = tuple(zip(across, accuracy, strict=True))
        self._axis = axis
        if self._plot is None:
            self._build()
        self._fill()

    def set_chosen(self, place: int) -> None:
        """Fill this step's mark."""
        self._at = place
        if self._plot is not None:
            self._fill()

    def _build(self) -> None:
        import pyqtgraph as pg

        c = theme.colours()
        plot = plain_plot()
        plot.setLabel("left", self.tr("top-1, %"), color=c.muted)
        fine = self.devicePixelRatioF()  # pens count pixels of the screen
        self._line = plot.plot(pen=pg.mkPen(c.muted, width=1.2 * fine))
        self._dots = pg.ScatterPlotItem(size=9, hoverable=True)
        self._dots.sigClicked.connect(lambda _, spots, *rest: self.chosen.emit(int(spots[0].data())))
        plot.addItem(self._dots)
        self._plot = plot
        layout = self.layout()
        assert layout is not None
        layout.addWidget(plot)

    def _fill(self) -> None:
        import pyqtgraph as pg

        c = theme.colours()
        across, up = [x for x, _ in self.points], [y for _, y in self.points]
        self._line.setData(across, up)
        self._plot.setLabel("bottom", self._axis, color=c.muted)
        pen = pg.mkPen(c.accent, width=1.5)
        spots = [
            {"pos": point, "data": place, "pen": pen, "brush": c.accent if place == self._at else c.window}
            for place, point in enumerate(self.points)
        ]
        self._dots.setData(spots)
        said = ", ".join(f"{y:.1f}" for y in up)
        self.setAccessibleDescription(self.tr("Accuracy in percent, step by step: {said}").format(said=said))

    def _rebuild(self) -> None:
        """The theme has changed: other pens."""
        if self._plot is not None:
            self._plot.deleteLater()
            self._plot = None
            self._build()
            self._fill()
