"""Export as CSV: a dialog with a preview of the first lines, the job that writes, and the list of what was skipped."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from desktop_app import label_csv, theme
from desktop_app.label_csv import Exporting
from desktop_app.panels import questions as ask
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.message_bar import MessageBar
from desktop_app.widgets.section import as_tip, text
from desktop_app.work import Job, JobState, Outcome
from models.errors import UserError
from models.tasks.export import CsvOptions, Preview, common_base


class ExportDialog(QDialog):
    """Shows what will be written; every option shows at once what it does."""

    asked = Signal()  # options changed: a new preview is wanted
    save_asked = Signal()

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Export as CSV"))
        self.resize(820, 480)
        self._session = session
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.setSpacing(12)
        self.summary = text("", "muted")
        column.addWidget(self.summary)
        row = QHBoxLayout()
        row.setSpacing(16)
        values = session.settings
        self.only_shown = QCheckBox(self.tr("Only the photos shown now"))
        self.only_shown.setEnabled(session.view.narrowed)
        self.long = QCheckBox(self.tr("One line for each photo and label"))
        self.absolute = QCheckBox(self.tr("Whole paths"))
        self.absolute.setChecked(bool(values.csv_absolute))
        self.bom = QCheckBox(self.tr("For Excel"))
        self.bom.setToolTip(self.tr("A byte-order mark, without which Excel misreads accents"))
        self.bom.setChecked(bool(values.csv_bom))
        for box in (self.only_shown, self.long, self.absolute, self.bom):
            box.toggled.connect(self.asked)
            row.addWidget(box)
        row.addStretch(1)
        column.addLayout(row)
        self.table = QTableWidget()
        self.table.setAccessibleName(self.tr("The first lines"))
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.verticalHeader().hide()
        self.table.setWordWrap(False)
        self.table.setFont(theme.number_font(12))
        column.addWidget(self.table, 1)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.save = QPushButton(self.tr("Write the file…"))
        self.save.setProperty("primary", True)
        self.save.setDefault(True)
        self.buttons.addButton(self.save, QDialogButtonBox.ButtonRole.ActionRole)
        self.save.clicked.connect(self.save_asked)
        self.buttons.rejected.connect(self.reject)
        column.addWidget(self.buttons)

    def photos(self) -> list[str]:
        """The photos that will be written, in the order shown."""
        session = self._session
        if self.only_shown.isChecked() or not session.view.narrowed:
            return [session.photos[int(place)] for place in session.shown]
        return list(session.photos)

    def options(self) -> CsvOptions:
        """How they will be written."""
        base = None if self.absolute.isChecked() else self._base()
        return CsvOptions(long=self.long.isChecked(), bom=self.bom.isChecked(), base=base)

    def _base(self) -> Path | None:
        return common_base([self._session.root_folder or self._session.photos.root()])

    def base_words(self) -> str:
        """Where the paths start, which none of them says by itself."""
        if self.absolute.isChecked():
            return self.tr("whole paths")
        base = self._base()
        if base is None:
            return self.tr("whole paths, since the photos have no folder in common")
        if Path(self._session.photos.root()).is_relative_to(base):
            return self.tr("paths start at {0}").format(base)
        return self.tr("paths start at {0}, those of photos elsewhere are whole").format(base)

    def remember(self) -> None:
        """Keep the dialect for the next time."""
        values = self._session.settings
        values.csv_bom, values.csv_absolute = self.bom.isChecked(), self.absolute.isChecked()

    def show_preview(self, found: Preview) -> None:
        """Cells as they will stand in the file."""
        self.table.setColumnCount(len(found.columns))
        self.table.setRowCount(len(found.cells))
        self.table.setHorizontalHeaderLabels(list(found.columns))
        for row, cells in enumerate(found.cells):
            for place, words in enumerate(cells):
                item = QTableWidgetItem(words)
                item.setToolTip(as_tip(words))
                self.table.setItem(row, place, item)
        self.table.resizeColumnsToContents()
        for place in range(len(found.columns)):
            self.table.setColumnWidth(place, min(self.table.columnWidth(place), 220))


class ExportAsk(QObject):
    """Opens the dialog, keeps its preview fresh, and writes as a job."""

    failed = Signal(object)  # UserError

    def __init__(
        self, session: Session, engine: LabelEngine, messages: MessageBar, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._messages = session, engine, messages
        self._written = ""
        messages.action_clicked.connect(lambda: show_folder(self._written))
        self.dialog: ExportDialog | None = None

    def open(self, window: QWidget) -> None:
        """Show the dialog over the window."""
        if not len(self._session.photos) or self._engine.model is None or not self._engine.book.state.labels:
            cure = self.tr("Open photos and add a label first.")
            self.failed.emit(UserError(self.tr("There is nothing to export yet"), "", cure))
            return
        self.dialog = ExportDialog(self._session, window)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialog.asked.connect(self._ask_preview)
        self.dialog.save_asked.connect(self._ask_where)
        self.dialog.destroyed.connect(self._closed)
        self._ask_preview()
        self.dialog.open()
        self.dialog.save.setFocus()

    def _closed(self) -> None:
        self.dialog = None

    def _ask_preview(self) -> None:
        dialog, model = self.dialog, self._engine.model
        if dialog is None or model is None:
            return
        photos = dialog.photos()
        waiting = self._engine.reader.waiting
        words = [self.tr("{0:,} photos").format(len(photos))]
        if waiting:
            words.append(self.tr("{0:,} of the open ones are looked at first").format(waiting))
        words.append(dialog.base_words())
        words.append(self.tr("cells that a spreadsheet would run as a formula get an apostrophe"))
        dialog.summary.setText(", ".join(words) + ".")
        dialog.save.setEnabled(bool(photos))
        asked = (
            self._session.catalog,
            model,
            self._engine.recipe(),
            self._engine.texts,
            photos,
            dialog.options(),
        )
        self._session.work.latest(
            "label-preview", partial(label_csv.preview_of, *asked), self._previewed, lane="model"
        )

    def _previewed(self, outcome: Outcome) -> None:
        if self.dialog is None:
            return
        if outcome.error is not None:
            self.dialog.summary.setText(str(as_user_error(outcome.error, self.tr("The preview failed"))))
        else:
            self.dialog.show_preview(outcome.value)

    def _ask_where(self) -> None:
        dialog, model = self.dialog, self._engine.model
        if dialog is None or model is None:
            return
        file = ask.ask_save(dialog, self.tr("Write the table"), ask.kinds_of("csv"), self._suggested())
        if not file:
            return
        dialog.remember()
        photos, options = dialog.photos(), dialog.options()
        dialog.accept()
        self.write(photos, Path(file), options)

    def _suggested(self) -> str:
        name = os.path.basename(self._session.root_folder.rstrip(os.sep))
        return f"{name or 'labels'}.csv"

    def write(self, photos: list[str], path: Path, options: CsvOptions) -> None:
        """Write in the background; the message bar says where, or `failed` why not."""
        model = self._engine.model
        if model is None:
            return
        work, recipe = self._session.work, self._engine.recipe()
        asked = (work.taking_turns(model), recipe, self._engine.texts, photos, path, options)
        call = partial(label_csv.export, self._session.catalog, *asked)
        work.start_job(self.tr("Exporting"), call, on_end=self._wrote, gated=False)

    def _wrote(self, job: Job) -> None:
        self._session.work.forget_job(job)
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("The table could not be written")))
        elif job.state is JobState.DONE and isinstance(job.last, Exporting):
            self._written = job.last.path
            words, lines = self.tr("Written: {0}"), self.tr("{0:,} lines")
            self._messages.show_message(
                words.format(job.last.path),
                lines.format(job.last.lines),
                "info",
                self.tr("Show in folder"),
            )

    def show_reasons(self, skipped: list[tuple[str, str]]) -> None:
        """What could not be read, and why, as text that can be copied."""
        parent = self.parent()
        dialog = QDialog(parent.window() if isinstance(parent, QWidget) else None)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setWindowTitle(self.tr("Not readable: {0:,}").format(len(skipped)))
        dialog.resize(720, 400)
        column = QVBoxLayout(dialog)
        column.setContentsMargins(16, 16, 16, 16)
        words = "\n".join(f"{path}\n    {reason}" for path, reason in skipped)
        view = QPlainTextEdit(words)
        view.setReadOnly(True)
        view.setAccessibleName(self.tr("Why skipped"))
        column.addWidget(view)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = QPushButton(self.tr("Copy"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(words))
        buttons.addButton(copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(dialog.close)
        column.addWidget(buttons)
        dialog.open()


Opener = Callable[[QUrl], bool]


def show_folder(path: str, opener: Opener = QDesktopServices.openUrl) -> None:
    """Open the folder of a file in the system's file manager."""
    opener(QUrl.fromLocalFile(os.path.dirname(os.path.abspath(path))))
