"""The sheet of keys: those of the menus, and those of each panel."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QScrollArea, QWidget

from desktop_app.actions import ACTIONS, MENUS
from desktop_app.dialog_frame import close_button, make, translated
from desktop_app.widgets.flow_layout import FlowLayout
from desktop_app.widgets.section import text

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.panels.base import Panel

Rows = Iterable[tuple[str, tuple[str, ...]]]
"""What keys do, and the keys."""

_GAP = 40  # px between two columns
_FRAME = QSize(48, 96)  # px: what a window manager may draw around a window, and a little air


class _Block(QWidget):
    """A column of keys that likes to be as wide as `edge`, and does not insist where the sheet is made narrower."""

    edge = 0

    def sizeHint(self) -> QSize:
        return super().sizeHint().expandedTo(QSize(self.edge, 0))


def show_shortcuts(window: "MainWindow") -> QDialog:
    """Every key, by menu and by panel, in three columns beside each other where the screen is wide enough."""
    dialog, column = make(window, translated("Keyboard shortcuts"), 480)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setAccessibleName(dialog.windowTitle())
    inner = QWidget()
    columns = FlowLayout(inner, gap=_GAP)
    for menus in (("file", "edit", "help"), ("photo", "view")):
        grid = _grid(columns)
        for menu in menus:
            head = translated(MENUS[menu], "Actions").replace("&", "")
            _add_rows(grid, head, [*_of_panels(window, menu), *_of_menu(menu)])
    grid = _grid(columns)
    for kind in window.kinds:
        _add_rows(grid, kind.shown_title(), _of_panel(kind))
    area.setWidget(inner)
    column.addWidget(area)
    close = close_button(dialog)
    column.addWidget(close)
    margins = column.contentsMargins()
    # With room for the scroll bar: where it appears and goes, the columns stay beside each other.
    beside = margins.left() + margins.right() + area.verticalScrollBar().sizeHint().width()
    below = margins.top() + margins.bottom() + column.spacing() + close.sizeHint().height()
    size = _size(columns, QSize(beside, below), window.screen().availableSize() - _FRAME)
    _align_last(columns, size.width() - beside)
    dialog.resize(size)
    dialog.show()
    return dialog


def _size(columns: FlowLayout, around: QSize, room: QSize) -> QSize:
    """What the columns ask for with so much around them, but no more than there is room for."""
    hints = [item.sizeHint() for item in map(columns.itemAt, range(columns.count())) if item is not None]
    wanted = sum(hint.width() for hint in hints) + _GAP * (len(hints) - 1)
    width = min(wanted + around.width(), room.width())
    return QSize(width, columns.heightForWidth(width - around.width()) + around.height()).boundedTo(room)


def _align_last(columns: FlowLayout, width: int) -> None:
    """Where the last column goes under the others its keys end below theirs."""
    *above, last = [item for item in map(columns.itemAt, range(columns.count())) if item is not None]
    edge = sum(item.sizeHint().width() for item in above) + _GAP * (len(above) - 1)
    block, under = last.widget(), edge <= width < edge + _GAP + last.sizeHint().width()
    if isinstance(block, _Block) and under:
        block.edge = edge


def _of_menu(menu: str) -> Rows:
    rows = [
        (spec.words().replace("&", "").rstrip("…"), spec.keys)
        for spec in ACTIONS
        if spec.menu == menu and spec.keys
    ]
    if menu == "view":
        rows.append((translated("Zoom a picture"), (translated("Mouse wheel, + and -"),)))
    return rows


def _of_panels(window: "MainWindow", menu: str) -> Rows:
    if menu != "view":
        return []
    return [(kind.shown_title(), (f"Ctrl+{place}",)) for place, kind in enumerate(window.kinds, start=1)]


def _of_panel(kind: "type[Panel]") -> Rows:
    translate = QCoreApplication.translate
    return [(translate("Panel", does), (translate("Panel", keys),)) for does, keys in kind.keys]


def _grid(columns: FlowLayout) -> QGridLayout:
    holder = _Block()
    grid = QGridLayout(holder)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(24)
    grid.setVerticalSpacing(4)
    columns.addWidget(holder)
    columns.setAlignment(holder, Qt.AlignmentFlag.AlignTop)
    return grid


def _add_rows(grid: QGridLayout, title: str, rows: Rows) -> None:
    rows = list(rows)
    if not rows:
        return
    head = text(title, "heading")
    head.setContentsMargins(0, 8 if grid.count() else 0, 0, 4)
    row = grid.rowCount()
    grid.addWidget(head, row, 0, 1, 2)
    for words, keys in rows:
        row += 1
        grid.addWidget(QLabel(words), row, 0)
        shown = QLabel("  ".join(_native(key) for key in keys))
        shown.setProperty("role", "muted")
        grid.addWidget(shown, row, 1, Qt.AlignmentFlag.AlignRight)


def _native(key: str) -> str:
    """A key as this system writes it; words about keys stay words."""
    made = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    return made if made and len(key) < 16 and "…" not in key else key
