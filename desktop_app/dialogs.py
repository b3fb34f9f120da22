"""The few dialogs, each behind one function, so that a test replaces that function alone."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QFileDialog, QGridLayout, QHBoxLayout, QLabel, QWidget

from desktop_app.actions import ACTIONS, MENUS
from desktop_app.dialog_about import CrashDialog, show_about, show_doctor
from desktop_app.dialog_frame import close_button, make, translated
from desktop_app.dialog_settings import setting_field, show_settings
from desktop_app.widgets.section import text

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow

__all__ = [
    "CrashDialog",
    "ask_files",
    "ask_folder",
    "ask_model",
    "setting_field",
    "show_about",
    "show_doctor",
    "show_settings",
    "show_shortcuts",
    "show_viewer",
]


def ask_files(parent: QWidget, folder: str) -> list[str]:
    """Photos the person picks; [] when cancelled."""
    from models.walk import SUFFIXES

    kinds = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
    photos = translated("Photos ({kinds})").format(kinds=kinds)
    return QFileDialog.getOpenFileNames(
        parent, translated("Open photos"), folder, f"{photos};;{translated('All files (*)')}"
    )[0]


def ask_folder(parent: QWidget, folder: str) -> str:
    """A folder the person picks; "" when cancelled."""
    return QFileDialog.getExistingDirectory(parent, translated("Open a folder of photos"), folder)


def ask_model(parent: QWidget, folder: str) -> str:
    """A file of weights, "" when cancelled."""
    kinds = translated("Weights of a model (*.safetensors *.pt *.pth *.bin)")
    title = translated("Add a model: a file of published weights, or the model.safetensors of a model folder")
    return QFileDialog.getOpenFileName(parent, title, folder, f"{kinds};;{translated('All files (*)')}")[0]


# --- keyboard shortcuts


def show_shortcuts(window: "MainWindow") -> QDialog:
    """A sheet with every key, by menu, in two columns."""
    dialog, column = make(window, translated("Keyboard shortcuts"), 720)
    columns = QHBoxLayout()
    columns.setSpacing(40)
    column.addLayout(columns)
    halves = (("file", "edit", "help"), ("photo", "view"))
    for menus in halves:
        grid = QGridLayout()
        grid.setHorizontalSpacing(24)
        grid.setVerticalSpacing(4)
        for menu in menus:
            _shortcut_rows(window, grid, menu)
        grid.setRowStretch(grid.rowCount(), 1)
        columns.addLayout(grid, 1)
    column.addWidget(close_button(dialog))
    dialog.show()
    return dialog


def _shortcut_rows(window: "MainWindow", grid: QGridLayout, menu: str) -> None:
    rows = [
        (spec.words().replace("&", "").rstrip("…"), spec.keys)
        for spec in ACTIONS
        if spec.menu == menu and spec.keys
    ]
    if menu == "photo":
        rows.append((translated("Give the photo one of the first nine labels"), ("1 … 9",)))
        rows.append((translated("Take the label away"), ("0",)))
    if menu == "view":
        rows = [(kind.shown_title(), (f"Ctrl+{i + 1}",)) for i, kind in enumerate(window.kinds)] + rows
        rows.append((translated("Zoom a picture"), (translated("Mouse wheel, + and -"),)))
    if not rows:
        return
    head = text(translated(MENUS[menu], "Actions").replace("&", ""), "heading")
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
    made = QKeySequence(key).toString(QKeySequence.SequenceFormat.NativeText)
    return made if made and len(key) < 16 and "…" not in key else key


# --- the photo alone on the screen


def show_viewer(window: "MainWindow", *, zoomed: bool = False) -> QWidget:
    """The photo in focus in full screen."""
    from desktop_app.widgets.viewer import Viewer

    viewer = Viewer(window.session, window.press_plain, window)
    viewer.showFullScreen()
    if zoomed:
        viewer.view.toggle_zoom()
    return viewer
