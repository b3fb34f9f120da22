"""The photo in focus alone on the screen; the same keys as in the window."""

import os
from collections.abc import Callable

from PySide6.QtCore import QKeyCombination, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.photo_list import Mark
from desktop_app.session import Session
from desktop_app.widgets import marks
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.photo_model import PhotoModel
from desktop_app.widgets.photo_tiles import said
from desktop_app.widgets.section import ElidedLabel
from models.errors import UserError


class Viewer(QWidget):
    """Follows the session; Esc or F closes, Z zooms, every other key is the window's."""

    def __init__(
        self, session: Session, press: Callable[[QKeyCombination], bool], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window | Qt.WindowType.FramelessWindowHint)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Photo"))
        self._session, self._press = session, press
        self._model = PhotoModel(session, self)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.view = ImageView(self)
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column.addWidget(self.view)
        self._build_caption()
        session.photo_ready.connect(self._show)
        session.answers_changed.connect(self._say)
        if session.photo is not None:
            self._show(session.photo)

    def _build_caption(self) -> None:
        self._caption = QFrame(self)
        self._caption.setObjectName("viewerCaption")
        c = theme.colours()
        self._caption.setStyleSheet(
            f"#viewerCaption {{ background: {c.panel}; border: 1px solid {c.border}; border-radius: 6px; }}"
        )
        self._lines, row = QVBoxLayout(self._caption), QHBoxLayout()
        self._lines.setContentsMargins(12, 6, 12, 6)
        row.setSpacing(12)
        answer = QHBoxLayout()
        answer.setSpacing(6)
        self._name = ElidedLabel(fill=False)
        self._mark, self._said, self._place = QLabel(), QLabel(), QLabel()
        self._told = QLabel()  # what the status bar says
        for label in (self._said, self._place, self._told):
            label.setTextFormat(Qt.TextFormat.PlainText)
        answer.addWidget(self._mark)
        answer.addWidget(self._said)
        row.addStretch(1)
        row.addWidget(self._name)
        row.addLayout(answer)
        row.addWidget(self._place)
        row.addStretch(1)
        self._lines.addLayout(row)
        self._lines.addWidget(self._told, alignment=Qt.AlignmentFlag.AlignCenter)
        self._told.hide()

    def _show(self, photo: object) -> None:
        self.view.lens.reset()
        if isinstance(photo, UserError):
            self.view.set_image(None)
            self.view.set_words(str(photo))
        else:
            self.view.set_image(photo.rgb)  # type: ignore[attr-defined]
        self._say()

    def _say(self) -> None:
        """What the photo's tile says, in the same words and with the same mark."""
        tile = self._model.of(self._session.current)
        if tile is None:
            return
        words, mark = said(tile), tile[3]
        self._name.set_words(os.path.basename(tile[0]))
        self._mark.setPixmap(marks.icon(mark).pixmap(QSize(16, 16), self.devicePixelRatioF()))
        self._said.setText(" ".join(filter(None, words)))
        self._strike(mark is Mark.REJECTED)
        self._mark.setVisible(mark is not Mark.NONE)
        self._said.setVisible(bool(words[0]))
        place, shown = self._session.position(), len(self._session.shown)
        self._place.setText(self.tr("{n} of {total}").format(n=place + 1, total=shown))
        self._place.setVisible(place >= 0)
        self._caption.setAccessibleName(
            ", ".join(filter(None, (self._name.words, *words, marks.words(mark))))
        )
        self._place_caption()

    def _strike(self, struck: bool) -> None:
        """As in the tile, so that what it is not does not read as its label."""
        font = self._said.font()
        font.setStrikeOut(struck)
        self._said.setFont(font)
        self._said.setProperty("role", "muted" if struck else "")
        theme.restyle(self._said)

    def tell(self, words: str) -> None:
        """What the program says, under the caption's line; "" for nothing."""
        self._told.setText(words)
        self._told.setVisible(bool(words))
        self._place_caption()

    def _place_caption(self) -> None:
        self._lines.activate()  # else lines within lines keep the size of the words before
        size = self._caption.sizeHint().boundedTo(self.size())
        left = (self.width() - size.width()) // 2
        self._caption.setGeometry(QRect(QPoint(left, self.height() - size.height() - 16), size))

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_caption()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_F, Qt.Key.Key_F11):
            self.close()
        elif event.key() == Qt.Key.Key_Z:
            self.view.toggle_zoom()
        elif not self._press(event.keyCombination()):
            super().keyPressEvent(event)
