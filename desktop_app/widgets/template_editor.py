"""The templates: sentences with {} for the label, each with a switch and a weight, and what they read as."""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QPlainTextEdit,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.widgets.icon_button import icon_button
from desktop_app.widgets.label_rows import Row, RowsView
from desktop_app.widgets.section import text
from desktop_app.widgets.spin_box import roomy
from models.tasks.prompts import Template

_PREVIEW_LINES = 200


class TemplateEditor(QWidget):
    """Shows templates and says what a hand wants of them; the panel's book does it."""

    add_asked = Signal(str)
    edited = Signal(int, object)  # row, Template
    removed = Signal(list)
    moved = Signal(list, int)
    set_asked = Signal(str)  # a prompt set by name
    save_asked = Signal()
    forget_asked = Signal()
    import_asked = Signal()
    export_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._templates: tuple[Template, ...] = ()
        self._remarks: dict[int, str] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(self._heading())
        self.list = RowsView(self.tr("Templates"))
        self.list.renamed.connect(
            lambda row, words: self.edited.emit(row, replace(self._templates[row], text=words))
        )
        self.list.ticked.connect(
            lambda row, on: self.edited.emit(row, replace(self._templates[row], enabled=on))
        )
        self.list.removed.connect(self.removed)
        self.list.moved.connect(self.moved)
        self.list.chosen.connect(self._show_weight)
        self.list.setMinimumHeight(90)
        column.addWidget(self.list, 1)
        self.note = text("", "warn")
        self.note.hide()
        column.addWidget(self.note)
        column.addLayout(self._adding())
        self.preview_title = text("", "small")
        column.addWidget(self.preview_title)
        self.preview = QPlainTextEdit()
        self.preview.setReadOnly(True)
        self.preview.setFont(theme.small_font(12))
        self.preview.setAccessibleName(self.tr("What the model reads"))
        self.preview.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.preview.setMinimumHeight(44)
        self.preview.setMaximumHeight(72)
        self.preview.setTabChangesFocus(True)
        column.addWidget(self.preview)

    def _heading(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        title = QLabel(self.tr("Templates"))
        title.setProperty("role", "heading")
        row.addWidget(title)
        row.addSpacing(6)
        self.sets = QComboBox()
        self.sets.setAccessibleName(self.tr("Prompt set"))
        self.sets.setToolTip(self.tr("Prompt set"))
        self.sets.setMinimumContentsLength(3)
        self.sets.setMinimumWidth(52)  # in a narrow column it gives way before the heading does
        self.sets.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.sets.activated.connect(lambda index: self.set_asked.emit(str(self.sets.itemData(index))))
        row.addWidget(self.sets, 1)
        self._remove = icon_button(self.tr("Remove the chosen templates"), "minus")
        self._remove.clicked.connect(lambda: self.removed.emit(self.list.chosen_rows()))
        row.addWidget(self._remove)
        more = icon_button(self.tr("Save, import and export prompt sets"), "more")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(more)
        for words, signal in (
            (self.tr("Save as a prompt set…"), self.save_asked),
            (self.tr("Import a prompt set…"), self.import_asked),
            (self.tr("Export this prompt set…"), self.export_asked),
        ):
            self.menu.addAction(words).triggered.connect(signal.emit)
        self._forget = self.menu.addAction(self.tr("Delete this prompt set"))
        self._forget.triggered.connect(self.forget_asked.emit)
        more.setMenu(self.menu)
        row.addWidget(more)
        return row

    def _adding(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        self.entry = QLineEdit()
        self.entry.setPlaceholderText(self.tr("Add a sentence with {}"))
        self.entry.setAccessibleName(self.tr("New template"))
        self.entry.returnPressed.connect(self._typed)
        row.addWidget(self.entry, 1)
        self.weight = roomy(QDoubleSpinBox())
        self.weight.setRange(0.0, 100.0)
        self.weight.setDecimals(2)
        self.weight.setSingleStep(0.25)
        self.weight.setPrefix("× ")
        self.weight.setKeyboardTracking(False)
        self.weight.setFixedWidth(88)
        self.weight.setToolTip(self.tr("How much the chosen template counts in the mean"))
        self.weight.setAccessibleName(self.tr("Weight of the chosen template"))
        self.weight.valueChanged.connect(self._weighed)
        row.addWidget(self.weight)
        return row

    # --- what is shown

    def set_templates(self, templates: Sequence[Template], remarks: dict[int, str]) -> None:
        """The templates in order, and what is wrong with which."""
        self._templates, self._remarks = tuple(templates), remarks
        self.list.set_rows(
            [
                Row(
                    item.text,
                    trail="" if item.weight == 1 else f"×{item.weight:g}",
                    ticked=item.enabled,
                    remark=remarks.get(i, ""),
                    tip=item.text,
                )
                for i, item in enumerate(templates)
            ]
        )
        self._show_weight(self.list.currentIndex().row())

    def set_sets(self, names: Sequence[tuple[str, str]], current: str, *, own: bool) -> None:
        """(name, words) of the known prompt sets; "" as current is a set that was changed by hand."""
        self.sets.blockSignals(True)
        self.sets.clear()
        for name, words in names:
            self.sets.addItem(words, name)
        if current not in [name for name, _ in names]:
            self.sets.insertItem(0, self.tr("Changed by hand"), current)
        self.sets.setCurrentIndex(max(0, self.sets.findData(current)))
        self.sets.blockSignals(False)
        self._forget.setEnabled(own)

    def set_preview(self, label: str, prompts: Sequence[str]) -> None:
        """The sentences for one label, as the model reads them."""
        self.preview.setVisible(bool(prompts))
        self.preview_title.setVisible(bool(label))
        self.preview_title.setText(self.tr("What is read for “{0}” ({1:,}):").format(label, len(prompts)))
        words = "\n".join(prompts[:_PREVIEW_LINES])
        if words != self.preview.toPlainText():
            self.preview.setPlainText(words)

    def _show_weight(self, row: int) -> None:
        known = 0 <= row < len(self._templates)
        self.weight.setEnabled(known)
        self._remove.setEnabled(known)
        if known and self.weight.value() != self._templates[row].weight:
            self.weight.blockSignals(True)
            self.weight.setValue(self._templates[row].weight)
            self.weight.blockSignals(False)
        words = self._remarks.get(row, "") or next(iter(self._remarks.values()), "")
        self.note.setText(words)
        self.note.setVisible(bool(words))

    # --- what hands do

    def _typed(self) -> None:
        words = self.entry.text()
        if words.strip():
            self.entry.clear()
            self.add_asked.emit(words)

    def _weighed(self, value: float) -> None:
        row = self.list.currentIndex().row()
        if 0 <= row < len(self._templates):
            self.edited.emit(row, replace(self._templates[row], weight=value))
