"""How often each value occurs in a channel: bars in the chosen colour map, with the ends and zero written beneath."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.widgets.feature_legend import number

if TYPE_CHECKING:
    from models.tasks.feature_maps import Channel

_WORDS = 16
_SPACE = 4


class FeatureHistogram(QWidget):
    """Paints the counts of a `Channel`; each bar has the colour its values have in the picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Histogram of the channel"))
        self._channel: Channel | None = None
        self._colours = "viridis"
        theme.current().changed.connect(self.update)

    def set_channel(self, channel: "Channel | None", colour_map: str) -> None:
        """Show this channel's values."""
        self._channel, self._colours = channel, colour_map
        if channel is not None:
            self.setAccessibleDescription(
                self.tr("from {low:.2f} to {high:.2f}").format(low=channel.minimum, high=channel.maximum)
            )
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(240, 96)

    def paintEvent(self, event: QPaintEvent) -> None:
        from models.tasks import colours

        found = self._channel
        if found is None:
            return
        c, painter = theme.colours(), QPainter(self)
        room = QRectF(0, 2, self.width(), self.height() - _WORDS - 4)
        bars, most = len(found.counts), max(1, int(found.counts.max()))
        table = colours.table(self._colours)
        wide = room.width() / bars
        painter.setPen(Qt.PenStyle.NoPen)
        for place, count in enumerate(found.counts):
            high = room.height() * int(count) / most
            red, green, blue = (int(value) for value in table[round(place / max(1, bars - 1) * 255)])
            painter.setBrush(QColor(red, green, blue))
            painter.drawRect(
                QRectF(room.left() + place * wide, room.bottom() - high, max(1.0, wide - 1), high)
            )
        painter.setPen(QPen(QColor(c.border), 1))
        painter.drawLine(room.bottomLeft(), room.bottomRight())
        low, high_end = float(found.edges[0]), float(found.edges[-1])
        painter.setFont(theme.small_font())
        painter.setPen(QColor(c.muted))
        under = QRectF(0, room.bottom() + 2, self.width(), _WORDS)
        painter.drawText(under, Qt.AlignmentFlag.AlignLeft, number(low))
        painter.drawText(under, Qt.AlignmentFlag.AlignRight, number(high_end))
        if low < 0 < high_end:
            x = room.left() + room.width() * -low / (high_end - low)
            painter.setPen(QPen(QColor(c.text), 1, Qt.PenStyle.DashLine))
            painter.drawLine(round(x), round(room.top()), round(x), round(room.bottom()))
            if zero_fits(painter.fontMetrics(), x, self.width(), (number(low), number(high_end))):
                painter.setPen(QColor(c.muted))
                painter.drawText(QRectF(x - 20, under.top(), 40, _WORDS), Qt.AlignmentFlag.AlignCenter, "0")


def zero_fits(metrics: QFontMetrics, x: float, width: int, ends: tuple[str, str]) -> bool:
    """Whether a 0 centred at x keeps off what is written at both ends of the line."""
    half = metrics.horizontalAdvance("0") / 2 + _SPACE
    left, right = (metrics.horizontalAdvance(words) for words in ends)
    return left + half <= x <= width - right - half
