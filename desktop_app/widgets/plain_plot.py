"""A plot that only shows: no menu, no mouse, the colours of the theme. pyqtgraph is imported when one is made."""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor

from desktop_app import theme


def plain_plot() -> Any:
    """A pyqtgraph.PlotWidget in the present colours: make another one when the theme changes."""
    import pyqtgraph as pg

    colours = theme.colours()
    plot = pg.PlotWidget(background=None)
    plot.setFrameShape(plot.Shape.NoFrame)
    plot.setMouseEnabled(False, False)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setStyleSheet("background: transparent")
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(QColor(colours.border))
        axis.setTextPen(QColor(colours.muted))
        axis.setStyle(tickFont=theme.small_font())
    return plot
