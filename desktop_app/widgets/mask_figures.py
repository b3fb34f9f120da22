"""A small table of scores: who filled the hidden patches, and how far off that is."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from desktop_app import theme

Row = tuple[str, str, str]


class Figures(QWidget):
    """Rows of a name and two figures; the first row is the one that matters."""

    def __init__(self, heads: Row, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(0, 1)
        self._cells: list[list[QLabel]] = []
        self._rows: list[Row] = []
        self._add(heads, "small")

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Show these figures."""
        self._rows = list(rows)
        while len(self._cells) < len(rows) + 1:
            self._add(("", "", ""), "heading" if len(self._cells) == 1 else "")
        for labels, row in zip(self._cells[1:], rows, strict=False):
            for label, words in zip(labels, row, strict=True):
                if label.text() != words:
                    label.setText(words)
        self.setAccessibleName("; ".join(", ".join(row) for row in rows))

    @property
    def rows(self) -> list[Row]:
        """What is shown."""
        return self._rows

    def _add(self, words: Row, role: str) -> None:
        labels = [QLabel(word) for word in words]
        for column, label in enumerate(labels):
            label.setProperty("role", role)
            if column:
                label.setFont(theme.number_font())
                label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self._grid.addWidget(label, len(self._cells), column)
        self._cells.append(labels)
