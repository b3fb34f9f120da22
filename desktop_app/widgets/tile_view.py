"""A view of equal tiles, in rows (grid) or in one line (strip): every question is arithmetic on the row number.

QListView lays out all items at once, which for 100,000 photos is felt at each resize and each filter. Here nothing
is ever done for a tile that is not on screen.
"""

from typing import Literal

from PySide6.QtCore import (
    QAbstractItemModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent, QRegion, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyleOptionViewItem, QWidget

AnyIndex = QModelIndex | QPersistentModelIndex
_KEYS_FOR_THE_WINDOW = {
    Qt.Key.Key_Space,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
    Qt.Key.Key_Delete,
    Qt.Key.Key_Backspace,
}
_MOVES = {
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
}


class TileView(QAbstractItemView):
    """Equal tiles of a list model. `resized` tells the new number of columns."""

    zoom_asked = Signal(int)  # Ctrl+wheel: +1 or -1

    def __init__(self, parent: QWidget | None = None, *, flow: Literal["grid", "strip"] = "grid") -> None:
        super().__init__(parent)
        self._flow = flow
        self._tile = QSize(160, 160)
        self._gap = 8
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        never = Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if flow == "strip":
            self.setVerticalScrollBarPolicy(never)
        else:
            self.setHorizontalScrollBarPolicy(never)
            # Always there: a bar that comes and goes changes the number of columns under the eye.
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)

    def setModel(self, model: QAbstractItemModel | None) -> None:
        super().setModel(model)
        if model is not None:
            # At once, not with Qt's delayed layout: whoever scrolls to a new row must find it.
            for signal in (model.modelReset, model.rowsInserted, model.rowsRemoved):
                signal.connect(self.updateGeometries)

    # --- geometry

    def set_tile(self, size: QSize, gap: int = 8) -> None:
        """The size of a tile and the space between two."""
        if (size, gap) != (self._tile, self._gap):
            top = self._first_row()
            self._tile, self._gap = size, gap
            self.updateGeometries()
            if top >= 0 and self.model() is not None:
                self.scrollTo(self.model().index(top, 0), QAbstractItemView.ScrollHint.PositionAtTop)
            self.viewport().update()

    @property
    def tile(self) -> QSize:
        return self._tile

    def columns(self) -> int:
        """How many tiles stand beside each other."""
        if self._flow == "strip":
            return max(1, self._count())
        return max(1, (self.viewport().width() - self._gap) // (self._tile.width() + self._gap))

    def visible_rows(self) -> range:
        """The rows of the model that are on screen, even in part."""
        count = self._count()
        pitch_x, pitch_y = self._tile.width() + self._gap, self._tile.height() + self._gap
        if self._flow == "strip":
            start = max(0, self.horizontalOffset() - self._gap) // pitch_x
            stop = (self.horizontalOffset() + self.viewport().width()) // pitch_x + 1
        else:
            columns = self.columns()
            start = max(0, self.verticalOffset() - self._gap) // pitch_y * columns
            stop = ((self.verticalOffset() + self.viewport().height()) // pitch_y + 1) * columns
        return range(min(start, count), min(stop, count))

    def _count(self) -> int:
        model = self.model()
        return model.rowCount() if model is not None else 0

    def _first_row(self) -> int:
        rows = self.visible_rows()
        return rows.start if len(rows) else -1

    def _left_margin(self) -> int:
        """Centre the columns: what is left over is shared by both sides."""
        if self._flow == "strip":
            return self._gap
        used = self.columns() * (self._tile.width() + self._gap) - self._gap
        return max(self._gap, (self.viewport().width() - used) // 2)

    def _content_rect(self, row: int) -> QRect:
        line, column = divmod(row, self.columns())
        x = self._left_margin() + column * (self._tile.width() + self._gap)
        y = self._gap + line * (self._tile.height() + self._gap)
        return QRect(QPoint(x, y), self._tile)

    def visualRect(self, index: AnyIndex) -> QRect:
        if not index.isValid():
            return QRect()
        return self._content_rect(index.row()).translated(-self.horizontalOffset(), -self.verticalOffset())

    def indexAt(self, point: QPoint) -> QModelIndex:
        row = self._row_at(point + QPoint(self.horizontalOffset(), self.verticalOffset()))
        return self.model().index(row, 0) if 0 <= row < self._count() else QModelIndex()

    def _row_at(self, content: QPoint) -> int:
        x, y = content.x() - self._left_margin(), content.y() - self._gap
        column, in_x = divmod(x, self._tile.width() + self._gap)
        line, in_y = divmod(y, self._tile.height() + self._gap)
        if not 0 <= column < self.columns() or in_x >= self._tile.width() or in_y >= self._tile.height():
            return -1
        return line * self.columns() + column if line >= 0 else -1

    def scrollTo(
        self, index: AnyIndex, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        if not index.isValid():
            return
        rect = self._content_rect(index.row())
        if self._flow == "strip":
            # The photo in focus stays in the middle, with its neighbours on both sides.
            self.horizontalScrollBar().setValue(rect.center().x() - self.viewport().width() // 2)
            return
        bar, height = self.verticalScrollBar(), self.viewport().height()
        top, bottom = rect.top() - self._gap, rect.bottom() + self._gap
        if hint == QAbstractItemView.ScrollHint.PositionAtTop or top < bar.value():
            bar.setValue(top)
        elif hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(rect.center().y() - height // 2)
        elif bottom > bar.value() + height:
            bar.setValue(bottom - height)

    def horizontalOffset(self) -> int:
        return self.horizontalScrollBar().value()

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def updateGeometries(self, *_: object) -> None:
        pitch_x, pitch_y = self._tile.width() + self._gap, self._tile.height() + self._gap
        if self._flow == "strip":
            bar, page = self.horizontalScrollBar(), self.viewport().width()
            total, step = self._gap + self._count() * pitch_x, pitch_x
        else:
            lines = -(-self._count() // self.columns())
            bar, page = self.verticalScrollBar(), self.viewport().height()
            total, step = self._gap + lines * pitch_y, pitch_y // 2
        bar.setRange(0, max(0, total - page))
        bar.setPageStep(page)
        bar.setSingleStep(step)
        super().updateGeometries()

    def resizeEvent(self, event: QResizeEvent) -> None:
        top = self.currentIndex().row() if self._current_is_visible() else self._first_row()
        super().resizeEvent(event)
        self.updateGeometries()
        if top >= 0 and event.oldSize().width() != event.size().width():
            self.scrollTo(self.model().index(top, 0))

    def _current_is_visible(self) -> bool:
        return self.currentIndex().isValid() and self.currentIndex().row() in self.visible_rows()

    # --- moving and selecting

    def moveCursor(
        self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier
    ) -> QModelIndex:
        count = self._count()
        if not count:
            return QModelIndex()
        act = QAbstractItemView.CursorAction
        row = max(0, self.currentIndex().row())
        page = max(1, self.viewport().height() // (self._tile.height() + self._gap)) * self.columns()
        line = self.columns() if self._flow == "grid" else 0
        step = {
            act.MoveLeft: -1,
            act.MovePrevious: -1,
            act.MoveRight: 1,
            act.MoveNext: 1,
            act.MoveUp: -line,
            act.MoveDown: line,
            act.MovePageUp: -page if line else 0,
            act.MovePageDown: page if line else 0,
            act.MoveHome: -row,
            act.MoveEnd: count - 1 - row,
        }.get(action, 0)
        target = row + step
        if action in (act.MoveUp, act.MoveDown) and not 0 <= target < count:
            target = row  # no jump into another column at the ends
        return self.model().index(min(max(target, 0), count - 1), 0)

    def isIndexHidden(self, index: AnyIndex) -> bool:
        return False

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """What the rubber band touches; one range a line of tiles."""
        area = rect.normalized().translated(self.horizontalOffset(), self.verticalOffset())
        pitch_x, pitch_y = self._tile.width() + self._gap, self._tile.height() + self._gap
        columns, count = self.columns(), self._count()
        left = max(0, (area.left() - self._left_margin()) // pitch_x)
        right = min(columns - 1, (area.right() - self._left_margin()) // pitch_x)
        selection = QItemSelection()
        first, last = (
            max(0, (area.top() - self._gap) // pitch_y),
            max(0, (area.bottom() - self._gap) // pitch_y),
        )
        for line in range(first, min(last, -(-count // columns) - 1) + 1):
            start, stop = line * columns + left, min(line * columns + right, count - 1)
            if start <= stop:
                selection.select(self.model().index(start, 0), self.model().index(stop, 0))
        self.selectionModel().select(selection, command)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        # Exact for what is on screen only: "select all" of 100,000 must not build 100,000 rectangles.
        region = QRegion()
        for row in self.visible_rows():
            index = self.model().index(row, 0)
            if selection.contains(index):
                region += self.visualRect(index)
        return region if not region.isEmpty() else QRegion(self.viewport().rect())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        # Letters and Enter belong to the window's actions, not to a search within the list.
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier)
        if plain and (event.key() in _KEYS_FOR_THE_WINDOW or event.text().isalnum()):
            event.ignore()
            return
        if plain and event.key() in _MOVES:
            # Qt leaves everything chosen where there is nowhere to go, and Enter would then be about all of it.
            self.choose_current()
        super().keyPressEvent(event)

    def chosen_count(self) -> int:
        """How many tiles are chosen."""
        chosen = self.selectionModel().selection()
        return sum(chosen.at(place).height() for place in range(chosen.count()))

    def choose_current(self) -> bool:
        """Of several chosen tiles the current one alone stays chosen; whether there were several."""
        several = self.chosen_count() > 1
        if several:
            self.selectionModel().select(
                self.currentIndex(), QItemSelectionModel.SelectionFlag.ClearAndSelect
            )
        return several

    def wheelEvent(self, event: QWheelEvent) -> None:
        steps = event.angleDelta().y()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            if steps:
                self.zoom_asked.emit(1 if steps > 0 else -1)
            event.accept()
        elif self._flow == "strip" and steps:
            self.horizontalScrollBar().setValue(self.horizontalOffset() - steps)
            event.accept()
        else:
            super().wheelEvent(event)

    # --- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        model: QAbstractItemModel | None = self.model()
        if model is None:
            return
        painter = QPainter(self.viewport())
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        option.font = self.font()
        base = option.state & ~(QStyle.StateFlag.State_Selected | QStyle.StateFlag.State_MouseOver)
        selected, current, hover = self.selectionModel(), self.currentIndex().row(), self._row_under_mouse()
        for row in self.visible_rows():
            index = model.index(row, 0)
            option.rect = self.visualRect(index)
            if not event.rect().intersects(option.rect):
                continue
            option.state = base
            if selected.isSelected(index):
                option.state |= QStyle.StateFlag.State_Selected
            if row == current:
                option.state |= QStyle.StateFlag.State_On
                if self.hasFocus():
                    option.state |= QStyle.StateFlag.State_HasFocus
            if row == hover:
                option.state |= QStyle.StateFlag.State_MouseOver
            self.itemDelegate().paint(painter, option, index)
        painter.end()

    def _row_under_mouse(self) -> int:
        if not self.viewport().underMouse():
            return -1
        return self.indexAt(self.viewport().mapFromGlobal(self.cursor().pos())).row()
