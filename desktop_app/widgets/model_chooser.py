"""Which model works: a list of those that are able, and a button for a folder of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from desktop_app.widgets.icon_button import icon_button

if TYPE_CHECKING:
    from models.spec import ModelSpec


class ModelChooser(QWidget):
    """Shows what it is given; every wish of the hand is a signal."""

    chosen = Signal(str)  # id or folder
    folder_asked = Signal()

    def __init__(self, name: str) -> None:
        """`name` is what a screen reader calls the list."""
        super().__init__()
        self.models = QComboBox()
        self.models.setAccessibleName(name)
        self.models.setMinimumContentsLength(12)
        self.models.activated.connect(lambda row: self.chosen.emit(str(self.models.itemData(row))))
        self.folder = icon_button(self.tr("Take a model from a folder…"), "open")
        self.folder.clicked.connect(self.folder_asked)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.models, 1)
        row.addWidget(self.folder)

    def show_models(self, specs: "Sequence[ModelSpec]", chosen: str, title: str) -> None:
        """List these; `chosen` is an id or a folder, "" the first of them; `title` names a folder beside the list."""
        self.models.clear()
        tip = self.tr("{title}. Licence of the weights: {licence}. {folder}")
        for row, spec in enumerate(specs):
            self.models.addItem(spec.title, spec.id)
            words = tip.format(title=spec.title, licence=spec.licence, folder=spec.folder)
            self.models.setItemData(row, words, Qt.ItemDataRole.ToolTipRole)
        known = [row for row, spec in enumerate(specs) if chosen in ("", spec.id, str(spec.folder))]
        if chosen and not known:
            self.models.addItem(title or Path(chosen).name, chosen)
            known = [self.models.count() - 1]
        self.models.setCurrentIndex(known[0] if known else -1)
        self.models.setToolTip(str(self.models.currentData(Qt.ItemDataRole.ToolTipRole) or ""))
