"""The photo in focus alone on the screen; the same keys as in the window."""

from collections.abc import Callable

from PySide6.QtCore import QKeyCombination, QRect, Qt
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.figures import percent
from desktop_app.session import Session
from desktop_app.widgets.image_view import ImageView
from desktop_app.widgets.photo_model import PhotoModel
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
        self._caption = QLabel(self)
        self._caption.setTextFormat(Qt.TextFormat.PlainText)
        self._caption.setAlignment(Qt.AlignmentFlag.AlignCenter)
        c = theme.colours()
        self._caption.setStyleSheet(
            f"background: {c.panel}; color: {c.text}; border: 1px solid {c.border}; border-radius: 6px;"
            "padding: 6px 12px;"
        )
        session.photo_ready.connect(self._show)
        session.answers_changed.connect(self._say)
        if session.photo is not None:
            self._show(session.photo)

    def _show(self, photo: object) -> None:
        self.view.lens.reset()
        if isinstance(photo, UserError):
            self.view.set_image(None)
            self.view.set_words(str(photo))
        else:
            self.view.set_image(photo.rgb)  # type: ignore[attr-defined]
        self._say()

    def _say(self) -> None:
        current = self._session.current
        if current < 0:
            return
        row = self._model.row_of(current)
        label, probability, _ = self._session.answer(current)
        words = [str(self._model.index(row).data() or "")]
        if label:
            words.append(f"{label} {percent(probability)}")
        words.append(self.tr("{n} of {total}").format(n=row + 1, total=self._model.rowCount()))
        self._caption.setText("   ".join(filter(None, words)))
        self._place_caption()

    def _place_caption(self) -> None:
        size = self._caption.sizeHint()
        corner = QRect(
            (self.width() - size.width()) // 2,
            self.height() - size.height() - 16,
            size.width(),
            size.height(),
        )
        self._caption.setGeometry(corner)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._place_caption()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_F, Qt.Key.Key_F11):
            self.close()
        elif event.key() == Qt.Key.Key_Z:
            self.view.toggle_zoom()
        elif not self._press(event.keyCombination()):
            super().keyPressEvent(event)
