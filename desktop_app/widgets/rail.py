"""The narrow rail at the far left: one icon and word a panel."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from desktop_app import theme


class Rail(QFrame):
    """Buttons that exclude each other; `chosen` carries the place of the panel in the list."""

    chosen = Signal(int)

    def __init__(self, entries: list[tuple[str, str]], parent: QWidget | None = None) -> None:
        """`entries` are (icon, word)."""
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(72)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(4)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        for place, (icon, word) in enumerate(entries):
            button = QToolButton()
            button.setText(word)
            button.setToolTip(f"{word} (Ctrl+{place + 1})")
            button.setAccessibleName(word)
            button.setCheckable(True)
            button.setIconSize(QSize(20, 20))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setFixedHeight(54)
            theme.current().keep_icon(button, icon)
            self._group.addButton(button, place)
            column.addWidget(button)
        column.addStretch(1)
        self._group.idClicked.connect(self.chosen)

    def show_chosen(self, place: int) -> None:
        """Check the button of a panel that was opened otherwise."""
        button = self._group.button(place)
        if button is not None:
            button.setChecked(True)
