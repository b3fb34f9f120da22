"""The few dialogs, each behind one function, so that a test replaces that function alone."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QFileDialog, QWidget

from desktop_app.dialog_about import CrashDialog, show_about, show_doctor
from desktop_app.dialog_frame import translated
from desktop_app.dialog_settings import setting_field, show_settings
from desktop_app.dialog_shortcuts import show_shortcuts

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


# --- the photo alone on the screen


def show_viewer(window: "MainWindow", *, zoomed: bool = False) -> QWidget:
    """The photo in focus in full screen."""
    from desktop_app.widgets.viewer import Viewer

    viewer = Viewer(window.session, window.press_plain, window)
    window.status.said.connect(viewer.tell)  # the bar is out of sight
    viewer.showFullScreen()
    if zoomed:
        viewer.view.toggle_zoom()
    return viewer
