"""Saving what is on screen: a question for the name, the writing on the io lane, the answer in words."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtWidgets import QWidget

from desktop_app.panels import questions
from desktop_app.session import Session, as_user_error
from models.errors import DataError

if TYPE_CHECKING:
    from desktop_app.work import Outcome


class FileSaver(QObject):
    """Remembers the folder from one question to the next."""

    saved = Signal(str)  # path
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self._session, self._widget = session, parent
        self._folder = ""

    @property
    def folder(self) -> str:
        """Where a question begins: the folder of the last answer, else that of the photos, else home."""
        return self._folder or str(self._session.settings.last_folder) or str(Path.home())

    def remember(self, path: Path) -> None:
        """A file of this folder was chosen elsewhere."""
        self._folder = str(path.parent)

    def save(self, words: str, name: str, suffix: str, kinds: str, write: Callable[[Path], None]) -> None:
        """Ask for a file and let `write` make it on the io lane.

        `words` are those of the menu, `name` + `suffix` is proposed, `kinds` are Qt's name filters.
        """
        title = words.replace("&", "").rstrip("…")
        chosen = questions.ask_save(self._widget, title, kinds, str(Path(self.folder) / f"{name}{suffix}"))
        if not chosen:
            return
        named = bool(Path(chosen).suffix)
        path = Path(chosen) if named else Path(chosen + suffix)
        self.remember(path)
        call = partial(_write, write, path, replaces=named)
        self._session.work.once(call, partial(self._written, path), lane="io", must=True)

    def _written(self, path: Path, outcome: "Outcome") -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The file could not be written")))
        else:
            self._session.notify.info(self.tr("Saved as {path}").format(path=path))
            self.saved.emit(str(path))


def _write(write: Callable[[Path], None], path: Path, *, replaces: bool) -> None:
    """Where the suffix was added here, nobody was asked whether the file of that name may be replaced."""
    if not replaces and path.exists():
        words = QCoreApplication.translate("FileSaver", "{name} is already there")
        cure = QCoreApplication.translate("FileSaver", "Choose that very name to replace it, or another one.")
        raise DataError(words.format(name=path.name), "", cure)
    write(path)
