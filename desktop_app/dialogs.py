"""The few dialogs, each behind one function, so that a test replaces that function alone."""

import platform
import sys
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QCoreApplication, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QKeySequence
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop_app import paths, theme
from desktop_app.actions import ACTIONS, MENUS
from desktop_app.version import version
from desktop_app.widgets.section import text
from models.errors import UserError

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.settings import Setting, Settings
    from desktop_app.work import Outcome


def _tr(words: str, context: str = "Dialogs") -> str:
    return QCoreApplication.translate(context, words)


def ask_files(parent: QWidget, folder: str) -> list[str]:
    """Photos the person picks; [] when cancelled."""
    from models.walk import SUFFIXES

    kinds = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
    photos = _tr("Photos ({kinds})").format(kinds=kinds)
    return QFileDialog.getOpenFileNames(
        parent, _tr("Open photos"), folder, f"{photos};;{_tr('All files (*)')}"
    )[0]


def ask_folder(parent: QWidget, folder: str) -> str:
    """A folder the person picks; "" when cancelled."""
    return QFileDialog.getExistingDirectory(parent, _tr("Open a folder of photos"), folder)


def _dialog(parent: QWidget, title: str, width: int) -> tuple[QDialog, QVBoxLayout]:
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(24, 24, 24, 16)
    column.setSpacing(16)
    # Not setMinimumWidth: that would overrule what the contents need.
    column.addStrut(width)
    return dialog, column


def _close_button(dialog: QDialog) -> QDialogButtonBox:
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    box.rejected.connect(dialog.close)
    return box


# --- keyboard shortcuts


def show_shortcuts(window: "MainWindow") -> QDialog:
    """A sheet with every key, by menu, in two columns."""
    dialog, column = _dialog(window, _tr("Keyboard shortcuts"), 720)
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
    column.addWidget(_close_button(dialog))
    dialog.show()
    return dialog


def _shortcut_rows(window: "MainWindow", grid: QGridLayout, menu: str) -> None:
    rows = [
        (spec.words().replace("&", "").rstrip("…"), spec.keys)
        for spec in ACTIONS
        if spec.menu == menu and spec.keys
    ]
    if menu == "photo":
        rows.append((_tr("Give the photo one of the first nine labels"), ("1 … 9",)))
        rows.append((_tr("Take the label away"), ("0",)))
    if menu == "view":
        rows = [(kind.shown_title(), (f"Ctrl+{i + 1}",)) for i, kind in enumerate(window._kinds)] + rows
        rows.append((_tr("Zoom a picture"), (_tr("Mouse wheel, + and -"),)))
    if not rows:
        return
    head = text(_tr(MENUS[menu], "Actions").replace("&", ""), "heading")
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
    dialog, column = _dialog(window, _tr("About Pinhole"), 560)
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
            _tr("Three ways of seeing on your own photos, on your own computer, with nothing sent anywhere.")
        )
    )
    credit = _tr(
        "Free software under the MIT licence. The sample photos and the models have their own credits."
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
    field.setAccessibleName(_tr("Details"))
    return field


def _report_buttons(dialog: QDialog, report: str) -> QHBoxLayout:
    row = QHBoxLayout()
    copy = QPushButton(_tr("Copy diagnostics"))
    copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(report))
    data = QPushButton(_tr("Open the data folder"))
    data.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(paths.data_dir()))))
    close = QPushButton(_tr("Close"))
    close.setDefault(True)
    close.clicked.connect(dialog.close)
    row.addWidget(copy)
    row.addWidget(data)
    row.addStretch(1)
    row.addWidget(close)
    return row


def show_doctor(window: "MainWindow") -> QDialog:
    """The findings of `pinhole doctor`, made on the io lane while the dialog already stands."""
    dialog, column = _dialog(window, _tr("Check the installation"), 640)
    area = QScrollArea()
    area.setWidgetResizable(True)
    column.addWidget(area, 1)
    column.addWidget(_close_button(dialog))
    area.setWidget(text(_tr("Looking at this machine…"), "muted"))
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


# --- settings, generated from their declarations


