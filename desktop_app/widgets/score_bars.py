"""Ranked answers as bars: name, probability, cosine in small figures, and the bar a person can move."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.figures import percent

_ROW = 26
_TOP = 4
_BAR = 5
_AFTER_KEY = 8


@dataclass(frozen=True)
class Bar:
    """One answer: probability 0..1; cosine is shown small where it is not None; key is the digit that assigns it."""

    name: str
    probability: float
    cosine: float | None = None
    key: str = ""


class ScoreBars(QWidget):
    """The best answers from the top. Click or Enter chooses a row; the amber mark can be dragged."""

    chosen = Signal(str)
    threshold_moved = Signal(float)
    threshold_settled = Signal(float)  # the hand has let go

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars: tuple[Bar, ...] = ()
        self._threshold: float | None = None
        self._selected = ""
        self._row = -1
        self._dragging = False
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Answers"))
        theme.current().changed.connect(self.update)

    def set_bars(self, bars: Sequence[Bar], *, selected: str = "") -> None:
        """Show these answers, best first."""
        if len(bars) != len(self._bars):
            self.updateGeometry()
        self._bars, self._selected = tuple(bars), selected
        self._row = min(self._row, len(bars) - 1)
        said = ", ".join(f"{bar.name} {percent(bar.probability)}" for bar in bars)
        self.setAccessibleDescription(said)
        self.update()

    def set_threshold(self, probability: float | None) -> None:
        """Below this a photo is unsure; None draws no line."""
        if not self._dragging:
            self._threshold = probability
            self.update()

    @property
    def shown(self) -> list[tuple[str, float]]:
        """Names and probabilities as they stand, for tests."""
        return [(bar.name, bar.probability) for bar in self._bars]

    def sizeHint(self) -> QSize:
        return QSize(280, _TOP * 2 + _ROW * max(1, len(self._bars)))

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self.sizeHint().height())

    # --- geometry

    def _track(self) -> tuple[float, float]:
        """Left end and length of the bars."""
        return 8.0, max(20.0, self.width() - 16.0)

    def _line_x(self) -> float:
        left, length = self._track()
        return left + length * (self._threshold or 0.0)

    def _row_at(self, y: float) -> int:
        row = int((y - _TOP) // _ROW)
        return row if 0 <= row < len(self._bars) else -1

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for row, bar in enumerate(self._bars):
            self._paint_row(painter, row, bar)
        if self._threshold is not None and self._bars:
            self._paint_line(painter)
        if self.hasFocus() and self._row < 0:
            painter.setPen(QPen(QColor(theme.colours().accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()

    def _paint_row(self, painter: QPainter, row: int, bar: Bar) -> None:
        c = theme.colours()
        top = _TOP + row * _ROW
        left, length = self._track()
        if bar.name == self._selected or (row == self._row and self.hasFocus()):
            painter.setPen(
                QPen(QColor(c.accent)) if row == self._row and self.hasFocus() else Qt.PenStyle.NoPen
            )
            painter.setBrush(QColor(c.selection))
            painter.drawRoundedRect(QRectF(1, top + 0.5, self.width() - 2, _ROW - 1), 4, 4)
        text_right = left + length
        painter.setFont(theme.number_font(13))
        figure = percent(bar.probability)
        painter.setPen(QColor(c.text))
        line = QRectF(left, top + 1, length, _ROW - _BAR - 5)
        painter.drawText(line, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), figure)
        text_right -= QFontMetrics(painter.font()).horizontalAdvance("100%") + 8
        if bar.cosine is not None:
            painter.setFont(theme.number_font(11))
            painter.setPen(QColor(c.muted))
            box = QRectF(text_right - 40, line.top(), 40, line.height())
            painter.drawText(
                box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), f"{bar.cosine:.3f}"
            )
            text_right -= 48
        painter.setFont(theme.base_font())
        painter.setPen(QColor(c.text if row == 0 else c.muted))
        metrics = QFontMetrics(painter.font())
        if any(one.key for one in self._bars):
            # A column for the digits, so that the names line up where some have none.
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, bar.key)
            line.setLeft(left + metrics.horizontalAdvance("0") + _AFTER_KEY)
        shown = metrics.elidedText(bar.name, Qt.TextElideMode.ElideRight, int(text_right - line.left()))
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, shown)
        self._paint_bar(painter, QRectF(left, top + _ROW - _BAR - 3, length, _BAR), bar.probability, row == 0)

    def _paint_bar(self, painter: QPainter, track: QRectF, part: float, first: bool) -> None:
        c = theme.colours()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(c.border))
        painter.drawRoundedRect(track, 2.5, 2.5)
        if part > 0.002:
            painter.setBrush(QColor(c.text if first else c.muted))
            painter.drawRoundedRect(
                QRectF(track.x(), track.y(), max(3.0, track.width() * part), track.height()), 2.5, 2.5
            )

    def _paint_line(self, painter: QPainter) -> None:
        x = self._line_x()
        painter.setPen(QPen(QColor(theme.colours().accent), 2))
        for row in range(len(self._bars)):
            # Across the bars only: through the names it would be in the way of reading.
            bottom = _TOP + (row + 1) * _ROW
            painter.drawLine(QPointF(x, bottom - _BAR - 5), QPointF(x, bottom - 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(theme.colours().accent))
        painter.drawPolygon(QPolygonF([QPointF(x - 5, 0), QPointF(x + 5, 0), QPointF(x, 6)]))

    # --- mouse and keys

    def _near_line(self, x: float) -> bool:
        return self._threshold is not None and abs(x - self._line_x()) < 6

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if self._near_line(event.position().x()):
            self._dragging = True
            return
        self._row = self._row_at(event.position().y())
        if self._row >= 0:
            self.chosen.emit(self._bars[self._row].name)
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        near = self._dragging or self._near_line(event.position().x())
        self.setCursor(Qt.CursorShape.SplitHCursor if near else Qt.CursorShape.PointingHandCursor)
        if self._dragging:
            left, length = self._track()
            self._threshold = min(max((event.position().x() - left) / length, 0.0), 1.0)
            self.threshold_moved.emit(self._threshold)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._dragging and self._threshold is not None:
            self.threshold_settled.emit(self._threshold)
        self._dragging = False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()))
        if step is not None and self._bars:
            self._row = min(max(self._row + step, 0), len(self._bars) - 1)
            self.update()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._row >= 0:
            self.chosen.emit(self._bars[self._row].name)
        else:
            event.ignore()
