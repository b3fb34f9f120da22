"""The sheet of all keys: those of the menus, and those that a panel's own widgets take."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel

from desktop_app.actions import ACTIONS, MENUS
from desktop_app.dialog_frame import close_button, make, translated
from desktop_app.widgets.section import text

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.panels.base import Panel

Rows = Iterable[tuple[str, tuple[str, ...]]]
"""What keys do, and the keys."""


def show_shortcuts(window: "MainWindow") -> QDialog:
    """Every key, by menu and by panel, in three columns."""
    dialog, column = make(window, translated("Keyboard shortcuts"), 720)
    columns = QHBoxLayout()
    columns.setSpacing(40)
    column.addLayout(columns)
    for menus in (("file", "edit", "help"), ("photo", "view")):
        grid = _grid(columns)
        for menu in menus:
            head = translated(MENUS[menu], "Actions").replace("&", "")
            _add_rows(grid, head, [*_of_panels(window, menu), *_of_menu(menu)])
    grid = _grid(columns)
    for kind in window.kinds:
        _add_rows(grid, kind.shown_title(), _of_panel(kind))
    column.addWidget(close_button(dialog))
    dialog.show()
    return dialog


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


def _grid(columns: QHBoxLayout) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(24)
    grid.setVerticalSpacing(4)
    column = QGridLayout()
    column.addLayout(grid, 0, 0)
    column.setRowStretch(1, 1)
    columns.addLayout(column, 1)
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
