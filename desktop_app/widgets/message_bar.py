"""Errors and hints inline, where they belong: what happened, why, and what to do."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from desktop_app import theme
from models.errors import UserError


class MessageBar(QWidget):
    """Hidden until something is to be said; one message at a time, the newest."""

    action_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(8, 8, 8, 0)
        self._frame = QFrame(self)
        outer.addWidget(self._frame)
        row = QHBoxLayout(self._frame)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(12)
        text = QVBoxLayout()
        text.setSpacing(2)
        self._title = _words("heading")
        self._cause = _words("")
        text.addWidget(self._title)
        text.addWidget(self._cause)
        row.addLayout(text, 1)
        self._action = QPushButton(self._frame)
        self._action.clicked.connect(self.action_clicked)
        row.addWidget(self._action, 0, Qt.AlignmentFlag.AlignTop)
        close = QToolButton(self._frame)
        close.setToolTip(self.tr("Close this message"))
        close.setAccessibleName(close.toolTip())
        theme.current().keep_icon(close, "close")
        close.clicked.connect(self.clear)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()

    def show_error(self, error: UserError, action: str = "") -> None:
        """A failure with its cause and cure, and perhaps one action (see action_clicked)."""
        self.show_message(error.title, str(UserError(error.cause, error.cure)), "error", action)

    def show_message(self, title: str, more: str = "", kind: str = "info", action: str = "") -> None:
        """`kind` is "info", "warn" or "error"."""
        self._frame.setProperty("bar", kind)
        theme.restyle(self._frame)
        self._title.setText(title)
        self._cause.setText(more)
        self._cause.setVisible(bool(more))
        self._action.setText(action)
        self._action.setVisible(bool(action))
        self.setAccessibleName(f"{title}. {more}")
        self.show()

    def clear(self) -> None:
        """Nothing to say any more."""
        self.hide()

    @property
    def text(self) -> str:
        """What is shown, "" while hidden."""
        return "" if self.isHidden() else f"{self._title.text()} {self._cause.text()}".strip()


def _words(role: str) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", role)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label
