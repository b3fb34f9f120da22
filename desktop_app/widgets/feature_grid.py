"""All channels of a layer as small pictures; one is chosen. Only the tiles in sight are painted."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRect, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from desktop_app import theme

if TYPE_CHECKING:
    from models.tasks.feature_pictures import Grid

_SIZES = (40, 56, 72, 96, 128, 192)
_GAP, _WORDS = 6, 16


class FeatureGrid(QAbstractScrollArea):
    """Arrows walk, Home and End jump, Page Up and Down (or Shift and an arrow) go a stage up and down.

    Ctrl and the wheel, or plus and minus, change the size of the tiles.
    """

    chosen = Signal(int)  # channel
    stage_asked = Signal(int)  # a stage up (-1) or down (1)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(self.tr("Channels"))
        self._grid: Grid | None = None
        self._place = 0
        self._size = _SIZES[2]
        theme.current().changed.connect(self.viewport().update)

    @property
    def count(self) -> int:
        """How many channels are shown."""
        return 0 if self._grid is None else len(self._grid.indices)

    @property
    def channel(self) -> int:
        """The chosen channel, -1 for none."""
        return int(self._grid.indices[self._place]) if self._grid is not None and self.count else -1

    def set_grid(self, grid: "Grid | None", channel: int) -> None:
        """Show these; `channel` is chosen if it is among them, else the first."""
        self._grid = grid
        places = [] if grid is None else [i for i, one in enumerate(grid.indices) if one == channel]
        self._place = places[0] if places else 0
        self._lay_out()
        self._show_place()

    def choose(self, channel: int) -> None:
        """Choose a channel by its number."""
        if self._grid is not None:
            for place, one in enumerate(self._grid.indices):
                if one == channel:
                    self._go(place)

    # --- geometry

    def _columns(self) -> int:
        return max(1, (self.viewport().width() + _GAP) // (self._size + _GAP))

    def _tile(self, place: int) -> QRect:
        columns = self._columns()
        slack = self.viewport().width() - columns * (self._size + _GAP) + _GAP
        x = max(0, slack) // 2 + place % columns * (self._size + _GAP)
        y = place // columns * (self._size + _WORDS + _GAP) - self.verticalScrollBar().value() + _GAP
        return QRect(x, y, self._size, self._size)

    def _lay_out(self) -> None:
        rows = -(-self.count // self._columns())
        high = rows * (self._size + _WORDS + _GAP) + _GAP
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, high - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep((self._size + _WORDS + _GAP) // 2)
        self.viewport().update()

    def _show_place(self) -> None:
        tile = self._tile(self._place)
        bar = self.verticalScrollBar()
        if tile.top() < 0:
            bar.setValue(bar.value() + tile.top() - _GAP)
        elif tile.bottom() + _WORDS > self.viewport().height():
            bar.setValue(bar.value() + tile.bottom() + _WORDS + _GAP - self.viewport().height())
        self.setAccessibleDescription(
            self.tr("channel {number}, {place} of {count}").format(
                number=self.channel, place=self._place + 1, count=self.count
            )
        )
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._lay_out()

    def set_tile_size(self, by: int) -> None:
        """One size up or down."""
        place = _SIZES.index(self._size) + by
        self._size = _SIZES[min(max(place, 0), len(_SIZES) - 1)]
        self._lay_out()
        self._show_place()

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._grid is None:
            return
        painter = QPainter(self.viewport())
        painter.setFont(theme.small_font())
        c, area = theme.colours(), event.rect()
        for place in range(self.count):
            tile = self._tile(place)
            if tile.bottom() + _WORDS < area.top():
                continue
            if tile.top() > area.bottom():
                break
            picture = self._grid.pictures[place]
            height, width = picture.shape[:2]
            image = QImage(picture.tobytes(), width, height, width * 3, QImage.Format.Format_RGB888)
            painter.drawImage(tile, image)
            marked = place == self._place
            painter.setPen(QColor(c.accent_text if marked else c.muted))
            words = QRectF(tile.left(), tile.bottom() + 1, tile.width(), _WORDS)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, str(self._grid.indices[place]))
            if marked:
                painter.setPen(QPen(QColor(c.accent), 2 if self.hasFocus() else 1.5))
                painter.drawRect(QRectF(tile).adjusted(-1.5, -1.5, 1.5, 1.5))

    # --- hands

    def _go(self, place: int) -> None:
        place = min(max(place, 0), self.count - 1)
        if place != self._place and place >= 0:
            self._place = place
            self._show_place()
            self.chosen.emit(self.channel)

    def _at(self, point: QPointF) -> int | None:
        for place in range(self.count):
            if self._tile(place).adjusted(0, 0, 0, _WORDS).contains(point.toPoint()):
                return place
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._at(event.position())
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self._go(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, columns = Qt.Key(event.key()), self._columns()
        moves = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -columns,
            Qt.Key.Key_Down: columns,
            Qt.Key.Key_Home: -self.count,
            Qt.Key.Key_End: self.count,
        }
        stages = {Qt.Key.Key_PageUp: -1, Qt.Key.Key_PageDown: 1}
        if event.modifiers() == Qt.KeyboardModifier.ShiftModifier:
            stages |= {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        sizes = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Equal: 1, Qt.Key.Key_Minus: -1}
        if event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier):
            event.ignore()
        elif key in stages:
            self.stage_asked.emit(stages[key])
        elif key in moves:
            self._go(self._place + moves[key])
        elif key in sizes:
            self.set_tile_size(sizes[key])
        else:
            event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.set_tile_size(1 if event.angleDelta().y() > 0 else -1)
            event.accept()
        else:
            super().wheelEvent(event)
