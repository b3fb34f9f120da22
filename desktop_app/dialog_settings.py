"""The settings dialog, generated from the declarations in settings.py."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop_app.dialog_frame import close_button, make, translated
from desktop_app.widgets.section import text
from desktop_app.widgets.spin_box import roomy

if TYPE_CHECKING:
    from desktop_app.main_window import MainWindow
    from desktop_app.settings import Setting, Settings


# --- settings, generated from their declarations


def show_settings(window: "MainWindow") -> QDialog:
    """A row for every declared setting; each takes effect at once."""
    dialog, column = make(window, translated("Settings"), 640)
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
            head = text(translated(_GROUPS.get(group, group.capitalize()), "Settings"), "heading")
            head.setContentsMargins(0, 12 if grid.count() else 0, 0, 4)
            grid.addWidget(head, grid.rowCount(), 0, 1, 2)
        row = grid.rowCount()
        name, more = (
            text(translated(setting.title, "Settings")),
            text(translated(setting.help, "Settings"), "small"),
        )
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
    buttons.addWidget(close_button(dialog))
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
            combo.addItem(translated(_CHOICES.get(choice, choice), "Settings"), choice)
        combo.setCurrentIndex(setting.choices.index(value))
        combo.setMinimumWidth(160)
        combo.currentIndexChanged.connect(lambda row: settings.set(key, setting.choices[row]))
        return combo
    if setting.kind in ("int", "float"):
        return _number_field(settings, setting)
    field = QLineEdit(value if setting.kind == "text" else "; ".join(value))
    field.setMinimumWidth(220)
    if setting.kind == "text":
        field.editingFinished.connect(lambda: settings.set(key, field.text().strip()))
    else:
        field.setPlaceholderText(translated("separated by ;"))
        field.editingFinished.connect(lambda: settings.set(key, _parts(field.text())))
    return field


def _number_field(settings: "Settings", setting: "Setting[Any]") -> QWidget:
    low = 0 if setting.low is None else setting.low
    high = 10**6 if setting.high is None else setting.high
    spin: QSpinBox | QDoubleSpinBox
    if setting.kind == "int":
        spin = roomy(QSpinBox())
        spin.setRange(int(low), int(high))
    else:
        spin = roomy(QDoubleSpinBox())
        spin.setRange(low, high)
        spin.setSingleStep(0.05)
    spin.setValue(settings.get(setting.key))
    spin.setKeyboardTracking(False)
    spin.setMinimumWidth(96)
    spin.valueChanged.connect(lambda now: settings.set(setting.key, now))
    return spin


def _parts(words: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in words.split(";") if part.strip())
