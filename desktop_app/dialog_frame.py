"""What every dialog of the program has in common: margins, widths, a Close button, translated words."""

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QVBoxLayout, QWidget


def translated(words: str, context: str = "Dialogs") -> str:
    """The words in the person's language."""
    return QCoreApplication.translate(context, words)


def make(parent: QWidget, title: str, width: int) -> tuple[QDialog, QVBoxLayout]:
    """A dialog that deletes itself when closed, and the column to fill."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(title)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(24, 24, 24, 16)
    column.setSpacing(16)
    # Not setMinimumWidth: that would overrule what the contents need.
    column.addStrut(width)
    return dialog, column


def close_button(dialog: QDialog) -> QDialogButtonBox:
    """The one button of a dialog in which everything takes effect at once."""
    box = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    box.rejected.connect(dialog.close)
    return box
