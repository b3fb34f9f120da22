"""The ways to look at something: a row of tabs over it, as wide as their words."""

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QTabBar, QWidget


class TabRow(QWidget):
    """`tabs` is the bar, at the left of the row."""

    def __init__(self, words: Sequence[str], name: str) -> None:
        """One tab for each of the words; `name` is what a screen reader calls them."""
        super().__init__()
        self.tabs = QTabBar()
        self.tabs.setDrawBase(False)
        self.tabs.setExpanding(False)
        self.tabs.setAccessibleName(name)
        for one in words:
            self.tabs.addTab(one)
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 0, 8, 0)
        row.addWidget(self.tabs)
        row.addStretch(1)
