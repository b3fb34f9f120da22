"""Under the grid: label the whole folder, see how far it is, stop it, take it back."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from desktop_app.widgets.flow_layout import FlowLayout
from desktop_app.widgets.job_list import duration
from desktop_app.widgets.section import ElidedLabel, text


@dataclass(frozen=True)
class Summary:
    """How a run ended, in photos."""

    labelled: int = 0
    unsure: int = 0
    unknown: int = 0
    skipped: int = 0
    kept: int = 0
    other: int = 0  # of those kept, the answers to another question
    stopped: bool = False


class JobBar(QFrame):
    """Shows one of four things: the offer, the run, its end, or a run of an earlier day that can go on."""

    start_asked = Signal(bool)  # only what is new
    pause_asked = Signal()
    cancel_asked = Signal()
    reasons_asked = Signal()
    retry_asked = Signal()
    rollback_asked = Signal()
    resume_asked = Signal()
    discard_asked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("stripFrame")
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(6)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Labelling"))
        column.addWidget(self.progress)
        self._summary = text("")
        column.addWidget(self._summary)
        self.start = self._button(self.tr("Label this folder"), self._started)
        self.again = self._button(self.tr("Ask about them too"), lambda: self.start_asked.emit(False))
        self.again.setToolTip(self.tr("Label the whole folder with what is asked now"))
        self.only_new: QCheckBox = QCheckBox(self.tr("Only new photos"))
        self.only_new.setToolTip(
            self.tr("Leave photos alone that were labelled before, whatever was asked then")
        )
        self._words = ElidedLabel()
        self._words.setProperty("role", "muted")
        self._done = QLabel()
        self.reasons = self._button(self.tr("Why skipped"), self.reasons_asked.emit)
        self.retry = self._button(self.tr("Try again"), self.retry_asked.emit)
        self.rollback = self._button(self.tr("Take back"), self.rollback_asked.emit)
        self.rollback.setToolTip(
            self.tr(
                "Remove what this run said about photos that nobody confirmed; what was kept before holds again"
            )
        )
        self.pause = self._button(self.tr("Pause"), self.pause_asked.emit)
        self.cancel = self._button(self.tr("Cancel"), self._cancelled)
        self.resume = self._button(self.tr("Go on"), self.resume_asked.emit)
        self.discard = self._button(self.tr("Forget it"), self.discard_asked.emit)
        self._hint = ElidedLabel(fill=False)
        self._hint.setProperty("role", "muted")
        column.addWidget(self._still())
        column.addWidget(self._going())
        self.show_offer(0)

    def _still(self) -> QWidget:
        """What can be done while nothing runs; where the window is narrow, in two lines."""
        holder = QWidget()
        flow = FlowLayout(holder)
        for widget in (self.start, self.again, self.only_new, self._hint, self.reasons, self.retry,
                       self.rollback):  # fmt: skip
            flow.addWidget(widget)
        self._still_row = holder
        return holder

    def _going(self) -> QWidget:
        holder = QWidget()
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self._done)
        row.addWidget(self._words, 1)
        for button in (self.pause, self.cancel, self.resume, self.discard):
            row.addWidget(button)
        self._going_row = holder
        return holder

    def _button(self, words: str, call: Callable[[], object]) -> QPushButton:
        button = QPushButton(words)
        button.clicked.connect(lambda: call())
        return button

    def _show_only(self, *shown: QWidget) -> None:
        self._summary.setVisible(self.rollback in shown or self.resume in shown)
        self._hint.setVisible(self.start in shown and self.rollback not in shown)
        going = self.cancel in shown or self.resume in shown
        self._going_row.setVisible(going)
        self._still_row.setVisible(not going)
        every = (self.progress, self.start, self.again, self.only_new, self._done, self.reasons, self.retry,
                 self.rollback, self.pause, self.cancel, self.resume, self.discard)  # fmt: skip
        for widget in every:
            widget.setVisible(widget in shown)

    # --- what is shown

    def show_offer(self, photos: int, why_not: str = "") -> None:
        """Nothing runs: offer it, or say why it cannot be."""
        self._show_only(self.start, self.only_new)
        self.allow(photos, why_not)
        self._hint.set_words(why_not or self.tr("Your own decisions stay."))

    def allow(self, photos: int, why_not: str = "") -> None:
        """Whether a run may begin, whatever is shown; the reason why not stands on the button too."""
        for button in (self.start, self.again, self.retry):
            button.setEnabled(photos > 0 and not why_not)
        self.start.setToolTip(why_not)

    def show_run(
        self, done: int, total: int, rate: float, left: float | None, name: str, *, paused: bool
    ) -> None:
        """How far the run is."""
        self._show_only(self.progress, self._done, self.pause, self.cancel)
        self.progress.setRange(0, max(total, 1))
        self.progress.setValue(done)
        self._done.setText(self.tr("{0:,} of {1:,}").format(done, total))
        self.pause.setText(self.tr("Go on") if paused else self.tr("Pause"))
        self.cancel.setEnabled(True)
        self.cancel.setText(self.tr("Cancel"))
        parts = [self.tr("paused")] if paused else []
        if rate > 0 and not paused:
            parts.append(
                self.tr("{0} photos a second").format(f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}")
            )
        if left is not None and done < total and not paused:
            parts.append(self.tr("{0} left").format(duration(left)))
        self._words.set_words("  ·  ".join(filter(None, (*parts, name))))

    def show_end(self, summary: Summary, place: str = "") -> None:
        """What became of the photos; `place` says of which, where other photos are open too."""
        shown: list[QWidget] = [self.again] if summary.other else [self.start, self.only_new]
        shown.append(self.rollback)
        if summary.skipped:
            shown += [self.reasons, self.retry]
        self._show_only(*shown)
        self._summary.setText(self.end_words(summary, place))

    def end_words(self, summary: Summary, place: str = "") -> str:
        """What became of the photos (of `place`), in words."""
        counts = (
            (self.tr("{0:,} labelled"), summary.labelled),
            (self.tr("{0:,} unsure"), summary.unsure),
            (self.tr("{0:,} unknown"), summary.unknown),
            (self.tr("{0:,} skipped"), summary.skipped),
            (self.tr("{0:,} left as they were"), summary.kept),
        )
        said = [words.format(count) for words, count in counts if count]
        if summary.stopped:
            said.insert(0, self.tr("stopped"))
        words = ", ".join(said) or self.tr("There was nothing to label.")
        if summary.other:
            asked = self.tr(
                "Of these, {0:,} keep an answer to other labels, templates or bars, or of another model."
            )
            words = f"{words}. {asked.format(summary.other)}"
        return f"“{place}”: {words}" if place else words

    def show_resumable(self, place: str, done: int, total: int) -> None:
        """A run of an earlier day over `place` did not end."""
        self._show_only(self.resume, self.discard)
        self._words.set_words("")
        self._summary.setText(
            self.tr("Labelling “{0}” was interrupted at {1:,} of {2:,} photos.").format(place, done, total)
            if total
            else self.tr("Labelling “{0}” was interrupted before it had begun.").format(place)
        )

    def show_rolled_back(self, photos: int) -> None:
        """The run was taken back."""
        self._show_only(self.start, self.only_new)
        self._hint.set_words(self.tr("Taken back for {0:,} photos.").format(photos))

    @property
    def words(self) -> str:
        """What is said now."""
        if self._summary.isVisibleTo(self):
            return self._summary.text()
        return self._hint.words if self._still_row.isVisibleTo(self) else self._words.words

    def _started(self) -> None:
        self.start_asked.emit(self.only_new.isChecked())

    def _cancelled(self) -> None:
        self.cancel.setEnabled(False)
        self.cancel.setText(self.tr("Cancelling…"))
        self.cancel_asked.emit()
