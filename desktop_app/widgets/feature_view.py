"""The photo with a feature map over it: marks for a place and what it sees, and a place that the keyboard moves."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from desktop_app import theme
from desktop_app.widgets.image_view import ImageView

Box = tuple[float, float, float, float]
Place = tuple[float, float]


class FeatureView(ImageView):
    """Arrows move the place by a cell (they pan while zoomed), Enter chooses it, Escape lets it go."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.cells = (0, 0)  # columns and rows of the layer, the steps of the keyboard
        self._field: Box | None = None
        self._cell: Box | None = None
        self._pin: Place | None = None

    def set_marks(self, field: Box | None, cell: Box | None) -> None:
        """Draw what a place sees and the place itself, both (left, top, right, bottom) in 0..1 of the picture."""
        if (field, cell) != (self._field, self._cell):
            self._field, self._cell = field, cell
            self.update()

    @property
    def field(self) -> Box | None:
        """The receptive field that is drawn."""
        return self._field

    def set_pin(self, place: Place | None) -> None:
        """Draw a place that stays when the mouse goes."""
        if place != self._pin:
            self._pin = place
            self.update()

    @property
    def pin(self) -> Place | None:
        """The place that stays."""
        return self._pin

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.has_image:
            return
        painter = QPainter(self)
        painter.setClipRect(self.picture_rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._field is not None:
            self._frame(painter, self._field, Qt.PenStyle.DashLine, 1.5)
        if self._cell is not None:
            self._frame(painter, self._cell, Qt.PenStyle.SolidLine, 1.5)
        if self._pin is not None:
            self._paint_pin(painter, self._pin)
        painter.end()

    def _frame(self, painter: QPainter, box: Box, style: Qt.PenStyle, width: float) -> None:
        """White on black: seen over any photo and any colour map."""
        rect = self.picture_rect()
        left, top, right, bottom = box
        frame = QRectF(
            rect.x() + left * rect.width(),
            rect.y() + top * rect.height(),
            (right - left) * rect.width(),
            (bottom - top) * rect.height(),
        ).adjusted(1, 1, -1, -1)
        painter.setPen(QPen(QColor(0, 0, 0, 150), width + 1.5))
        painter.drawRect(frame)
        painter.setPen(QPen(QColor(255, 255, 255, 235), width, style))
        painter.drawRect(frame)

    def _paint_pin(self, painter: QPainter, place: Place) -> None:
        rect = self.picture_rect()
        at = QPointF(rect.x() + place[0] * rect.width(), rect.y() + place[1] * rect.height())
        painter.setPen(QPen(QColor(0, 0, 0, 170), 2))
        painter.setBrush(QColor(theme.colours().accent))
        painter.drawEllipse(at, 5.5, 5.5)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        moves = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if plain and self.has_image and self.lens.zoom == 1.0 and key in moves:
            self.hovered.emit(self._moved(*moves[key]))
        elif plain and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._place is not None:
            self.clicked.emit(*self._place)
        elif key == Qt.Key.Key_Escape and self._place is not None:
            self.hovered.emit(None)
        else:
            super().keyPressEvent(event)

    def _moved(self, across: int, down: int) -> Place:
        """The middle of the next cell in a direction; the first step shows the middle of the picture."""
        if self._place is None:
            return 0.5, 0.5
        columns, rows = (max(1, cells) for cells in self.cells)
        column = min(max(int(self._place[0] * columns) + across, 0), columns - 1)
        row = min(max(int(self._place[1] * rows) + down, 0), rows - 1)
        return (column + 0.5) / columns, (row + 0.5) / rows
