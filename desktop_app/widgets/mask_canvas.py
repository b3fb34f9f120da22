"""The picture one paints on: cells are hidden and shown by mouse or keyboard; it tells, and keeps nothing."""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QWidget

from desktop_app import theme
from desktop_app.widgets.image_view import ImageView, Lens
from models.tasks.masks import Cell, Hidden, Mask, stroke

COVER = 236  # of 255: what is hidden shows through just enough to paint by
_GREY = 128
_MOVES = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class MaskCanvas(ImageView):
    """Left button or Space turns a cell round and a drag does the same to others; right button or Alt shows.

    Arrows move a cursor over the cells, Shift extends it to a rectangle, Space paints that.
    """

    touched = Signal(object, bool)  # frozenset of cells (row, column), hide
    let_go = Signal()  # the stroke has ended
    pointed = Signal(object)  # (x, y) in 0..1 of the cell under the keyboard's cursor

    def __init__(self, parent: QWidget | None = None, *, lens: Lens | None = None) -> None:
        super().__init__(parent, lens=lens)
        self.setAccessibleName(self.tr("What is hidden: paint here"))
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.brush = 1  # cells across
        self._mask: Mask | None = None
        self._hidden: Hidden = np.zeros((0, 0), np.bool_)
        self._cursor: Cell = (0, 0)
        self._anchor: Cell | None = None
        self._last: Cell | None = None
        self._hides = True
        self._by_keys = False
        self.stroke_started.connect(self._start)
        self.stroke_moved.connect(self._move)
        self.stroke_ended.connect(self._end)

    def set_mask(self, mask: Mask | None, patches: Hidden | None = None) -> None:
        """Cover what is hidden; `patches` (rows, columns) is the mask as the model's patches have it."""
        self._mask = mask
        self.paint_mode = mask is not None
        if mask is None:
            self.set_layer("mask", None)
            return
        hidden = mask.hidden if patches is None else patches
        cover = np.full((*hidden.shape, 4), _GREY, np.uint8)
        cover[..., 3] = np.where(hidden, COVER, 0)
        self._hidden = hidden
        self.set_layer("mask", cover)
        self.brush_radius = self.brush * mask.unit / mask.width / 2
        rows, columns = mask.hidden.shape
        self._cursor = min(self._cursor[0], rows - 1), min(self._cursor[1], columns - 1)
        self._describe()

    def set_brush(self, cells: int) -> None:
        """How many cells the brush is across."""
        self.brush = cells
        if self._mask is not None:
            self.brush_radius = cells * self._mask.unit / self._mask.width / 2
        self.update()

    # --- mouse

    def _cells(self, start: Cell, end: Cell) -> frozenset[Cell]:
        return stroke(start, end, self.brush / 2 if self.brush > 1 else 0.0)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._by_keys = False
        super().mouseMoveEvent(event)

    def _start(self, x: float, y: float, erase: bool) -> None:
        if self._mask is None:
            return
        cell = self._mask.cell_at(x, y)
        self._hides = not erase and not bool(self._mask.hidden[cell])
        self._last = self._cursor = cell
        self._anchor = None
        self.touched.emit(self._cells(cell, cell), self._hides)

    def _move(self, x: float, y: float) -> None:
        if self._mask is None or self._last is None:
            return
        cell = self._mask.cell_at(x, y)
        if cell != self._last:
            start, self._last = self._last, cell
            self._cursor = cell
            self.touched.emit(self._cells(start, cell), self._hides)

    def _end(self) -> None:
        if self._last is not None:
            self._last = None
            self.let_go.emit()

    # --- keyboard

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shift = held == Qt.KeyboardModifier.ShiftModifier
        if self._mask is None or (held and not shift):
            super().keyPressEvent(event)
        elif key in _MOVES:
            self._step(*_MOVES[key], extend=shift)
        elif key == Qt.Key.Key_Space:
            self._paint_selection()
        elif key == Qt.Key.Key_Escape and self._anchor is not None:
            self._anchor = None
            self.update()
        else:
            super().keyPressEvent(event)

    def _step(self, down: int, across: int, *, extend: bool) -> None:
        assert self._mask is not None
        if extend and self._anchor is None:
            self._anchor = self._cursor
        elif not extend:
            self._anchor = None
        self._by_keys = True
        rows, columns = self._mask.hidden.shape
        row, column = self._cursor[0] + down, self._cursor[1] + across
        self._cursor = min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)
        self._keep_in_sight()
        self._describe()
        self.pointed.emit(self._middle(self._cursor))
        self.update()

    def selection(self) -> frozenset[Cell]:
        """The cells that Space would paint."""
        if self._anchor is None:
            return self._cells(self._cursor, self._cursor)
        (top, bottom), (left, right) = (sorted(pair) for pair in zip(self._cursor, self._anchor, strict=True))
        return frozenset((row, column) for row in range(top, bottom + 1) for column in range(left, right + 1))

    def _paint_selection(self) -> None:
        assert self._mask is not None
        self.touched.emit(self.selection(), not bool(self._mask.hidden[self._cursor]))
        self.let_go.emit()

    def _middle(self, cell: Cell) -> tuple[float, float]:
        assert self._mask is not None
        share = self._mask.unit / self._mask.width
        return min((cell[1] + 0.5) * share, 1.0), min((cell[0] + 0.5) * share, 1.0)

    def _keep_in_sight(self) -> None:
        """When zoomed, the lens follows the cursor."""
        x, y = self._middle(self._cursor)
        half, (cx, cy) = 0.42 / self.lens.zoom, self.lens.centre
        if abs(x - cx) > half or abs(y - cy) > half:
            self.lens.look(self.lens.zoom, (x, y))

    def _describe(self) -> None:
        """What a screen reader says of the cursor."""
        if self._mask is not None:
            state = self.tr("hidden") if self._mask.hidden[self._cursor] else self.tr("visible")
            row, column = self._cursor
            words = self.tr("Row {row}, column {column}: {state}")
            self.setAccessibleDescription(words.format(row=row + 1, column=column + 1, state=state))

    # --- painting over the picture

    def _paint_over(self, painter: QPainter, rect: QRectF) -> None:
        if self._mask is None:
            return
        self._paint_hatching(painter, rect)
        size = rect.width() * self._mask.unit / self._mask.width
        rows, columns = self._mask.hidden.shape
        if size >= 6:
            painter.setPen(QPen(QColor(128, 128, 128, 70), 1))
            for i in range(1, columns):
                painter.drawLine(
                    QPointF(rect.x() + i * size, rect.top()), QPointF(rect.x() + i * size, rect.bottom())
                )
            for i in range(1, rows):
                painter.drawLine(
                    QPointF(rect.left(), rect.y() + i * size), QPointF(rect.right(), rect.y() + i * size)
                )
        if self.hasFocus():
            self._paint_cursor(painter, rect, size)

    def _paint_hatching(self, painter: QPainter, rect: QRectF) -> None:
        """Fine lines over what is hidden: on a grey photo the grey alone would say nothing."""
        rows, columns = self._hidden.shape
        wide, tall = rect.width() / columns, rect.height() / rows
        cells = [
            QRectF(rect.x() + column * wide, rect.y() + row * tall, wide, tall)
            for row, column in np.argwhere(self._hidden).tolist()
        ]
        seen = QRectF(self.rect())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(QColor(0, 0, 0, 40), Qt.BrushStyle.BDiagPattern))
        painter.drawRects([cell for cell in cells if cell.intersects(seen)])

    def _paint_place(self, painter: QPainter, rect: QRectF) -> None:
        # The keyboard's cursor says where it is; the ring of the brush is for the mouse and for other panels.
        if not (self._by_keys and self.hasFocus()):
            super()._paint_place(painter, rect)

    def _paint_cursor(self, painter: QPainter, rect: QRectF, size: float) -> None:
        (row, column), (other_row, other_column) = self._cursor, self._anchor or self._cursor
        top, left = min(row, other_row), min(column, other_column)
        tall, wide = abs(row - other_row) + 1, abs(column - other_column) + 1
        if self._anchor is None:
            reach = self.brush // 2
            top, left, tall, wide = top - reach, left - reach, tall + 2 * reach, wide + 2 * reach
        box = QRectF(rect.x() + left * size, rect.y() + top * size, wide * size, tall * size) & rect
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for colour, width in ((QColor(0, 0, 0, 200), 4.0), (QColor(theme.colours().accent), 2.0)):
            painter.setPen(QPen(colour, width))
            painter.drawRect(box)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._anchor = None
        super().focusOutEvent(event)
