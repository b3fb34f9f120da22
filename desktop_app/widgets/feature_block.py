"""A residual block drawn from its list of layers: as wide as its channels, what is new in the accent colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme

_TITLE, _CONV, _SMALL, _GAP, _LINE = 22, 26, 18, 4, 16


class Mark(Enum):
    """How a layer differs from the other drawing."""

    NONE = 0
    NEW = 1
    GONE = 2


@dataclass(frozen=True)
class BlockRow:
    """One layer: its words, the channels that enter and leave a convolution (0 for others), and how it differs."""

    words: str
    inputs: int = 0
    outputs: int = 0
    mark: Mark = Mark.NONE

    @property
    def height(self) -> int:
        """Of its row in px."""
        return _CONV if self.inputs else _SMALL


class FeatureBlock(QWidget):
    """Layers from top to bottom; the line at the left is the shortcut that joins at the plus, before the last row."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._title = ""
        self.rows: tuple[BlockRow, ...] = ()
        theme.current().changed.connect(self.update)

    def set_block(self, title: str, rows: Sequence[BlockRow]) -> None:
        """Draw these; the last one is what follows on the sum, its words empty where nothing does."""
        self._title, self.rows = title, tuple(rows)
        self.setAccessibleName(title)
        self.setAccessibleDescription(", ".join(row.words for row in rows if row.words))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        high = _TITLE + sum(row.height + _GAP for row in self.rows) + _SMALL + 12
        return QSize(190, high)

    def minimumSizeHint(self) -> QSize:
        return QSize(150, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        c, painter = theme.colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(c.muted))
        painter.drawText(QRectF(0, 0, self.width(), _TITLE), Qt.AlignmentFlag.AlignVCenter, self._title)
        if not self.rows:
            painter.end()
            return
        most = max(max(row.inputs, row.outputs) for row in self.rows)
        room = QRectF(_LINE + 8, 0, self.width() - _LINE - 12, 0)
        top = float(_TITLE + 4)
        for row in self.rows[:-1]:
            area = QRectF(room.x(), top, room.width(), row.height)
            self._paint_row(painter, row, area, most)
            top += row.height + _GAP
        self._paint_sum(painter, room.center().x(), top)
        self._paint_row(painter, self.rows[-1], QRectF(room.x(), top + 16, room.width(), _SMALL), most)
        painter.end()

    def _paint_row(self, painter: QPainter, row: BlockRow, area: QRectF, most: int) -> None:
        c = theme.colours()
        if row.inputs:
            # By less than the channels: a quarter of the room would not hold the words.
            before, after = (area.width() * (n / most) ** 0.35 / 2 for n in (row.inputs, row.outputs))
            x = area.center().x()
            shape = QPolygonF(
                [
                    QPointF(x - before, area.top()),
                    QPointF(x + before, area.top()),
                    QPointF(x + after, area.bottom()),
                    QPointF(x - after, area.bottom()),
                ]
            )
            new = row.mark is Mark.NEW
            painter.setPen(QPen(QColor(c.accent if new else c.border), 1.2))
            painter.setBrush(QColor(c.selection if new else c.raised))
            painter.drawPolygon(shape)
        usual = c.text if row.inputs and row.mark is not Mark.GONE else c.muted
        painter.setPen(QColor(c.accent_text if row.mark is Mark.NEW else usual))
        font = theme.small_font()
        font.setStrikeOut(row.mark is Mark.GONE)
        painter.setFont(font)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, row.words)

    def _paint_sum(self, painter: QPainter, x: float, top: float) -> None:
        c = theme.colours()
        painter.setPen(QPen(QColor(c.muted), 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        middle = top + 8
        painter.drawPolyline(
            QPolygonF([QPointF(x - 12, _TITLE), QPointF(_LINE / 2, _TITLE), QPointF(_LINE / 2, middle)])
        )
        painter.drawLine(QPointF(_LINE / 2, middle), QPointF(x - 7, middle))
        painter.drawEllipse(QPointF(x, middle), 6.5, 6.5)
        painter.drawLine(QPointF(x - 3.5, middle), QPointF(x + 3.5, middle))
        painter.drawLine(QPointF(x, middle - 3.5), QPointF(x, middle + 3.5))
