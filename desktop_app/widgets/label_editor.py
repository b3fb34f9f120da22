"""The labels: add by typing, paste a list, presets, rename, reorder, remove; prompts and keyword of the chosen one."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.widgets.icon_button import icon_button
from desktop_app.widgets.label_rows import Row, RowsView
from desktop_app.widgets.section import text
from models.tasks.prompts import Label


class LabelEditor(QWidget):
    """Shows labels and says what a hand wants of them; the panel's book does it."""

    add_asked = Signal(str)  # what was typed or pasted: one label or many
    renamed = Signal(int, str)
    removed = Signal(list)
    moved = Signal(list, int)
    edited = Signal(int, object)  # row, Label with other prompts or keyword
    chosen = Signal(int)
    import_asked = Signal()
    export_asked = Signal()
    clear_asked = Signal()
    preset_asked = Signal(str)
    open_recipe_asked = Signal()
    save_recipe_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: tuple[Label, ...] = ()
        self._remarks: dict[int, str] = {}
        self._counts: tuple[int, ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(self._heading())
        self.entry = QLineEdit()
        self.entry.setPlaceholderText(self.tr("Add a label, or paste a list"))
        self.entry.setAccessibleName(self.tr("New label"))
        self.entry.setClearButtonEnabled(True)
        self.entry.installEventFilter(self)
        self.entry.returnPressed.connect(self._typed)
        column.addWidget(self.entry)
        self.list = RowsView(self.tr("Labels"))
        self.list.renamed.connect(self.renamed)
        self.list.removed.connect(self.removed)
        self.list.moved.connect(self.moved)
        self.list.chosen.connect(self._choose)
        column.addWidget(self.list, 1)
        self.note = text("", "warn")
        self.note.hide()
        column.addWidget(self.note)
        column.addWidget(self._details())

    def _heading(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(2)
        title = QLabel(self.tr("Labels"))
        title.setProperty("role", "heading")
        self._count = QLabel()
        self._count.setProperty("role", "small")
        row.addWidget(title)
        row.addSpacing(6)
        row.addWidget(self._count)
        row.addStretch(1)
        self._remove = icon_button(self.tr("Remove the chosen labels"), "minus")
        self._remove.clicked.connect(lambda: self.removed.emit(self.list.chosen_rows()))
        row.addWidget(self._remove)
        more = icon_button(self.tr("Presets, lists from files, and more"), "more")
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(more)
        self.presets = self.menu.addMenu(self.tr("Presets"))
        self.presets.setIcon(theme.current().icon("label"))
        for words, signal in (
            (self.tr("Paste a list"), None),
            (self.tr("Import a list…"), self.import_asked),
            (self.tr("Export the list…"), self.export_asked),
            (self.tr("Remove all"), self.clear_asked),
        ):
            action = self.menu.addAction(words)
            action.triggered.connect(signal.emit if signal is not None else self.paste)
        self.menu.addSeparator()
        self.menu.addAction(self.tr("Open a recipe…")).triggered.connect(self.open_recipe_asked.emit)
        self.menu.addAction(self.tr("Save the recipe…")).triggered.connect(self.save_recipe_asked.emit)
        more.setMenu(self.menu)
        row.addWidget(more)
        return row

    def _details(self) -> QWidget:
        holder = QWidget()
        form = QFormLayout(holder)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(8)
        form.setVerticalSpacing(4)
        self.prompts, self.keyword = QLineEdit(), QLineEdit()
        self.prompts.setToolTip(
            self.tr(
                "The words that stand in for {} in the templates, separated by commas: synonyms count together."
            )
        )
        self.keyword.setToolTip(self.tr("What is written into tables and files, such as animals|cat."))
        for field, words in ((self.prompts, self.tr("Asks for")), (self.keyword, self.tr("Writes"))):
            field.setAccessibleName(words)
            field.editingFinished.connect(self._details_edited)
            label = QLabel(words)
            label.setProperty("role", "small")
            label.setBuddy(field)
            label.setMinimumHeight(field.sizeHint().height())
            form.addRow(label, field)
        self._holder = holder
        holder.hide()
        return holder

    # --- what is shown

    def set_labels(
        self, labels: Sequence[Label], remarks: dict[int, str], counts: Sequence[int] = ()
    ) -> None:
        """The labels in order, what is wrong with which, and how many photos each has."""
        self._labels, self._remarks, self._counts = tuple(labels), remarks, tuple(counts)
        self._count.setText(f"{len(labels):,}" if labels else "")
        self.list.set_rows(
            [
                Row(
                    label.name,
                    lead=str(i + 1) if i < 9 else "",
                    trail=f"{counts[i]:,}" if i < len(counts) and counts[i] else "",
                    remark=remarks.get(i, ""),
                    tip=self._tip(label),
                )
                for i, label in enumerate(labels)
            ]
        )
        self._show_details(self.list.currentIndex().row())

    def set_presets(self, names: Sequence[tuple[str, str]]) -> None:
        """(key, words) of each label list that ships or was saved."""
        self.presets.clear()
        for key, words in names:
            action = QAction(words, self.presets)
            action.triggered.connect(lambda _=False, key=key: self.preset_asked.emit(key))
            self.presets.addAction(action)

    def say(self, words: str) -> None:
        """A remark about what was just typed; "" takes it away."""
        self.note.setText(words)
        self.note.setVisible(bool(words))

    def _tip(self, label: Label) -> str:
        parts = [label.name]
        if tuple(label.prompts) != (label.name,):
            parts.append(self.tr("Asks for: %s") % ", ".join(label.prompts))
        if label.keyword and label.keyword != label.name:
            parts.append(self.tr("Writes: %s") % label.keyword)
        return "\n".join(parts)

    def _choose(self, row: int) -> None:
        self._show_details(row)
        self.chosen.emit(row)

    def _show_details(self, row: int) -> None:
        known = 0 <= row < len(self._labels)
        self._holder.setVisible(known)
        self._remove.setEnabled(known)
        if not known:
            self.say("")
            return
        label = self._labels[row]
        for field, words in ((self.prompts, ", ".join(label.prompts)), (self.keyword, label.keyword)):
            if field.text() != words and not field.isModified():
                field.setText(words)
                field.setCursorPosition(0)
        self.say(self._remarks.get(row, ""))

    # --- what hands do

    def paste(self) -> None:
        """Add every line of the clipboard as a label."""
        self.add_asked.emit(QGuiApplication.clipboard().text())

    def _typed(self) -> None:
        words = self.entry.text()
        if words.strip():
            self.entry.clear()
            self.add_asked.emit(words)

    def _details_edited(self) -> None:
        row = self.list.currentIndex().row()
        if not (self.prompts.isModified() or self.keyword.isModified()) or not 0 <= row < len(self._labels):
            return
        self.prompts.setModified(False)
        self.keyword.setModified(False)
        old = self._labels[row]
        prompts = tuple(filter(None, (word.strip() for word in self.prompts.text().split(",")))) or (
            old.name,
        )
        self.edited.emit(row, Label(old.name, prompts, self.keyword.text().strip() or old.name))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self.entry and event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            pasted = (
                QGuiApplication.clipboard().text() if event.matches(QKeySequence.StandardKey.Paste) else ""
            )
            if "\n" in pasted.strip():
                # A line edit would run the lines together.
                self.add_asked.emit(pasted)
                return True
            if event.key() == Qt.Key.Key_Down and self._labels:
                self.list.setFocus()
                return True
        return super().eventFilter(watched, event)
