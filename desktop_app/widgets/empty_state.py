"""A place that is empty says what belongs there and offers the one action that fills it."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from desktop_app import theme


class EmptyState(QWidget):
    """An icon, a sentence or two, one button."""

    action_clicked = Signal()

    def __init__(
        self, icon: str, title: str, more: str = "", action: str = "", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._icon_name = icon
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 32, 32, 32)
        column.setSpacing(8)
        column.addStretch(1)
        self._icon = QLabel()
        self._title, self._more = QLabel(), QLabel()
        self._title.setProperty("role", "title")
        self._more.setProperty("role", "muted")
        for label in (self._icon, self._title, self._more):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setWordWrap(label is not self._icon)
            label.setTextFormat(Qt.TextFormat.PlainText)  # they name what was typed
            column.addWidget(label)
        self._button = QPushButton()
        self._button.clicked.connect(self.action_clicked)
        column.addSpacing(8)
        column.addWidget(self._button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(2)
        self.say(title, more, action)
        self._tint()
        theme.current().changed.connect(self._tint)

    def say(self, title: str, more: str = "", action: str = "") -> None:
        """Other words for the same place."""
        self._title.setText(title)
        self._more.setText(more)
        self._more.setVisible(bool(more))
        self._button.setText(action)
        self._button.setVisible(bool(action))

    def _tint(self) -> None:
        colour = QColor(theme.colours().muted)
        self._icon.setPixmap(theme.pixmap(self._icon_name, colour, 48, self.devicePixelRatioF()))
