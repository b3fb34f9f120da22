"""The photos that excite a channel most: small pictures in rows, each a way to that photo."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop_app import theme
from desktop_app.session import Session
from desktop_app.widgets.section import as_tip
from desktop_app.widgets.thumbnails import Thumbnails

_COLUMNS, _GAP, _WORDS = 3, 6, 15


class FeaturePhotos(QWidget):
    """Up to nine photos with the value of each; arrows walk, Enter or a click opens one."""

    chosen = Signal(str)  # path

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._thumbs = Thumbnails.of(session)
        self._thumbs.ready.connect(self._came)
        self._photos: tuple[tuple[str, float], ...] = ()
        self._at = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)  # for the tip with the path
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Photos that excite this channel most"))
        theme.current().changed.connect(self.update)

    @property
    def photos(self) -> tuple[tuple[str, float], ...]:
        """What is shown: (path, value), best first."""
        return self._photos

    def set_photos(self, photos: Sequence[tuple[str, float]]) -> None:
        """Show these, best first."""
        self._photos, self._at = tuple(photos[:9]), 0
        self.setVisible(bool(self._photos))
        self.setFixedHeight(max(1, self._rows() * (self._side() + _WORDS + _GAP)))
        self._say()

    def _rows(self) -> int:
        return -(-len(self._photos) // _COLUMNS)

    def _side(self) -> int:
        return max(24, (self.width() - (_COLUMNS - 1) * _GAP) // _COLUMNS)

    def sizeHint(self) -> QSize:
        return QSize(240, max(1, self._rows() * (80 + _WORDS + _GAP)))

    def resizeEvent(self, event: object) -> None:
        self.setFixedHeight(max(1, self._rows() * (self._side() + _WORDS + _GAP)))

    def _came(self, path: str) -> None:
        if any(path == one for one, _ in self._photos):
            self.update()

    def _say(self) -> None:
        if self._photos:
            path, value = self._photos[self._at]
            self.setAccessibleDescription(f"{Path(path).name}, {value:.2f}")
        self.update()

    def _tile(self, place: int) -> QRect:
        side = self._side()
        return QRect(place % _COLUMNS * (side + _GAP), place // _COLUMNS * (side + _WORDS + _GAP), side, side)

    def paintEvent(self, event: QPaintEvent) -> None:
        c, painter = theme.colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setFont(theme.small_font())
        for place, (path, value) in enumerate(self._photos):
            tile, pixmap = self._tile(place), self._thumbs.get(path)
            if pixmap is None:
                painter.fillRect(tile, QColor(c.tile))
            else:
                short = min(pixmap.width(), pixmap.height())
                cut = QRect((pixmap.width() - short) // 2, (pixmap.height() - short) // 2, short, short)
                painter.drawPixmap(tile, pixmap, cut)
            if place == self._at and self.hasFocus():
                painter.setPen(QPen(QColor(c.accent), 2))
                painter.drawRect(tile.adjusted(1, 1, -1, -1))
            painter.setPen(QColor(c.muted))
            words = QRect(tile.left(), tile.bottom() + 1, tile.width(), _WORDS)
            painter.drawText(words, Qt.AlignmentFlag.AlignCenter, f"{value:.2f}")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        for place, (path, _) in enumerate(self._photos):
            if self._tile(place).contains(event.position().toPoint()):
                self._at = place
                self._say()
                self.chosen.emit(path)
                return

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        here = [
            path
            for i, (path, _) in enumerate(self._photos)
            if self._tile(i).contains(event.position().toPoint())
        ]
        self.setToolTip(as_tip(here[0]) if here else "")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -_COLUMNS,
            Qt.Key.Key_Down: _COLUMNS,
        }
        key = Qt.Key(event.key())
        if key in moves and self._photos:
            self._at = min(max(self._at + moves[key], 0), len(self._photos) - 1)
            self._say()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._photos:
            self.chosen.emit(self._photos[self._at][0])
        else:
            event.ignore()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self.update()
