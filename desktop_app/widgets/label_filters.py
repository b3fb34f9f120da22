"""Above the grid: chips to filter by decision, a list to filter by label, the order; and the line after an edit."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app import theme
from desktop_app.photo_list import Mark
from desktop_app.widgets import marks
from desktop_app.widgets.flow_layout import FlowLayout
from desktop_app.widgets.icon_button import icon_button
from desktop_app.widgets.section import as_tip, text

# Always there, so that the row does not jump; the others come when there is something to show.
_ALWAYS = (Mark.LABEL, Mark.UNSURE, Mark.UNKNOWN, Mark.CONFIRMED)
_ORDER = (*_ALWAYS, Mark.REJECTED, Mark.FAILED, Mark.NONE)


class FilterBar(QWidget):
    """`changed` with every wish; the panel turns `wanted` and `label` into a filter."""

    changed = Signal()
    order_asked = Signal(str)  # "disk", "name", "date", "sure", "unsure", "changed"
    lab_asked = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.wanted: frozenset[Mark] = frozenset()
        self._names: tuple[tuple[str, int], ...] | None = None
        self._chips: dict[Mark, QPushButton] = {}
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 4)
        column.setSpacing(6)
        self._chip_row = chips = QWidget()
        flow = FlowLayout(chips, gap=6)
        self.everything = self._chip(self.tr("All"))
        self.everything.clicked.connect(self.clear)
        flow.addWidget(self.everything)
        for mark in _ORDER:
            chip = self._chip(marks.words(mark))
            chip.setAccessibleName(marks.words(mark))
            chip.clicked.connect(self._chosen)
            self._chips[mark] = chip
            flow.addWidget(chip)
        column.addWidget(chips)
        column.addWidget(self._second_row())
        self._draw_icons()
        theme.current().changed.connect(self._draw_icons)
        self.set_counts({}, 0)
        self._show()

    def _chip(self, words: str) -> QPushButton:
        chip = QPushButton(words)
        chip.setProperty("chip", True)
        chip.setCheckable(True)
        return chip

    def _second_row(self) -> QWidget:
        # In lines as well: as one row it is wider than the grid of a small window, and Qt then takes the height of the
        # chips for a width they do not have. The two views come first, to stay in place when the lists are hidden.
        holder = QWidget()
        row = FlowLayout(holder, gap=6)
        self.grid_button, self.lab_button = QPushButton(self.tr("Photos")), QPushButton(self.tr("Prompt lab"))
        for button, lab in ((self.grid_button, False), (self.lab_button, True)):
            button.setCheckable(True)
            button.setProperty("chip", True)
            button.clicked.connect(lambda _=False, lab=lab: self.lab_asked.emit(lab))
            row.addWidget(button)
        self.labels = self._list(self.tr("Show only this label"), 7)
        self.labels.activated.connect(lambda _: self.changed.emit())
        row.addWidget(self.labels)
        self.order = self._list(self.tr("Order"), 10)
        for key, words in (
            ("disk", self.tr("By folder")),
            ("name", self.tr("By name")),
            ("date", self.tr("Newest first")),
            ("sure", self.tr("Surest first")),
            ("unsure", self.tr("Unsure first")),
            ("changed", self.tr("Changed first")),
        ):
            self.order.addItem(words, key)
        when = self.tr("By when the photo was taken; by the file's date where the photo does not say")
        self.order.setItemData(self.order.findData("date"), when, Qt.ItemDataRole.ToolTipRole)
        self.order.activated.connect(lambda index: self.order_asked.emit(str(self.order.itemData(index))))
        row.addWidget(self.order)
        self.show_lab(False)
        return holder

    def _list(self, name: str, letters: int) -> QComboBox:
        """A list as wide as so many letters, however long its lines."""
        box = QComboBox()
        box.setAccessibleName(name)
        box.setToolTip(name)
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(letters)
        # No line has an icon, and room kept for one would cost a line of chips in a small window.
        box.setIconSize(QSize(0, 0))
        return box

    def show_lab(self, lab: bool) -> None:
        """Which of the two views is on."""
        for widget in (self._chip_row, self.labels, self.order):
            widget.setVisible(not lab)
        self.grid_button.setChecked(not lab)
        self.lab_button.setChecked(lab)

    # --- what is shown

    def set_counts(self, counts: dict[Mark, int], total: int) -> None:
        """How many photos carry each mark."""
        self.everything.setText(self.tr("All") + (f"  {total:,}" if total else ""))
        for mark, chip in self._chips.items():
            count = counts.get(mark, 0)
            chip.setText(f"{self._short(mark)}  {count:,}" if count else self._short(mark))
            chip.setVisible(mark in _ALWAYS or count > 0 or mark in self.wanted)

    def set_labels(self, names: Sequence[tuple[str, int]]) -> None:
        """The labels that can be filtered by, with the number of photos of each."""
        if tuple(names) == self._names:
            return
        self._names = tuple(names)
        keep = self.label
        self.labels.blockSignals(True)
        self.labels.clear()
        self.labels.addItem(self.tr("Any label"), "")
        for name, count in names:
            self.labels.addItem(f"{name}  {count:,}" if count else name, name)
        self.labels.setCurrentIndex(max(0, self.labels.findData(keep)))
        self.labels.blockSignals(False)

    @property
    def label(self) -> str:
        """Only photos of this label, "" for any."""
        return str(self.labels.currentData() or "")

    @property
    def narrows(self) -> bool:
        """True where not everything is wanted."""
        return bool(self.wanted or self.label)

    def words(self) -> str:
        """The filter in words, for the top bar."""
        parts = [marks.words(mark).lower() for mark in _ORDER if mark in self.wanted]
        return ", ".join(filter(None, (" + ".join(parts), f"“{self.label}”" if self.label else "")))

    def choose(self, wanted: frozenset[Mark], label: str = "") -> None:
        """Set the filter as if by hand."""
        self.wanted = wanted
        self.labels.setCurrentIndex(max(0, self.labels.findData(label)))
        self._show()
        self.changed.emit()

    def forget(self) -> None:
        """The filter was taken away elsewhere: show it so, without a word."""
        self.wanted = frozenset()
        self.labels.setCurrentIndex(0)
        self._show()

    def clear(self) -> None:
        """Everything is wanted."""
        self.choose(frozenset())

    def _chosen(self) -> None:
        self.wanted = frozenset(mark for mark, chip in self._chips.items() if chip.isChecked())
        self._show()
        self.changed.emit()

    def _show(self) -> None:
        self.everything.setChecked(not self.wanted)
        for mark, chip in self._chips.items():
            chip.setChecked(mark in self.wanted)

    def _short(self, mark: Mark) -> str:
        return {
            Mark.CONFIRMED: self.tr("Confirmed"),
            Mark.REJECTED: self.tr("Rejected"),
            Mark.FAILED: self.tr("Not readable"),
            Mark.NONE: self.tr("Waiting"),
        }.get(mark, marks.words(mark))

    def _draw_icons(self) -> None:
        for mark, chip in self._chips.items():
            if mark is not Mark.NONE:
                chip.setIcon(marks.icon(mark, 14))


class Line(QFrame):
    """One sentence above the grid, and one click to do something about it. Hidden until there is something to say."""

    asked = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("bar", "info")
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 2, 4, 2)
        row.setSpacing(8)
        self._words = text("")
        row.addWidget(self._words, 1)
        self.button = QPushButton()
        self.button.setProperty("flat", True)
        self.button.clicked.connect(self.asked)
        row.addWidget(self.button)
        close = icon_button(self.tr("Close this message"), "close")
        close.clicked.connect(self.hide)
        close.clicked.connect(self.closed)
        row.addWidget(close)
        self.hide()

    def tell(self, words: str, action: str) -> None:
        """Say it; `action` stands on the button, "" for none."""
        self._words.setText(words)
        self.setAccessibleName(words)
        self.button.setText(action.replace("&", "&&"))
        self.button.setVisible(bool(action))
        self.show()

    @property
    def text(self) -> str:
        """What is shown, "" while hidden."""
        return "" if self.isHidden() else self._words.text()

    def keep_quiet(self) -> None:
        """There is nothing to say."""
        self._words.setText("")
        self.hide()


class ChangeLine(Line):
    """“37 photos change label”: what the last edit did, and one click to see them."""

    edit = ""  # what the last edit is called

    def say(self, edit: str, labels: int, decisions: int) -> None:
        """After an edit: how many photos show another label, how many only another decision."""
        parts = []
        if labels:
            one, many = self.tr("1 photo changes label"), self.tr("{0:,} photos change label")
            parts.append(one if labels == 1 else many.format(labels))
        if decisions:
            one, many = self.tr("1 photo changes decision"), self.tr("{0:,} photos change decision")
            parts.append(one if decisions == 1 else many.format(decisions))
        self._words.setToolTip(as_tip(edit))
        self.edit = edit
        action = self.tr("Show them") if parts else ""
        self.tell(", ".join(parts) or self.tr("No photo changes label"), action)
