"""The list of jobs: progress, time left, and buttons to pause, go on, cancel."""

from dataclasses import dataclass
from time import monotonic
from typing import Any

from PySide6.QtCore import QCoreApplication, QPoint, Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QProgressBar, QToolButton, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.widgets.section import ElidedLabel, text
from desktop_app.work import Job, JobState, Work


@dataclass(frozen=True)
class Progress:
    """How far a job is: part in 0..1 (-1 where nobody knows) and words such as "120 of 300, 2 min left"."""

    part: float = -1.0
    words: str = ""


def progress_of(job: Job) -> Progress:
    """Read from the newest event that counts whatever it offers: done, total, and left_s or rate."""
    event: Any = job.progress
    done, total = getattr(event, "done", None), getattr(event, "total", None)
    if not isinstance(done, int) or not isinstance(total, int) or total <= 0:
        return Progress()
    words = QCoreApplication.translate("Jobs", "{done:,} of {total:,}").format(done=done, total=total)
    seconds = getattr(event, "left_s", None)
    rate = getattr(event, "rate", None)
    if seconds is None and isinstance(rate, (int, float)) and rate > 0:
        seconds = (total - done) / rate
    if isinstance(seconds, (int, float)) and seconds >= 1 and done < total:
        words += ", " + QCoreApplication.translate("Jobs", "{time} left").format(time=duration(seconds))
    return Progress(min(1.0, done / total), words)


def duration(seconds: float) -> str:
    """A length of time as one says it."""
    if seconds < 90:
        return QCoreApplication.translate("Jobs", "{0:.0f} s").format(seconds)
    if seconds < 5400:
        return QCoreApplication.translate("Jobs", "{0:.0f} min").format(seconds / 60)
    return QCoreApplication.translate("Jobs", "{0:.1f} h").format(seconds / 3600)


class JobList(QFrame):
    """A popup over the status bar; rows come and go with the jobs."""

    def __init__(self, work: Work, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self._work = work
        self._rows: dict[int, _Row] = {}
        self.setProperty("card", True)
        self.setFixedWidth(420)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(12, 12, 12, 12)
        self._column.setSpacing(12)
        self._empty = text(self.tr("No job is running. Labelling a folder and training are jobs."), "muted")
        self._column.addWidget(self._empty)

    def show_above(self, button: QWidget) -> None:
        """Open with its lower left corner at the button's upper left one."""
        self.adjustSize()
        self.move(button.mapToGlobal(QPoint(0, -self.height() - 4)))
        self.show()

    def job_changed(self, job: Job) -> None:
        """A job is new, has changed, or was forgotten."""
        row = self._rows.get(id(job))
        if job not in self._work.jobs:
            if row is not None:
                self._rows.pop(id(job)).deleteLater()
        elif row is None:
            self._rows[id(job)] = _Row(job, self._work)
            self._column.addWidget(self._rows[id(job)])
        else:
            row.refresh()
        self._empty.setVisible(not self._rows)
        self.adjustSize()

    def showEvent(self, event: object) -> None:
        for row in self._rows.values():
            row.refresh()
        self._timer = self.startTimer(500)

    def hideEvent(self, event: object) -> None:
        self.killTimer(self._timer)

    def timerEvent(self, event: object) -> None:
        for row in self._rows.values():
            row.refresh()


class _Row(QWidget):
    """One job."""

    def __init__(self, job: Job, work: Work) -> None:
        super().__init__()
        self._job, self._work, self._since = job, work, monotonic()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(4)
        self._title, self._words = ElidedLabel(job.title), QLabel()
        self._words.setProperty("role", "small")
        self._words.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._pause, self._cancel = QToolButton(), QToolButton()
        grid.addWidget(self._title, 0, 0)
        grid.addWidget(self._pause, 0, 1)
        grid.addWidget(self._cancel, 0, 2)
        grid.addWidget(self._bar, 1, 0, 1, 3)
        grid.addWidget(self._words, 2, 0, 1, 3)
        grid.setColumnStretch(0, 1)
        theme.current().keep_icon(self._cancel, "close")
        self._pause.clicked.connect(self._toggle_pause)
        self._cancel.clicked.connect(self._stop)
        self.refresh()

    def refresh(self) -> None:
        """Show the job as it is now."""
        state, progress = self._job.state, progress_of(self._job)
        words = {
            JobState.QUEUED: self.tr("waits for its turn"),
            JobState.PAUSED: self.tr("paused"),
            JobState.DONE: self.tr("done"),
            JobState.CANCELLED: self.tr("cancelled; what was finished is kept"),
            JobState.FAILED: self.tr("failed: {0}").format(self._job.error),
            JobState.INTERRUPTED: self.tr("interrupted"),
        }.get(state, "")
        said = [words, "" if state.ended else progress.words or duration(monotonic() - self._since)]
        self._words.setText(", ".join(filter(None, said)))
        running = state is JobState.RUNNING and progress.part < 0
        self._bar.setRange(0, 0 if running else 1000)
        self._bar.setValue(1000 if state is JobState.DONE else max(0, round(progress.part * 1000)))
        self._pause.setVisible(not state.ended)
        held = state is JobState.PAUSED
        self._pause.setIcon(theme.current().icon("play" if held else "pause"))
        self._pause.setToolTip(self.tr("Go on") if held else self.tr("Pause"))
        self._pause.setAccessibleName(self._pause.toolTip())
        self._cancel.setToolTip(self.tr("Take off the list") if state.ended else self.tr("Cancel"))
        self._cancel.setAccessibleName(self._cancel.toolTip())

    def _toggle_pause(self) -> None:
        if self._job.state is JobState.PAUSED:
            self._job.resume()
        else:
            self._job.pause()

    def _stop(self) -> None:
        if self._job.state.ended:
            self._work.forget_job(self._job)
        else:
            self._words.setText(self.tr("Cancelling…"))
            self._job.cancel()
