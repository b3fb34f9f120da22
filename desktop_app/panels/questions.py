"""The panels' questions that need a dialog, each behind one function, so that a test replaces that function alone."""

import re
from pathlib import Path

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget


class _Place:
    """Where the last file was: the next question begins there."""

    folder = ""

    @classmethod
    def keep(cls, chosen: str) -> str:
        if chosen:
            cls.folder = str(Path(chosen).parent)
        return chosen

    @classmethod
    def start(cls, suggested: str = "") -> str:
        """A whole path stands; a bare name goes to the last folder, or home."""
        if suggested and Path(suggested).is_absolute():
            return suggested
        return str(Path(cls.folder or Path.home()) / suggested)


def ask_open(parent: QWidget, title: str, kinds: str, folder: str = "") -> str:
    """A file to read, "" when cancelled; `kinds` as in "Text (*.txt *.csv)". Begins where the last file was."""
    return _Place.keep(QFileDialog.getOpenFileName(parent, title, _Place.start(folder), kinds)[0])


def ask_save(parent: QWidget, title: str, kinds: str, suggested: str = "") -> str:
    """A file to write, "" when cancelled; a bare name is proposed in the folder of the last file.

    Where several kinds are offered, a name without a suffix takes that of the kind that was chosen.
    """
    chosen, kind = QFileDialog.getSaveFileName(parent, title, _Place.start(suggested), kinds)
    if chosen and ";;" in kinds and not Path(chosen).suffix:
        whole = Path(chosen + suffix_of(kind))
        # The dialog has asked about the name as it was typed.
        if str(whole) != chosen and whole.exists() and not ask_replace(parent, title, whole.name):
            return ""
        chosen = str(whole)
    return _Place.keep(chosen)


def suffix_of(kind: str) -> str:
    """The first suffix of one of Qt's name filters: ".png" of "Mask as PNG (*.png)", "" of "All files (*)"."""
    found = re.search(r"\(\*(\.\w+)", kind)
    return found[1] if found else ""


def ask_folder(parent: QWidget, title: str, folder: str = "") -> str:
    """A folder, "" when cancelled."""
    return QFileDialog.getExistingDirectory(parent, title, folder)


def ask_name(parent: QWidget, title: str, question: str, suggested: str = "") -> str:
    """A name, "" when cancelled."""
    words, given = QInputDialog.getText(parent, title, question, text=suggested)
    return words.strip() if given else ""


def ask_replace(parent: QWidget, title: str, name: str) -> bool:
    """Whether what is kept under this name may be replaced."""
    words = QCoreApplication.translate("Questions", "“{0}” exists already. Replace it?").format(name)
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    return QMessageBox.question(parent, title, words, yes | no, no) == yes


def kinds_of(*what: str) -> str:
    """The file kinds of a dialog by name: "text", "plain", "csv", "json"; every file may be shown, too."""
    tr = QCoreApplication.translate
    known = {
        "text": tr("Questions", "Text (*.txt *.csv)"),
        "plain": tr("Questions", "Text (*.txt)"),
        "csv": tr("Questions", "Tables (*.csv)"),
        "json": tr("Questions", "Recipes (*.json)"),
    }
    return ";;".join([*(known[one] for one in what), tr("Questions", "All files (*)")])
