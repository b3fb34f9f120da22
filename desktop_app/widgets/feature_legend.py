"""What the colours over the photo mean: a bar with the numbers at its ends, or three colours with their shares."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.figures import percent

_BAR, _SQUARE = 72, 10
_PARTS = (QColor(220, 60, 60), QColor(60, 170, 80), QColor(70, 110, 230))


class FeatureLegend(QWidget):
    """Stands at the right end of a line; empty until something is shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(20)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._map = ""
        self._ends = ("", "")
        self._parts: tuple[str, ...] = ()
        theme.current().changed.connect(self.update)

    def set_range(self, colour_map: str, low: float, high: float, tip: str) -> None:
        """A colour map from `low` to `high`."""
        self._map, self._parts = colour_map, ()
        self._ends = (number(low), number(high))
        self._say(tip)

    def set_parts(self, shares: tuple[float, float, float], tip: str) -> None:
        """Red, green and blue, and what share (0..1) each stands for."""
        self._map, self._ends = "", ("", "")
        self._parts = tuple(percent(share) for share in shares)
        self._say(tip)

    def clear(self) -> None:
        """No colours over the photo."""
        self._map, self._ends, self._parts = "", ("", ""), ()
        self._say("")

    @property
    def words(self) -> tuple[str, ...]:
        """The numbers shown, left to right."""
        return self._parts or (self._ends if self._map else ())

    def _say(self, tip: str) -> None:
        self.setToolTip(tip)
        self.setAccessibleName(tip or self.tr("Legend"))
        self.setAccessibleDescription(" – ".join(self.words))
        self.setFixedWidth(self.sizeHint().width())
        self.update()

    def sizeHint(self) -> QSize:
        metrics = QFontMetrics(theme.number_font(11))
        wide = sum(metrics.horizontalAdvance(word) + 6 for word in self.words)
        if self._parts:
            wide += len(self._parts) * (_SQUARE + 10)
        return QSize(wide + (_BAR + 6 if self._map else 0), 20)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.number_font(11))
        if self._map:
            self._paint_bar(painter)
        elif self._parts:
            self._paint_parts(painter)
        painter.end()

    def _paint_bar(self, painter: QPainter) -> None:
        from models.tasks import colours

        wide = painter.fontMetrics().horizontalAdvance(self._ends[0]) + 6
        bar = QRectF(wide, self.height() / 2 - 4, _BAR, 8)
        painter.setPen(QColor(theme.colours().muted))
        line, middle = QRectF(self.rect()), Qt.AlignmentFlag.AlignVCenter
        painter.drawText(line, middle | Qt.AlignmentFlag.AlignLeft, self._ends[0])
        painter.drawText(line, middle | Qt.AlignmentFlag.AlignRight, self._ends[1])
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        for i, (red, green, blue) in enumerate(colours.table(self._map)[::17].tolist()):
            gradient.setColorAt(min(i / 15, 1.0), QColor(red, green, blue))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(gradient)
        painter.drawRoundedRect(bar, 2, 2)

    def _paint_parts(self, painter: QPainter) -> None:
        x = 0.0
        for colour, words in zip(_PARTS, self._parts, strict=True):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour)
            painter.drawRoundedRect(QRectF(x, (self.height() - _SQUARE) / 2, _SQUARE, _SQUARE), 2, 2)
            x += _SQUARE + 4
            wide = painter.fontMetrics().horizontalAdvance(words)
            painter.setPen(QColor(theme.colours().muted))
            painter.drawText(QRectF(x, 0, wide + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, words)
            x += wide + 12


def number(value: float) -> str:
    """Few digits, and a minus that is as wide as a digit: 0.034, −2.31, 148, 3e-05."""
    if value == 0:
        return "0"
    form = ".0f" if abs(value) >= 100 else ".2f" if abs(value) >= 0.1 else ".2g"
    return f"{value:{form}}".replace("-", "−")
