"""A table of numbers as coloured cells, each of which opens its photos: the confusion matrix and the prompt lab."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop_app import theme
from desktop_app.widgets.section import as_tip
from models.tasks.colours import table

AnyIndex = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()
_CELL = 44
_VALUE = Qt.ItemDataRole.UserRole


class _Numbers(QAbstractTableModel):
    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.rows: tuple[str, ...] = ()
        self.columns: tuple[str, ...] = ()
        self.texts: list[list[str]] = []
        self.tips: list[list[str]] = []
        self.shades: npt.NDArray[np.float32] = np.zeros((0, 0), np.float32)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole:
            return self.texts[index.row()][index.column()]
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self.tips[index.row()][index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tip(self.tips[index.row()][index.column()])
        if role == _VALUE:
            return float(self.shades[index.row(), index.column()])
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        names = self.columns if orientation == Qt.Orientation.Horizontal else self.rows
        if not 0 <= section < len(names):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return names[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tip(names[section])
        if role == Qt.ItemDataRole.TextAlignmentRole and orientation == Qt.Orientation.Vertical:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None


class _Cell(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        c = theme.colours()
        shade = index.data(_VALUE)
        painter.save()
        rect = option.rect.adjusted(1, 1, -1, -1)
        back = ramp(shade) if shade == shade else QColor(c.window)  # nan: nothing is known there
        painter.fillRect(rect, back)
        words = index.data(Qt.ItemDataRole.DisplayRole)
        painter.setFont(theme.number_font(12))
        painter.setPen(QColor("#000000") if back.lightnessF() > 0.5 else QColor("#ffffff"))
        if shade != shade:
            painter.setPen(QColor(c.muted))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, words)
        if option.state & (QStyle.StateFlag.State_HasFocus | QStyle.StateFlag.State_Selected):
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.drawRect(rect.adjusted(1, 1, -1, -1))
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(QColor(c.text), 1))
            painter.drawRect(rect)
        painter.restore()


class NumberTable(QTableView):
    """Rows and columns by name, a number in each cell; click or Enter opens the cell's photos."""

    opened = Signal(int, int)  # row, column

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._numbers = _Numbers(self)
        self.setModel(self._numbers)
        self.setItemDelegate(_Cell(self))
        self.setAccessibleName(name)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setShowGrid(False)
        self.setMouseTracking(True)
        self.setCornerButtonEnabled(False)
        # Headers are views of their own and would draw the frame of one.
        self.setStyleSheet(
            "QHeaderView { border: none; border-radius: 0; background: transparent; }"
            "QTableCornerButton::section { border: none; background: transparent; }"
        )
        across, down = self.horizontalHeader(), self.verticalHeader()
        across.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        across.setDefaultSectionSize(72)
        across.setTextElideMode(Qt.TextElideMode.ElideRight)
        across.setHighlightSections(False)
        down.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        down.setDefaultSectionSize(30)
        down.setMaximumWidth(240)
        down.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        down.setHighlightSections(False)
        self.clicked.connect(lambda index: self.opened.emit(index.row(), index.column()))
        self.activated.connect(lambda index: self.opened.emit(index.row(), index.column()))
        theme.current().changed.connect(self.viewport().update)

    def show_numbers(
        self,
        rows: Sequence[str],
        columns: Sequence[str],
        shades: npt.NDArray[np.float32],
        texts: list[list[str]],
        tips: list[list[str]],
    ) -> None:
        """(r, c) shades in 0..1 (nan: empty), with the words of each cell and what it says when asked."""
        numbers = self._numbers
        numbers.beginResetModel()
        numbers.rows, numbers.columns = tuple(rows), tuple(columns)
        numbers.shades, numbers.texts, numbers.tips = shades, texts, tips
        numbers.endResetModel()
        metrics = QFontMetrics(self.font())
        widest = max((metrics.horizontalAdvance(name) for name in columns), default=_CELL)
        self.horizontalHeader().setDefaultSectionSize(min(max(widest + 16, 52), 110))
        self.verticalHeader().setFixedWidth(
            min(max((metrics.horizontalAdvance(name) for name in rows), default=60) + 20, 220)
        )

    @property
    def texts(self) -> list[list[str]]:
        """The words of the cells."""
        return self._numbers.texts

    @property
    def row_names(self) -> tuple[str, ...]:
        """The names at the left."""
        return self._numbers.rows

    def keyPressEvent(self, event: Any) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit(self.currentIndex().row(), self.currentIndex().column())
            return
        super().keyPressEvent(event)


def ramp(part: float) -> QColor:
    """The colour of a number in 0..1: cividis, even to the eye, also to one that does not tell red from green."""
    red, green, blue = (int(value) for value in table("cividis")[round(min(max(part, 0.0), 1.0) * 255)])
    return QColor(red, green, blue)
