"""How a photo's tile is drawn: the picture, under it the mark and the label (or the name while there is no answer)."""

import math
import os
from functools import lru_cache

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from desktop_app import theme
from desktop_app.figures import percent
from desktop_app.photo_list import Mark
from desktop_app.widgets import marks
from desktop_app.widgets.photo_model import PhotoModel
from desktop_app.widgets.thumbnails import Thumbnails

CAPTION = 24
_PAD = 6


class PhotoDelegate(QStyledItemDelegate):
    """Paints only; every value comes from the model and the thumbnails by look-up."""

    def __init__(
        self, thumbnails: Thumbnails, *, captions: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._thumbnails = thumbnails
        self._captions = captions

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return option.rect.size()

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        model = index.model()
        tile = model.tile(index.row()) if isinstance(model, PhotoModel) else None
        if tile is None:
            return
        path, mark = tile[0], tile[3]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        self._frame(painter, option)
        body = QRectF(option.rect).adjusted(_PAD, _PAD, -_PAD, -_PAD)
        if self._captions:
            caption = QRectF(body.left(), body.bottom() - CAPTION + 4, body.width(), CAPTION - 4)
            body.setBottom(body.bottom() - CAPTION)
            self._caption(painter, caption, tile)
        self._picture(painter, body, path, mark)
        if not self._captions and mark is not Mark.NONE:
            self._badge(painter, QRectF(option.rect), mark)
        painter.restore()

    def _frame(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        c, state = theme.colours(), option.state
        rect = QRectF(option.rect).adjusted(1, 1, -1, -1)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.selection))
            painter.drawRoundedRect(rect, 6, 6)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(c.hover))
            painter.drawRoundedRect(rect, 6, 6)
        if state & QStyle.StateFlag.State_On:
            painter.setPen(QPen(QColor(c.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect, 6, 6)

    def _picture(self, painter: QPainter, area: QRectF, path: str, mark: Mark) -> None:
        if mark is Mark.FAILED:
            self._broken(painter, area)
            return
        scale = painter.device().devicePixelRatioF()
        box = (area.size() * scale).toSize()
        pixmap = self._thumbnails.fitted(path, box, scale)
        if pixmap is None:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(theme.colours().tile))
            painter.drawRoundedRect(fitted(area, self._thumbnails.aspect(path)), 2, 2)
        elif (
            pixmap.devicePixelRatio() == scale
            and pixmap.width() <= box.width()
            and pixmap.height() <= box.height()
        ):
            # As it is, and on whole pixels: nothing is scaled while the window paints.
            size = pixmap.deviceIndependentSize()
            x, y = area.center().x() - size.width() / 2, area.center().y() - size.height() / 2
            painter.drawPixmap(QPointF(math.floor(x * scale) / scale, math.floor(y * scale) / scale), pixmap)
        else:
            painter.drawPixmap(
                fitted(area, pixmap.width() / max(1, pixmap.height())), pixmap, QRectF(pixmap.rect())
            )

    def _broken(self, painter: QPainter, area: QRectF) -> None:
        c = theme.colours()
        painter.setPen(QPen(QColor(c.border), 1, Qt.PenStyle.DashLine))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(fitted(area, 4 / 3).adjusted(1, 1, -1, -1), 4, 4)
        side = min(28.0, area.height() / 2)
        icon = _broken_icon(c.muted, round(side), painter.device().devicePixelRatioF())
        painter.drawPixmap(int(area.center().x() - side / 2), int(area.center().y() - side / 2), icon)

    def _caption(self, painter: QPainter, area: QRectF, tile: tuple[str, str, float, Mark]) -> None:
        _, label, _, mark = tile
        c = theme.colours()
        painter.setFont(theme.small_font(12))
        metrics = painter.fontMetrics()
        left, right = area.left(), area.right()
        if mark is not Mark.NONE:
            marks.paint(painter, QRectF(left + 1, area.center().y() - 5, 11, 11), mark)
            left += 18
        text, figure = said(tile)
        if figure:
            width = metrics.horizontalAdvance(figure)
            painter.setPen(QColor(c.muted))
            painter.drawText(
                QRectF(right - width, area.top(), width, area.height()), Qt.AlignmentFlag.AlignVCenter, figure
            )
            right -= width + 6
        painter.setPen(QColor(c.text if label and mark not in (Mark.UNKNOWN, Mark.REJECTED) else c.muted))
        painter.setFont(theme.small_font(12, struck=mark is Mark.REJECTED))  # what it is not
        shown = metrics.elidedText(
            text or os.path.basename(tile[0]), Qt.TextElideMode.ElideMiddle, int(right - left)
        )
        painter.drawText(
            QRectF(left, area.top(), right - left, area.height()), Qt.AlignmentFlag.AlignVCenter, shown
        )

    def _badge(self, painter: QPainter, rect: QRectF, mark: Mark) -> None:
        c = theme.colours()
        back = QColor(c.panel)
        back.setAlpha(220)
        place = QRectF(rect.right() - 22, rect.bottom() - 22, 17, 17)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(back)
        painter.drawEllipse(place)
        marks.paint(painter, place.adjusted(3, 3, -3, -3), mark)


def said(tile: tuple[str, str, float, Mark]) -> tuple[str, str]:
    """The words beside the mark of a photo (see PhotoModel.tile), and its probability as a figure, "" for none.

    No words are said of a photo that is not looked at yet or cannot be read. The best guess about an unknown photo is
    no label of it, and the model's probability is not that of a person's word. What was rejected is struck through.
    """
    _, label, probability, mark = tile
    if label and mark is not Mark.UNKNOWN:
        own = mark in (Mark.CONFIRMED, Mark.REJECTED)
        return label, percent(probability) if probability and not own else ""
    return "" if mark in (Mark.NONE, Mark.FAILED) else marks.words(mark), ""


@lru_cache(maxsize=8)
def _broken_icon(colour: str, side: int, scale: float) -> QPixmap:
    # Kept, because making it reads a file, and a folder may show a screen of broken photos.
    icon: QPixmap = theme.pixmap("broken", QColor(colour), side, scale)
    return icon


def fitted(area: QRectF, aspect: float) -> QRectF:
    """The largest rectangle of this aspect (width over height) in the middle of `area`, at least 2 px thin."""
    width, height = area.width(), area.height()
    if width / max(1.0, height) > aspect:
        width = max(2.0, height * aspect)
    else:
        height = max(2.0, width / aspect)
    return QRectF(area.center().x() - width / 2, area.center().y() - height / 2, width, height)
