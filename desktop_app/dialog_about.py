"""What the program says about itself: versions and device, what works on this machine, and its own failures."""

import platform
import sys
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from desktop_app import paths, theme
from desktop_app.dialog_frame import close_button, make, translated
from desktop_app.version import version
from desktop_app.widgets.section import text
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.work import Outcome


# --- about, check the installation


def device_report(window: "MainWindow") -> str:
    """Versions and what really runs, as plain text to copy."""
    import PySide6

    lines = [
        _named(),
        f"Python {platform.python_version()}, PySide6 {PySide6.__version__}, {platform.platform()}",
        f"Display: {QGuiApplication.platformName()}, scale {window.devicePixelRatioF():g}",
    ]
    for name in ("torch", "onnxruntime"):
        module = sys.modules.get(name)
        lines.append(f"{name} {module.__version__}" if module else f"{name}: not loaded yet")
    for capability, model in sorted(window.session.shelf.loaded().items()):
        note = f" ({model.note})" if model.note else ""
        lines.append(
            f"{capability}: {model.spec.id}, {model.engine}, {model.precision}, {model.device}{note}"
        )
    lines.append(f"Data: {paths.data_dir()}")
    lines.append(f"Log: {paths.log_file()}")
    return "\n".join(lines)


def _named() -> str:
    known = version()
    return "Pinhole" if known == "unknown" else f"Pinhole {known}"


def show_about(window: "MainWindow") -> QDialog:
    """What this is, versions, the device in use, and everything of it to copy."""
    dialog, column = make(window, translated("About Pinhole"), 560)
    head = QHBoxLayout()
    head.setSpacing(16)
    picture = QLabel()
    picture.setPixmap(theme.pixmap("app", dialog.palette().text().color(), 56, dialog.devicePixelRatioF()))
    head.addWidget(picture, 0, Qt.AlignmentFlag.AlignTop)
    words = QVBoxLayout()
    words.setSpacing(4)
    words.addWidget(text(_named(), "title"))
    words.addWidget(
        text(
            translated(
                "Three ways of seeing on your own photos, on your own computer, with nothing sent anywhere."
            )
        )
    )
    credit = translated(
        "Free software under the MIT licence. The models that ship were trained on photos of which part is for "
        "research and education only; their cards say more. The credits of the sample photos lie beside them."
    )
    words.addWidget(text(credit, "muted"))
    head.addLayout(words, 1)
    column.addLayout(head)
    column.addWidget(_report_field(device_report(window)))
    column.addLayout(_report_buttons(dialog, device_report(window)))
    dialog.show()
    return dialog


def _report_field(report: str) -> QPlainTextEdit:
    field = QPlainTextEdit(report)
    field.setReadOnly(True)
    field.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    field.setMinimumHeight(190)
    field.setAccessibleName(translated("Details"))
    return field


def _report_buttons(dialog: QDialog, report: str) -> QHBoxLayout:
    row = QHBoxLayout()
    copy = QPushButton(translated("Copy diagnostics"))
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(report))
    data = QPushButton(translated("Open the data folder"))
    data.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(paths.data_dir()))))
    close = QPushButton(translated("Close"))
    close.setDefault(True)
    close.clicked.connect(dialog.close)
    row.addWidget(copy)
    row.addWidget(data)
    row.addStretch(1)
    row.addWidget(close)
    return row


def show_doctor(window: "MainWindow") -> QDialog:
    """The findings of `pinhole doctor`, made on the io lane while the dialog already stands."""
    dialog, column = make(window, translated("Check the installation"), 640)
    area = QScrollArea()
    area.setWidgetResizable(True)
    column.addWidget(area, 1)
    column.addWidget(close_button(dialog))
    area.setWidget(text(translated("Looking at this machine…"), "muted"))
    open_: list[QDialog] = [dialog]
    dialog.destroyed.connect(open_.clear)

    def fill(outcome: "Outcome") -> None:
        if open_:
            area.setWidget(_findings(outcome, dialog))

    window.session.work.once(_examine, fill, lane="io")
    dialog.resize(700, 620)
    dialog.show()
    return dialog


def _findings(outcome: "Outcome", dialog: QDialog) -> QWidget:
    """A row for each finding: a shape, what was found, what to do about it."""
    if outcome.error is not None:
        return text(str(outcome.error), "error")
    inner = QWidget()
    rows = QGridLayout(inner)
    rows.setContentsMargins(0, 0, 0, 0)
    rows.setHorizontalSpacing(12)
    rows.setVerticalSpacing(6)
    rows.setColumnStretch(1, 1)
    for row, finding in enumerate(outcome.value):
        icon, role = {"good": ("check", ""), "note": ("info", "muted")}.get(
            finding.status, ("warning", "warn")
        )
        picture = QLabel()
        picture.setPixmap(theme.pixmap(icon, dialog.palette().text().color(), 18, dialog.devicePixelRatioF()))
        rows.addWidget(picture, row, 0, Qt.AlignmentFlag.AlignTop)
        rows.addWidget(text(f"{finding.name}: {UserError(finding.words, finding.cure)}", role), row, 1)
    rows.setRowStretch(rows.rowCount(), 1)
    return inner


def _examine() -> list[Any]:
    from desktop_app.doctor import examine

    return list(examine())


# --- something went wrong in the program itself


class CrashDialog(QDialog):
    """An unexpected error: what it was, its details to copy, and the choice to go on or to quit."""

    def __init__(self, title: str, details: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle("Pinhole")
        column = QVBoxLayout(self)
        column.addStrut(560)
        column.setContentsMargins(24, 24, 24, 16)
        column.setSpacing(12)
        column.addWidget(text(translated("Something went wrong in Pinhole itself"), "title"))
        column.addWidget(text(title))
        calm = translated(
            "Your photos are untouched and your answers are saved. You can go on; the details help to mend it."
        )
        column.addWidget(text(calm, "muted"))
        column.addWidget(_report_field(details))
        row = QHBoxLayout()
        copy, leave, go_on = (
            QPushButton(translated("Copy details")),
            QPushButton(translated("Quit")),
            QPushButton(translated("Go on")),
        )
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(f"{title}\n{details}"))
        leave.clicked.connect(QCoreApplication.quit)
        go_on.clicked.connect(self.close)
        go_on.setDefault(True)
        go_on.setProperty("primary", True)
        row.addWidget(copy)
        row.addStretch(1)
        row.addWidget(leave)
        row.addWidget(go_on)
        column.addLayout(row)
