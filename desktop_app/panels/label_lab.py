"""The prompt lab: which template serves which label, and who is taken for whom; every cell opens its photos."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSplitter, QVBoxLayout, QWidget

from desktop_app import label_lab
from desktop_app.figures import percent
from desktop_app.label_lab import Trial, Truth
from desktop_app.panels import questions as ask
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.confusion_matrix import NumberTable
from desktop_app.widgets.section import text
from desktop_app.work import Job, Outcome


class PromptLab(QWidget):
    """Computes only while it is on screen; an edit or new photos ask anew."""

    failed = Signal(object)  # UserError
    photos_asked = Signal(object, str)  # places, and what they have in common

    def __init__(self, session: Session, engine: LabelEngine, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session, self._engine = session, engine
        self._active = False
        self._job: Job | None = None
        self._serial = 0
        self._table: Path | None = None
        self.trial: Trial | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        column.addLayout(self._heading())
        self.matrix = NumberTable(self.tr("Templates by labels"))
        self.confusion = NumberTable(self.tr("Confusion matrix"))
        self.matrix.opened.connect(self._open_cell)
        self.confusion.opened.connect(self._open_confused)
        self.split = QSplitter(Qt.Orientation.Vertical)
        self.split.setHandleWidth(1)
        self.split.setChildrenCollapsible(False)
        self._first, self._second = (
            QLabel(),
            QLabel(self.tr("Who is taken for whom: the truth down, the answer across")),
        )
        self._halves: list[QWidget] = []
        for title, table in ((self._first, self.matrix), (self._second, self.confusion)):
            title.setProperty("role", "small")
            title.setWordWrap(True)
            holder = QWidget()
            inner = QVBoxLayout(holder)
            inner.setContentsMargins(0, 4, 0, 4)
            inner.setSpacing(4)
            inner.addWidget(title)
            inner.addWidget(table, 1)
            self.split.addWidget(holder)
            self._halves.append(holder)
        column.addWidget(self.split, 1)
        engine.scored_changed.connect(self._stale)

    def _heading(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.source = text("", "")
        row.addWidget(self.source, 1)
        self.forget = QPushButton(self.tr("Use folder names"))
        self.forget.clicked.connect(self._forget_table)
        self.choose = QPushButton(self.tr("Truth from a table…"))
        self.choose.setToolTip(self.tr("A CSV with the columns path and label"))
        self.choose.clicked.connect(self._choose_table)
        row.addWidget(self.forget)
        row.addWidget(self.choose)
        return row

    # --- asking

    def set_active(self, active: bool) -> None:
        """On screen or not."""
        self._active = active
        if active:
            self.refresh()
        else:
            self._stop()

    def _stale(self) -> None:
        if self._active:
            self.refresh()

    def refresh(self) -> None:
        """Ask for the truth, then for the numbers."""
        self._stop()
        self._serial += 1
        state, photos = self._engine.book.state, list(self._session.photos)
        self.forget.setVisible(self._table is not None)
        if self._engine.model is None or not state.labels or not photos:
            self.source.setText(self.tr("The lab needs photos, labels and a model."))
            return
        root = Path(self._session.root_folder) if self._session.root_folder else None
        call = partial(label_lab.folder_truth, photos, self._session.roots, state)
        if self._table is not None:
            call = partial(label_lab.table_truth, photos, root, self._table, state)
        done = partial(self._truth_known, self._serial)
        self._session.work.latest("label-truth", call, done, lane="io")

    def _truth_known(self, serial: int, outcome: Outcome) -> None:
        if serial != self._serial or self._engine.model is None:
            return
        if outcome.error is not None:
            self._table = None
            self.failed.emit(as_user_error(outcome.error, self.tr("The truth could not be read")))
            self.refresh()
            return
        truth: Truth = outcome.value
        rows, have = self._engine.reader.folder.snapshot()
        truth = replace(truth, label=truth.label[: len(have)])
        asked = (self._engine.model, self._engine.book.state, self._engine.texts, rows, have, truth)
        self._job = self._session.work.start_job(
            self.tr("Trying templates"),
            partial(label_lab.trial, *asked),
            on_event=partial(self._tried, serial),
            on_end=partial(self._ended, serial),
        )

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None

    def _ended(self, serial: int, job: Job) -> None:
        self._session.work.forget_job(job)
        if serial == self._serial:
            self._job = None
            if job.error is not None:
                self.failed.emit(as_user_error(job.error, self.tr("The templates could not be tried")))

    # --- showing

    def _tried(self, serial: int, found: Trial) -> None:
        if serial == self._serial:
            self.trial = found
            self._show(found)

    def _show(self, found: Trial) -> None:
        known = found.truth.count
        total = len(found.truth.label)
        if known:
            where = self.tr("sub-folder names") if found.truth.source == "folders" else found.truth.source
            words = self.tr("The truth is known for {0:,} of {1:,} photos, from {2}.")
            right = self.tr("All templates together get {0} of them right.").format(percent(found.overall))
            told = self.tr("For {0:,} the table says that a model said so, and no person.")
            machine = told.format(found.truth.machine) if found.truth.machine else ""
            self.source.setText(" ".join(filter(None, (words.format(known, total, where), right, machine))))
            self._first.setText(
                self.tr("How often each template alone is right; a click shows what it gets wrong")
            )
        else:
            self.source.setText(
                self.tr(
                    "No sub-folder is named like a label, so these are mean similarities, not accuracies."
                )
            )
            self._first.setText(self.tr("Mean cosine of the photos that each template alone gives a label"))
        self._show_matrix(found, bool(known))
        self._halves[1].setVisible(bool(known))
        if known:
            self._show_confusion(found)

    def _show_matrix(self, found: Trial, known: bool) -> None:
        values = np.stack(
            [found.accuracy(line) if known else found.mean_cosine(line) for line in found.lines]
        )
        shades = values if known else _spread(values)
        words = [[_figure(value, known) for value in row] for row in values.tolist()]
        names = [line.name or self.tr("All together") for line in found.lines]
        columns = [*found.labels, self.tr("All")]
        tips = [
            [
                f"{name}\n{column}: {word or self.tr('no photo')}"
                for column, word in zip(columns, row, strict=True)
            ]
            for name, row in zip(names, words, strict=True)
        ]
        self.matrix.show_numbers(names, columns, shades.astype(np.float32), words, tips)

    def _show_confusion(self, found: Trial) -> None:
        counts = found.confusion()
        sums = counts.sum(axis=1, keepdims=True)
        # Nobody is there: no colour, so that the eye finds the mistakes.
        shades = np.where(counts > 0, counts / np.maximum(sums, 1), np.nan).astype(np.float32)
        words = [[str(count) if count else "" for count in row] for row in counts.tolist()]
        tip = self.tr("{0} of “{1}” are taken for “{2}”")
        tips = [
            [tip.format(count, found.labels[i], found.labels[j]) for j, count in enumerate(row)]
            for i, row in enumerate(counts.tolist())
        ]
        self.confusion.show_numbers(found.labels, found.labels, shades, words, tips)

    # --- opening photos, choosing the truth

    def _open_cell(self, row: int, column: int) -> None:
        found = self.trial
        if found is None:
            return
        places = found.photos_of(row, column)
        if len(places):
            label = found.labels[column] if column < len(found.labels) else self.tr("any label")
            name = found.lines[row].name or self.tr("All together")
            self.photos_asked.emit(places, self.tr("“{0}” under “{1}”").format(label, name))

    def _open_confused(self, row: int, column: int) -> None:
        found = self.trial
        if found is None:
            return
        places = found.confused(row, column)
        if len(places):
            words = self.tr("“{0}” taken for “{1}”").format(found.labels[row], found.labels[column])
            self.photos_asked.emit(places, words)

    def _choose_table(self) -> None:
        file = ask.ask_open(self, self.tr("Truth from a table"), ask.kinds_of("csv"))
        if file:
            self.take_table(Path(file))

    def take_table(self, path: Path) -> None:
        """Compare with this table from now on."""
        self._table = path
        self.refresh()

    def _forget_table(self) -> None:
        self._table = None
        self.refresh()


def _figure(value: float, known: bool) -> str:
    if value != value:
        return ""
    return percent(value) if known else f"{value:.3f}"


def _spread(values: Any) -> Any:
    """Means lie close together: shade them between the smallest and the largest."""
    there = values[~np.isnan(values)]
    if not len(there):
        return values  # no template was asked about any photo
    low, high = there.min(), there.max()
    return (values - low) / (high - low) if high > low else np.where(np.isnan(values), np.nan, 0.5)
