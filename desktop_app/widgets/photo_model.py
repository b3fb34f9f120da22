"""The shown photos as a Qt list model; every role is a look-up."""

import os
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from PySide6.QtCore import (
    QAbstractListModel,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QUrl,
)

from desktop_app.figures import percent
from desktop_app.photo_list import Indices, Mark, in_short
from desktop_app.session import Session
from desktop_app.widgets import marks
from desktop_app.widgets.section import as_tip

AnyIndex = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class Role(IntEnum):
    """What a tile needs beside the name."""

    PATH = Qt.ItemDataRole.UserRole
    PHOTO = Qt.ItemDataRole.UserRole + 1  # index into session.photos
    LABEL = Qt.ItemDataRole.UserRole + 2
    PROBABILITY = Qt.ItemDataRole.UserRole + 3
    MARK = Qt.ItemDataRole.UserRole + 4


class PhotoModel(QAbstractListModel):
    """Row r is photo session.shown[r]."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._rows: Indices = session.shown
        session.view_changed.connect(self._view_changed)
        session.answers_changed.connect(self._repaint)
        session.failures_changed.connect(self._repaint)

    def rowCount(self, parent: AnyIndex = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def photo_at(self, row: int) -> int:
        """Index into session.photos, -1 where there is no such row."""
        return int(self._rows[row]) if 0 <= row < len(self._rows) else -1

    def row_of(self, photo: int) -> int:
        """The row of a photo, -1 where it is not shown."""
        if 0 <= photo < len(self._rows) and self._rows[photo] == photo:
            return photo  # the usual case: nothing filtered, nothing reordered
        found = np.flatnonzero(self._rows == photo)
        return int(found[0]) if len(found) else -1

    def data(self, index: AnyIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        photo = self.photo_at(index.row())
        if photo < 0 or photo >= len(self._session.photos):
            return None
        path = self._session.photos[photo]
        if role == Role.PATH:
            return path
        if role == Role.PHOTO:
            return photo
        if role == Qt.ItemDataRole.DisplayRole:
            return os.path.basename(path)
        if role == Qt.ItemDataRole.ToolTipRole:
            return as_tip(self._tip(photo, path))
        label, probability, mark = self._session.answer(photo)
        if role == Role.LABEL:
            return in_short(self._names(photo, label))
        if role == Role.PROBABILITY:
            return probability
        if role == Role.MARK:
            return mark
        if role == Qt.ItemDataRole.AccessibleTextRole:
            said = (*self._names(photo, label), marks.words(mark))
            return ", ".join((os.path.basename(path), *said))
        return None

    def tile(self, row: int) -> tuple[str, str, float, Mark] | None:
        """What the tile of a row is painted from, see `of`."""
        return self.of(self.photo_at(row))

    def of(self, photo: int) -> tuple[str, str, float, Mark] | None:
        """Path, label, probability and mark of a photo at one go. Of several labels the first ones are named, and
        there is no probability: it would be that of one of them."""
        if not 0 <= photo < len(self._session.photos):
            return None
        label, probability, mark = self._session.answer(photo)
        names = self._names(photo, label)
        if len(names) > 1:
            label, probability = in_short(names), 0.0
        return self._session.photos[photo], label, probability, mark

    def _names(self, photo: int, label: str) -> tuple[str, ...]:
        """Every label that is shown of the photo, of which `label` is the best."""
        return self._session.answers.given(photo) if label else ()

    def _tip(self, photo: int, path: str) -> str:
        error = self._session.failures.get(path)
        if error is not None:
            return f"{path}\n{error}"
        label, probability, mark = self._session.answer(photo)
        others = "".join(f", {name}" for name in self._names(photo, label)[1:])
        said = (
            f"{label} {percent(probability)}{others}, {marks.words(mark).lower()}"
            if label
            else marks.words(mark)
        )
        return f"{path}\n{said}" if mark is not Mark.NONE else path

    def flags(self, index: AnyIndex) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled | Qt.ItemFlag.ItemNeverHasChildren

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """Dragging tiles out hands over the files."""
        carried = QMimeData()
        carried.setUrls([QUrl.fromLocalFile(self._session.photos[self.photo_at(i.row())]) for i in indexes])
        return carried

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction

    def _view_changed(self) -> None:
        new, old = self._session.shown, self._rows
        if len(new) == len(old) and np.array_equal(new, old) and len(old):
            return
        # A folder that is still being read only grows: what is on screen must not move.
        if 0 < len(old) < len(new) and np.array_equal(new[: len(old)], old):
            self.beginInsertRows(QModelIndex(), len(old), len(new) - 1)
            self._rows = new
            self.endInsertRows()
            return
        self.beginResetModel()
        self._rows = new
        self.endResetModel()

    def _repaint(self) -> None:
        if len(self._rows):
            # Views repaint what is on screen; they keep nothing about single rows.
            self.dataChanged.emit(self.index(0), self.index(len(self._rows) - 1))
