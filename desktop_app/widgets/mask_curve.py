"""How the error grows with the mask ratio: the model, two fillings, the spread over seeds, and the present ratio."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.widgets.plain_plot import plain_plot

if TYPE_CHECKING:
    from models.tasks.masking import Curve


class MaskCurve(QWidget):
    """A plot of grey levels over percent. pyqtgraph is imported when there is something to draw."""

    def __init__(self, words: str, parent: QWidget | None = None, *, small: bool = False) -> None:
        """`words` stand here while there is no curve; a small one goes without names of its axes."""
        super().__init__(parent)
        self._small = small
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        self._key = QLabel()
        self._key.setFont(theme.small_font())
        self._key.setTextFormat(Qt.TextFormat.RichText)
        column.addWidget(self._key)
        self._stack = QStackedLayout()
        column.addLayout(self._stack, 1)
        self._empty = QLabel(words)
        self._empty.setWordWrap(True)
        self._empty.setProperty("role", "muted")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self._stack.addWidget(self._empty)
        self._plot: Any = None
        self._items: dict[str, Any] = {}
        self._curve: Curve | None = None
        self._ratio = 0.75
        self.setAccessibleName(self.tr("Error by mask ratio"))
        theme.current().changed.connect(self._rebuild)

    def set_ratio(self, ratio: float) -> None:
        """Where the vertical line stands, 0..1."""
        self._ratio = ratio
        if "now" in self._items:
            self._items["now"].setValue(ratio * 100)

    def set_curve(self, curve: "Curve | None") -> None:
        """Draw this, or say what is missing."""
        self._curve = curve
        self._show_key(shown=curve is not None)
        if curve is None or not len(curve.ratios):
            self._stack.setCurrentWidget(self._empty)
            self.setAccessibleDescription(self._empty.text())
            return
        if self._plot is None:
            self._build()
        self._fill(curve)
        self._stack.setCurrentWidget(self._plot)

    @property
    def points(self) -> int:
        """How many ratios are drawn."""
        return 0 if self._curve is None else len(self._curve.ratios)

    @property
    def marked(self) -> float:
        """The ratio that is marked, 0..1."""
        return float(self._items["now"].value()) / 100 if "now" in self._items else self._ratio

    def _build(self) -> None:
        import pyqtgraph as pg

        c = theme.colours()
        plot = plain_plot()
        plot.setXRange(0, 100, padding=0.06)
        if not self._small:
            plot.setLabel("bottom", self.tr("hidden, %"), color=c.muted)
            plot.setLabel("left", self.tr("error, of 255"), color=c.muted)
        plot.getAxis("bottom").setTicks([[(v, str(v)) for v in (0, 25, 50, 75, 100)]])
        band = QColor(c.accent)
        band.setAlpha(60)
        low, high = (plot.plot(pen=None) for _ in range(2))
        fill = pg.FillBetweenItem(low, high, brush=band)
        plot.addItem(fill)
        dash, dots = Qt.PenStyle.DashLine, Qt.PenStyle.DotLine
        fine = self.devicePixelRatioF()  # pens count pixels of the screen
        self._items = {
            "low": low,
            "high": high,
            "mean": plot.plot(pen=pg.mkPen(c.muted, width=1.5 * fine, style=dots)),
            "bilinear": plot.plot(pen=pg.mkPen(c.text, width=1.5 * fine, style=dash)),
            "model": plot.plot(pen=pg.mkPen(c.accent, width=2.5 * fine)),
            "now": pg.InfiniteLine(self._ratio * 100, pen=pg.mkPen(c.muted, width=fine)),
        }
        plot.addItem(self._items["now"])
        self._plot = plot
        self._stack.addWidget(plot)

    def _show_key(self, *, shown: bool) -> None:
        """Which line is whose, above the plot where it hides none."""
        c = theme.colours()
        lines = (
            (c.accent_text, "━━", self.tr("the model")),
            (c.text, "╌╌", self.tr("interpolation")),
            (c.muted, "┈┈", self.tr("mean colour")),
        )
        drawn = "&nbsp;&nbsp; ".join(
            f'<span style="color:{colour}">{line}</span>&nbsp;{name}' for colour, line, name in lines
        )
        self._key.setText(drawn)
        self._key.setVisible(shown)

    def _fill(self, curve: "Curve") -> None:
        percent = curve.ratios * 100
        lines = {
            "low": curve.low,
            "high": curve.high,
            "mean": curve.mean_fill,
            "bilinear": curve.bilinear,
            "model": curve.model,
        }
        for name, values in lines.items():
            self._items[name].setData(percent, _grey_levels(values))
        self._plot.setYRange(
            0, float(max(_grey_levels(v).max() for v in lines.values())) * 1.05 + 1, padding=0
        )
        pairs = zip(percent, _grey_levels(curve.model), strict=True)
        said = ", ".join(f"{ratio:.0f}%: {error:.0f}" for ratio, error in pairs)
        self.setAccessibleDescription(self.tr("Grey levels of error by ratio: {said}").format(said=said))

    def _rebuild(self) -> None:
        """The theme has changed: other pens."""
        if self._plot is not None:
            self._stack.removeWidget(self._plot)
            self._plot.deleteLater()
            self._plot, self._items = None, {}
            self.set_curve(self._curve)


def _grey_levels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Mean squared error of 0..1 as a root mean square in grey levels, the unit of the error map."""
    return np.sqrt(values) * 255