def show_settings(window: "MainWindow") -> QDialog:
    """A row for every declared setting; each takes effect at once."""
    dialog, column = _dialog(window, _tr("Settings"), 640)
    column.setContentsMargins(0, 0, 0, 16)
    area = QScrollArea()
    area.setWidgetResizable(True)
    inner = QWidget()
    grid = QGridLayout(inner)
    grid.setContentsMargins(24, 16, 24, 16)
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(4)
    grid.setColumnStretch(0, 1)
    group = ""
    for setting in window.settings.rows():
        if setting.group != group:
            group = setting.group
            head = text(_tr(_GROUPS.get(group, group.capitalize()), "Settings"), "heading")
            head.setContentsMargins(0, 12 if grid.count() else 0, 0, 4)
            grid.addWidget(head, grid.rowCount(), 0, 1, 2)
        row = grid.rowCount()
        name, more = text(_tr(setting.title, "Settings")), text(_tr(setting.help, "Settings"), "small")
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(name)
        words.addWidget(more)
        grid.addLayout(words, row, 0)
        field = setting_field(window.settings, setting)
        field.setAccessibleName(name.text())
        field.setAccessibleDescription(more.text())
        grid.addWidget(field, row, 1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        grid.setRowMinimumHeight(row, 40)
    area.setWidget(inner)
    column.addWidget(area)
    buttons = QHBoxLayout()
    buttons.setContentsMargins(24, 0, 24, 0)
    buttons.addStretch(1)
    buttons.addWidget(_close_button(dialog))
    column.addLayout(buttons)
    dialog.resize(680, min(700, inner.sizeHint().height() + 90))
    dialog.show()
    return dialog


_GROUPS = {
    "look": "Appearance",
    "photos": "Photos",
    "model": "Models",
    "answers": "Answers",
    "export": "Export",
}
_CHOICES = {
    "system": "As the system", "light": "Light", "dark": "Dark", "auto": "Automatic", "cpu": "Processor",
    "cuda": "NVIDIA GPU", "mps": "Apple GPU", "single": "One label", "multi": "Several labels",
}  # fmt: skip


def setting_field(settings: "Settings", setting: "Setting[Any]") -> QWidget:
    """The control for one setting, bound to it."""
    key, value = setting.key, settings.get(setting.key)
    if setting.kind == "bool":
        box = QCheckBox()
        box.setChecked(value)
        box.toggled.connect(lambda on: settings.set(key, on))
        return box
    if setting.kind == "choice":
        combo = QComboBox()
        for choice in setting.choices:
            combo.addItem(_tr(_CHOICES.get(choice, choice), "Settings"), choice)
        combo.setCurrentIndex(setting.choices.index(value))
        combo.setMinimumWidth(160)
        combo.currentIndexChanged.connect(lambda row: settings.set(key, setting.choices[row]))
        return combo
    if setting.kind in ("int", "float"):
        spin: QSpinBox | QDoubleSpinBox = QSpinBox() if setting.kind == "int" else QDoubleSpinBox()
        low, high = (
            setting.low if setting.low is not None else 0,
            setting.high if setting.high is not None else 10**6,
        )
        spin.setRange(int(low), int(high)) if isinstance(spin, QSpinBox) else spin.setRange(low, high)
        if isinstance(spin, QDoubleSpinBox):
            spin.setSingleStep(0.05)
        spin.setValue(value)
        spin.setKeyboardTracking(False)
        spin.setMinimumWidth(96)
        spin.valueChanged.connect(lambda now: settings.set(key, now))
        return spin
    field = QLineEdit(value if setting.kind == "text" else "; ".join(value))
    field.setMinimumWidth(220)
    if setting.kind == "text":
        field.editingFinished.connect(lambda: settings.set(key, field.text().strip()))
    else:
        field.setPlaceholderText(_tr("separated by ;"))
        field.editingFinished.connect(lambda: settings.set(key, _parts(field.text())))
    return field


def _parts(words: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in words.split(";") if part.strip())


# --- the photo alone on the screen


def show_viewer(window: "MainWindow", *, zoomed: bool = False) -> QWidget:
    """The photo in focus in full screen."""
    from desktop_app.widgets.viewer import Viewer

    viewer = Viewer(window.session, window.press_plain, window)
    viewer.showFullScreen()
    if zoomed:
        viewer.view.toggle_zoom()
    return viewer


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
        column.addWidget(text(_tr("Something went wrong in Pinhole itself"), "title"))
        column.addWidget(text(title))
        calm = _tr(
            "Your photos are untouched and your answers are saved. You can go on; the details help to mend it."
        )
        column.addWidget(text(calm, "muted"))
        column.addWidget(_report_field(details))
        row = QHBoxLayout()
        copy, leave, go_on = (
            QPushButton(_tr("Copy details")),
            QPushButton(_tr("Quit")),
            QPushButton(_tr("Go on")),
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
