"""The status bar: what is running, what was said; at the right the model, its precision, and the device in use."""

from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QStatusBar, QWidget

from desktop_app import theme
from desktop_app.notify import Level, Message
from desktop_app.session import Session
from desktop_app.widgets.job_list import JobList, progress_of
from desktop_app.widgets.section import ElidedLabel, text
from desktop_app.work import Job, JobState

_SHOW_WAITING_AFTER = 400  # ms: what is done sooner needs no spinner
_MESSAGE_FOR = 12_000  # ms


class StatusBar(QStatusBar):
    """Listens to work, shelf and notify; says nothing it has not heard from them."""

    said = Signal(str)  # a message as it stands in the bar, "" when it has gone

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._capability = ""
        self.setSizeGripEnabled(False)
        self._jobs = QPushButton()
        self._jobs.setObjectName("statusJobs")
        self._jobs.setProperty("flat", True)
        self._jobs.setToolTip(self.tr("Show the list of jobs"))
        self._jobs.clicked.connect(self.show_jobs)
        self._bar = QProgressBar()
        self._bar.setFixedWidth(120)
        self._bar.setTextVisible(False)
        self._message = ElidedLabel()
        self._message.setObjectName("statusMessage")
        left = self._left = QWidget()
        row = QHBoxLayout(left)
        row.setContentsMargins(8, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self._bar)
        row.addWidget(self._jobs)
        row.addWidget(self._message, 1)
        self.addWidget(left, 1)
        self._model = text("")
        self._model.setWordWrap(False)
        # Why it is not the device that was asked for is a whole sentence: shortened, with the rest in the tip.
        self._device = ElidedLabel(fill=False)
        for label in (self._model, self._device):
            self.addPermanentWidget(label)
        self._list = JobList(session.work, self)
        self._waiting = QTimer(self, singleShot=True, interval=_SHOW_WAITING_AFTER)
        self._waiting.timeout.connect(self._show_running)
        self._fading = QTimer(self, singleShot=True, interval=_MESSAGE_FOR)
        self._fading.timeout.connect(lambda: self._show_message(""))
        self._watch()
        self._say_model()
        self._show_running()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        # The bar is as high with a job as without: a job that begins must not move everything above it.
        self._left.setMinimumHeight(self._jobs.sizeHint().height())
        self._device.setMaximumWidth(self.width() // 2)  # what runs, and what is said, needs the rest

    def _watch(self) -> None:
        session = self._session
        undo = [
            session.work.watch(self._job_changed),
            session.notify.listen(lambda message: session.work.post(lambda: self.say(message))),
        ]
        self.destroyed.connect(lambda: [forget() for forget in undo])
        session.shelf.loading_changed.connect(self._running_changed)
        session.shelf.loading_changed.connect(self._say_model)
        session.device_changed.connect(self._say_model)
        session.reading_changed.connect(self._running_changed)
        # The events of a job carry its progress; its state changes alone would leave the bar standing.
        self._tick = QTimer(self, interval=250)
        self._tick.timeout.connect(self._show_running)

    def say(self, message: Message) -> None:
        """Show what the program tells; errors stay until something newer is said."""
        self._show_message(str(message))
        self._message.setProperty(
            "role", {Level.ERROR: "error", Level.WARN: "warn"}.get(message.level, "muted")
        )
        theme.restyle(self._message)
        if message.level is Level.INFO:
            self._fading.start()
        else:
            self._fading.stop()

    def _show_message(self, words: str) -> None:
        self._message.set_words(words)
        self.said.emit(words)

    @property
    def message(self) -> str:
        """What is said now."""
        return self._message.words

    @property
    def device_words(self) -> str:
        """What stands at the right."""
        return " ".join(filter(None, (self._model.text(), self._device.words)))

    def show_jobs(self) -> None:
        """Open the list of jobs above the bar."""
        self._list.show_above(self._jobs)

    # --- what runs

    def _job_changed(self, job: Job) -> None:
        self._list.job_changed(job)
        self._show_running()

    def _running_changed(self, *_: object) -> None:
        if self._activity() is None:
            self._show_running()
        else:
            self._waiting.start()

    def _activity(self) -> tuple[str, float] | None:
        """Words and progress (-1 unknown) of the most important thing that goes on."""
        session = self._session
        running = [job for job in session.work.jobs if job.state in (JobState.RUNNING, JobState.QUEUED)]
        if running:
            progress = progress_of(running[0])
            words = f"{running[0].title}  {progress.words}".strip()
            if len(running) > 1:
                words = self.tr("{words}, {more} more").format(words=words, more=len(running) - 1)
            return words, progress.part
        for loading in session.shelf.loading.values():
            return loading.words, loading.done
        if session.reading:
            return self.tr("Reading the folder…"), -1.0
        return None

    def _show_running(self) -> None:
        now = self._activity()
        paused = sum(job.state is JobState.PAUSED for job in self._session.work.jobs)
        self._bar.setVisible(now is not None)
        self._jobs.setVisible(now is not None or bool(self._session.work.jobs))
        if now is None:
            self._tick.stop()
            self._jobs.setText(self.tr("{n} paused").format(n=paused) if paused else self.tr("Jobs"))
            return
        if not self._tick.isActive():
            self._tick.start()
        words, part = now
        self._jobs.setText(words)
        self._bar.setRange(0, 0 if part < 0 else 1000)
        if part >= 0:
            self._bar.setValue(round(part * 1000))

    # --- what really runs

    def show_model_of(self, capability: str) -> None:
        """Speak of the model of the panel on screen."""
        self._capability = capability
        self._say_model()

    def _say_model(self) -> None:
        shelf = self._session.shelf
        model: Any = shelf.ready(self._capability) if self._capability else None
        error = shelf.error(self._capability) if self._capability else None
        warn, tip = False, ""
        if model is not None:
            self._model.setText(f"{model.spec.title}, {model.precision}")
            device = (
                self.tr("on the processor")
                if model.device == "cpu"
                else self.tr("on {0}").format(model.device)
            )
            warn, tip = bool(model.note), str(model.note)
            self._device.set_words(f"{device}: {model.note}" if warn else device)
        elif error is not None:
            self._model.setText("")
            words = self.tr("{0} could not be opened")
            self._device.set_words(words.format(self._session.model_name(self._capability)))
            warn, tip = True, str(error)
        else:
            loading = self._capability in shelf.loading
            self._model.setText("")
            self._device.set_words(self.tr("model is opening…") if loading else "")
        self._device.setProperty("warn", warn)
        self._device.setToolTip(tip or self._device.words)
        theme.restyle(self._device)
