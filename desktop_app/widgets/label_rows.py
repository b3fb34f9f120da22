"""A short list that is edited in place: rename, tick, reorder by drag or keys, remove. Labels and templates use it.

It owns nothing: every wish of the hand is a signal, and what is shown comes back through `set_rows`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    Qt,
    Signal,
)
from PySide6.QtGui import (
    QColor,
    QDropEvent,
    QFontMetrics,
    QGuiApplication,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionButton,
    QStyleOptionViewItem,
    QWidget,
)

from desktop_app import theme
from desktop_app.widgets.section import as_tip

AnyIndex = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_HEIGHT = 28
_LEAD = 20  # the column of the key's digit, or of the tick box


@dataclass(frozen=True)
class Row:
    """What one line shows: `lead` in small figures before the text, `trail` behind it, `ticked` None for no box,
    `remark` what is wrong with it, in a sentence."""

    text: str
    lead: str = ""
    trail: str = ""
    ticked: bool | None = None
    remark: str = ""
    tip: str = ""


class _Rows(QAbstractListModel):
    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.rows: tuple[Row, ...] = ()

    def put(self, rows: tuple[Row, ...]) -> None:
        if len(rows) == len(self.rows):
            self.rows = rows
            if rows:
                self.dataChanged.emit(self.index(0), self.index(len(rows) - 1))
            return
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not 0 <= index.row() < len(self.rows):
            return None
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return row.text
        if role == Qt.ItemDataRole.CheckStateRole and row.ticked is not None:
            return Qt.CheckState.Checked if row.ticked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tip(row.remark or row.tip) or None
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join(filter(None, (row.text, row.trail, row.remark)))
        return None

    def setData(self, index: AnyIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        view = self.parent()
        assert isinstance(view, RowsView)
        row = index.row()
        if role == Qt.ItemDataRole.CheckStateRole:
            view.ticked.emit(row, Qt.CheckState(value) == Qt.CheckState.Checked)
            return True
        text = str(value).strip()
        if text and text != self.rows[row].text:
            view.renamed.emit(row, text)
        return True

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
        if not index.isValid():
            return Qt.ItemFlag.ItemIsDropEnabled
        if self.rows[index.row()].ticked is not None:
            flags |= Qt.ItemFlag.ItemIsUserCheckable
        return flags | Qt.ItemFlag.ItemIsDragEnabled

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction


class _Delegate(QStyledItemDelegate):
    def sizeHint(self, option: QStyleOptionViewItem, index: AnyIndex) -> Any:
        size = super().sizeHint(option, index)
        size.setHeight(_HEIGHT)
        return size

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        c, model = theme.colours(), index.model()
        assert isinstance(model, _Rows)
        row = model.rows[index.row()]
        painter.save()
        if option.state & QStyle.StateFlag.State_Selected:
            # The accent belongs to the list that has the keyboard; several at once would say nothing.
            focused = option.widget.hasFocus()
            painter.fillRect(option.rect, QColor(c.selection if focused else c.hover))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(option.rect, QColor(c.hover))
        small = theme.number_font(11)
        area = option.rect.adjusted(6, 0, -8, 0)
        if row.ticked is not None:
            self._box(painter, option, tick_rect(option.rect), row.ticked)
        else:
            painter.setFont(small)
            painter.setPen(QColor(c.muted))
            painter.drawText(QRect(area.left(), area.top(), _LEAD - 6, area.height()), _middle(), row.lead)
        area.setLeft(area.left() + _LEAD)
        painter.setFont(small)
        painter.setPen(QColor(c.muted))
        painter.drawText(area, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, row.trail)
        if row.trail:
            area.setRight(area.right() - QFontMetrics(small).horizontalAdvance(row.trail) - 8)
        if row.remark:
            icon = theme.pixmap("warning", QColor(c.accent_text), 16, painter.device().devicePixelRatioF())
            painter.drawPixmap(area.right() - 16, area.center().y() - 7, icon)
            area.setRight(area.right() - 22)
        painter.setFont(option.font)
        painter.setPen(QColor(c.muted if row.ticked is False else c.text))
        shown = QFontMetrics(option.font).elidedText(row.text, Qt.TextElideMode.ElideRight, area.width())
        painter.drawText(area, _middle(), shown)
        painter.restore()

    def _box(self, painter: QPainter, option: QStyleOptionViewItem, rect: QRect, on: bool) -> None:
        button = QStyleOptionButton()
        button.rect = rect
        button.palette = option.palette
        button.state = QStyle.StateFlag.State_Enabled
        button.state |= QStyle.StateFlag.State_On if on else QStyle.StateFlag.State_Off
        option.widget.style().drawPrimitive(
            QStyle.PrimitiveElement.PE_IndicatorCheckBox, button, painter, None
        )

    def editorEvent(self, event: QEvent, model: Any, option: QStyleOptionViewItem, index: AnyIndex) -> bool:
        if event.type() == QEvent.Type.MouseButtonRelease and model.rows[index.row()].ticked is not None:
            place: Any = event
            if place.position().toPoint().x() < option.rect.left() + 6 + _LEAD:
                model.setData(index, _other(model.rows[index.row()].ticked), Qt.ItemDataRole.CheckStateRole)
                return True
        return False

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        editor.setGeometry(option.rect.adjusted(_LEAD, 1, -1, -1))

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: AnyIndex) -> QWidget:
        editor = super().createEditor(parent, option, index)
        editor.setStyleSheet("padding: 0 4px; border-radius: 4px;")
        return editor


class RowsView(QListView):
    """The list. F2 or Enter edits, Space ticks, Delete removes, Ctrl+A chooses all, Alt+Up and Alt+Down move; so does
    the mouse."""

    renamed = Signal(int, str)
    ticked = Signal(int, bool)
    removed = Signal(list)  # rows
    moved = Signal(list, int)  # rows, and before which row they go
    chosen = Signal(int)  # the current row, -1 for none
    pasted = Signal(str)  # text, where `takes_text`; a photo or a file goes to the window

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.takes_text = False
        self.empty_words = ""  # what stands where there is no row
        self._model = _Rows(self)
        self.setModel(self._model)
        self.setItemDelegate(_Delegate(self))
        self.setAccessibleName(name)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        trigger = QAbstractItemView.EditTrigger
        self.setEditTriggers(trigger.DoubleClicked | trigger.EditKeyPressed)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDropIndicatorShown(True)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumHeight(2 * _HEIGHT)
        theme.current().changed.connect(self.viewport().update)

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is shown."""
        return self._model.rows

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these lines; the current one stays current, as far as there is one."""
        keep = self.currentIndex().row()
        if tuple(rows) == self._model.rows:
            return
        self._model.put(tuple(rows))
        if self.currentIndex().row() != keep or (keep < 0 and rows):
            self.choose(min(max(keep, 0), len(rows) - 1))

    def choose(self, row: int) -> None:
        """Make a row the current one."""
        self.setCurrentIndex(self._model.index(row) if 0 <= row < len(self._model.rows) else QModelIndex())

    def chosen_rows(self) -> list[int]:
        """The selected rows, top down."""
        return sorted(index.row() for index in self.selectedIndexes())

    def currentChanged(self, current: AnyIndex, previous: AnyIndex) -> None:
        super().currentChanged(current, previous)
        self.chosen.emit(current.row())

    def event(self, event: QEvent) -> bool:
        # The window's shortcuts paste and choose photos; words and rows belong to the list that has the keyboard.
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride:
            pastes = event.matches(QKeySequence.StandardKey.Paste) and self._clipboard_words()
            if pastes or event.matches(QKeySequence.StandardKey.SelectAll):
                event.accept()
                return True
        return super().event(event)

    def _clipboard_words(self) -> str:
        data = QGuiApplication.clipboard().mimeData() if self.takes_text else None
        return "" if data is None or data.hasUrls() or data.hasImage() else data.text().strip()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.rows or not self.empty_words:
            return
        painter = QPainter(self.viewport())
        painter.setPen(QColor(theme.colours().muted))
        room = self.viewport().rect().adjusted(12, 8, -12, -8)
        painter.drawText(room, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.empty_words)
        painter.end()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if self.state() == QAbstractItemView.State.EditingState:
            event.ignore()  # a line edit lets Enter through after it has taken it
            return
        key, row = event.key(), self.currentIndex().row()
        if event.matches(QKeySequence.StandardKey.Paste) and (words := self._clipboard_words()):
            self.pasted.emit(words)
        elif event.modifiers() & Qt.KeyboardModifier.AltModifier and key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self._shift(-1 if key == Qt.Key.Key_Up else 1)
        elif key in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self.chosen_rows():
            self.removed.emit(self.chosen_rows())
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.edit(self.currentIndex())
        elif key == Qt.Key.Key_Space and row >= 0 and self.rows[row].ticked is not None:
            self.ticked.emit(row, not self.rows[row].ticked)
        else:
            super().keyPressEvent(event)

    def _shift(self, by: int) -> None:
        rows = self.chosen_rows()
        if not rows or (by < 0 and rows[0] == 0) or (by > 0 and rows[-1] == len(self.rows) - 1):
            return
        self._ask_move(rows, rows[0] - 1 if by < 0 else rows[-1] + 2)

    def _ask_move(self, rows: list[int], before: int) -> None:
        first = before - sum(row < before for row in rows)
        self.moved.emit(rows, before)
        self.choose(first)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # What is said below the list takes room from it; the chosen line must not slip out of sight.
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())

    def dropEvent(self, event: QDropEvent) -> None:
        # Qt would move rows of the model one by one; here one wish goes to the owner, who shows the new order.
        rows = self.chosen_rows()
        index = self.indexAt(event.position().toPoint())
        before = index.row() if index.isValid() else len(self.rows)
        if index.isValid() and event.position().y() > self.visualRect(index).center().y():
            before += 1
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        if event.source() is self and rows:
            self._ask_move(rows, before)


def tick_rect(line: QRect) -> QRect:
    """Where the tick box of a line stands."""
    return QRect(line.left() + 6, line.center().y() - 7, 15, 15)


def _middle() -> int:
    return int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft)


def _other(ticked: bool) -> Qt.CheckState:
    return Qt.CheckState.Unchecked if ticked else Qt.CheckState.Checked
