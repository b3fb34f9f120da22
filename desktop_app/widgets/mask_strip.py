"""A sweep as a strip: at each ratio what was left, and under it what was made of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.figures import percent
from desktop_app.widgets.image_view import Pixels, to_qimage

_HEAD, _FOOT, _GAP = 20, 20, 6
_SAME = 0.03  # whole patches do not always make the very share


@dataclass(frozen=True)
class Shot:
    """One ratio (0..1) of the strip, its two pictures and the words under them."""

    ratio: float
    above: QImage
    below: QImage
    words: str

    @staticmethod
    def of(ratio: float, above: Pixels, below: Pixels, words: str) -> "Shot":
        """From arrays (h,w,3)."""
        return Shot(ratio, to_qimage(above), to_qimage(below), words)


class MaskStrip(QWidget):
    """Click, or arrows and Enter, takes a ratio over. Places that are still to come are grey tiles."""

    chosen = Signal(float)

    def __init__(self, ratios: Sequence[float], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ratios = tuple(ratios)
        self._shots: dict[float, Shot] = {}
        self._ratio = 0.75
        self._at = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setAccessibleName(self.tr("The picture at every ratio"))
        self.setToolTip(
            self.tr("Above what was left, below what was made of it. A click takes the ratio over.")
        )
        theme.current().changed.connect(self.update)

    def set_shots(self, shots: Sequence[Shot]) -> None:
        """What has been painted so far."""
        self._shots = {round(shot.ratio, 3): shot for shot in shots}
        self._describe()
        self.update()

    def set_ratio(self, ratio: float) -> None:
        """The present ratio; its column is marked, where there is one."""
        self._ratio = ratio
        self.update()

    @property
    def marked(self) -> float | None:
        """The ratio whose column is marked; a share half-way between two is that of neither."""
        nearest = min(self._ratios, key=lambda ratio: abs(ratio - self._ratio))
        return nearest if abs(nearest - self._ratio) < _SAME else None

    @property
    def count(self) -> int:
        """How many ratios have their pictures."""
        return len(self._shots)

    def sizeHint(self) -> QSize:
        return QSize(860, 2 * 90 + _HEAD + _FOOT)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return round(2 * self._side(width)) + _HEAD + _FOOT + 4

    def _side(self, width: float) -> float:
        return max(24.0, (width - _GAP) / len(self._ratios) - _GAP)

    def _geometry(self) -> tuple[float, float]:
        """The side of a picture and where the first one begins."""
        side = min(self._side(self.width()), (self.height() - _HEAD - _FOOT - 4) / 2)
        whole = len(self._ratios) * (side + _GAP) - _GAP
        return side, (self.width() - whole) / 2

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(theme.number_font(11))
        c = theme.colours()
        side, x = self._geometry()
        for i, ratio in enumerate(self._ratios):
            self._paint_column(painter, x, side, ratio, marked=ratio == self.marked)
            if self.hasFocus() and i == self._at:
                painter.setPen(QPen(QColor(c.accent), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(QRectF(x - 2, _HEAD - 2, side + 4, 2 * side + 6))
            x += side + _GAP
        painter.end()

    def _paint_column(self, painter: QPainter, x: float, side: float, ratio: float, *, marked: bool) -> None:
        c = theme.colours()
        middle = Qt.AlignmentFlag.AlignCenter
        painter.setPen(QColor(c.accent_text if marked else c.muted))
        painter.drawText(QRectF(x, 0, side, _HEAD), middle, percent(ratio))
        shot = self._shots.get(round(ratio, 3))
        above, below = QRectF(x, _HEAD, side, side), QRectF(x, _HEAD + side + 2, side, side)
        if shot is None:
            for place in (above, below):
                painter.fillRect(place, QColor(c.tile))
            return
        painter.drawImage(above, shot.above)
        painter.drawImage(below, shot.below)
        painter.setPen(QColor(c.text))
        painter.drawText(QRectF(x, below.bottom() + 2, side, _FOOT), middle, shot.words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        side, left = self._geometry()
        column = int((event.position().x() - left) // (side + _GAP))
        if 0 <= column < len(self._ratios):
            self._go(column)
            self.chosen.emit(self._ratios[column])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        key = Qt.Key(event.key())
        if key in steps:
            self._go(min(max(self._at + steps[key], 0), len(self._ratios) - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self._ratios[self._at])
        else:
            super().keyPressEvent(event)

    def _go(self, column: int) -> None:
        self._at = column
        self._describe()
        self.update()

    def _describe(self) -> None:
        ratio = self._ratios[self._at]
        shot = self._shots.get(round(ratio, 3))
        self.setAccessibleDescription(
            f"{percent(ratio)}: {shot.words if shot else self.tr('not painted yet')}"
        )

    def focusInEvent(self, event: QFocusEvent | Any) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent | Any) -> None:
        self.update()
