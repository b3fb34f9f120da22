"""A bar that one drags over the folder's own numbers: what stands left of it does not reach it."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QColor,
    QFontMetrics,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.figures import percent

_BINS = 48
_HEAD = 20
_PLOT = 34


class ThresholdBar(QWidget):
    """A name, a value and a histogram of the open photos; `moved` while it is dragged, `settled` when let go."""

    moved = Signal(float)
    settled = Signal(float)

    def __init__(
        self, title: str, parent: QWidget | None = None, *, show: Callable[[float], str] = percent
    ) -> None:
        super().__init__(parent)
        self._title, self._show = title, show
        self._value = 0.0
        self._counts: npt.NDArray[np.int64] = np.zeros(_BINS, np.int64)
        self._dragging = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.SplitHCursor)
        self.setMouseTracking(True)
        self._name()
        theme.current().changed.connect(self.update)

    @property
    def value(self) -> float:
        """Where the bar stands, 0..1."""
        return self._value

    def set_value(self, value: float) -> None:
        """Put the bar there, unless a hand holds it."""
        if not self._dragging and value != self._value:
            self._value = min(max(value, 0.0), 1.0)
            self._name()
            self.update()

    def set_numbers(self, numbers: npt.NDArray[np.float32]) -> None:
        """The folder's numbers (n,) in 0..1, drawn as a histogram."""
        # Ten times as quick as np.histogram, which this is called too often for.
        places = np.clip(numbers * _BINS, 0, _BINS - 1).astype(np.int64)
        counts = np.bincount(places, minlength=_BINS)
        if not np.array_equal(counts, self._counts):
            self._counts = counts
            self.update()

    def _name(self) -> None:
        self.setAccessibleName(f"{self._title}: {self._show(self._value)}")
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.NameChanged))

    def sizeHint(self) -> QSize:
        return QSize(280, _HEAD + _PLOT + 10)

    def minimumSizeHint(self) -> QSize:
        return QSize(140, _HEAD + _PLOT + 10)

    def _track(self) -> tuple[float, float]:
        return 6.0, max(20.0, self.width() - 12.0)

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        c = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left, length = self._track()
        head = QRectF(left, 0, length, _HEAD)
        painter.setFont(theme.base_font())
        painter.setPen(QColor(c.text))
        figure = self._show(self._value)
        room = int(length) - QFontMetrics(theme.number_font()).horizontalAdvance(figure) - 6
        title = painter.fontMetrics().elidedText(self._title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(head, int(Qt.AlignmentFlag.AlignVCenter), title)
        painter.setFont(theme.number_font())
        painter.drawText(head, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight), figure)
        self._paint_histogram(painter, left, length)
        self._paint_handle(painter, left + length * self._value)
        painter.end()

    def _paint_histogram(self, painter: QPainter, left: float, length: float) -> None:
        c, bottom = theme.colours(), float(_HEAD + _PLOT)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.border))
        painter.drawRect(QRectF(left, bottom, length, 1))
        most = int(self._counts.max())
        wide = length / _BINS
        for place, count in enumerate(self._counts):
            if not count:
                continue
            # The root: one photo stays visible beside a thousand.
            height = max(1.5, (_PLOT - 4) * float(np.sqrt(count / most)))
            below = (place + 0.5) / _BINS < self._value
            painter.setBrush(QColor(c.border if below else c.muted))
            painter.drawRect(QRectF(left + place * wide, bottom - height, max(1.0, wide - 1), height))

    def _paint_handle(self, painter: QPainter, x: float) -> None:
        c = theme.colours()
        painter.setPen(QPen(QColor(c.accent), 2 if self.hasFocus() or self._dragging else 1.5))
        painter.drawLine(QPointF(x, _HEAD + 2), QPointF(x, _HEAD + _PLOT + 1))
        painter.setBrush(QColor(c.accent))
        painter.setPen(QPen(QColor(c.text if self.hasFocus() else c.accent), 1.5))
        painter.drawEllipse(QPointF(x, _HEAD + _PLOT + 3), 4, 4)

    # --- mouse and keys

    def _move_to(self, x: float) -> None:
        left, length = self._track()
        self._take(round(min(max((x - left) / length, 0.0), 1.0), 3))

    def _take(self, value: float) -> None:
        value = min(max(value, 0.0), 1.0)
        if value != self._value:
            self._value = value
            self._name()
            self.update()
            self.moved.emit(value)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._dragging = True
            self._move_to(event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._move_to(event.position().x())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging:
            self._dragging = False
            self.settled.emit(self._value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {
            Qt.Key.Key_Left: -0.01, Qt.Key.Key_Down: -0.01, Qt.Key.Key_Right: 0.01, Qt.Key.Key_Up: 0.01,
            Qt.Key.Key_PageDown: -0.1, Qt.Key.Key_PageUp: 0.1, Qt.Key.Key_Home: -1.0, Qt.Key.Key_End: 1.0,
        }  # fmt: skip
        step = steps.get(Qt.Key(event.key()))
        if step is None:
            event.ignore()
            return
        self._take(round(self._value + step, 3))
        self.settled.emit(self._value)

    def focusInEvent(self, event: object) -> None:
        self.update()

    def focusOutEvent(self, event: object) -> None:
        self.update()
