"""The sweep: one photo at 10 to 90 % over several seeds, as a strip and as a curve, painted by a job."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QSpinBox, QVBoxLayout, QWidget

from desktop_app import theme
from desktop_app.panels import mask_words
from desktop_app.panels.mask_book import MaskBook
from desktop_app.panels.mask_engine import MaskEngine, Seen
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.mask_curve import MaskCurve
from desktop_app.widgets.mask_strip import MaskStrip, Shot
from desktop_app.widgets.section import ElidedLabel
from desktop_app.widgets.spin_box import roomy
from models.tasks.masking import RATIOS, SweepRequest

if TYPE_CHECKING:
    from desktop_app.work import Job
    from models.tasks.masking import Curve, SweepStep


class MaskSweep(QWidget):
    """Runs sweeps and shows them. One runs at a time; another photo or model puts its pictures away."""

    ratio_chosen = Signal(float)
    export_asked = Signal(str)  # "strip", "animation" or "numbers"
    curve_changed = Signal(object)  # Curve or None
    running_changed = Signal(bool)
    failed = Signal(object)  # UserError

    def __init__(self, session: Session, engine: MaskEngine, book: MaskBook) -> None:
        super().__init__()
        self._session, self._engine, self._book = session, engine, book
        self.steps: list[SweepStep] = []
        self._job: Job | None = None
        self._of: Seen | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 12, 8)
        column.setSpacing(8)
        column.addLayout(self._controls())
        self.strip = MaskStrip(RATIOS)
        self.strip.chosen.connect(self.ratio_chosen)
        column.addWidget(self.strip)
        words = self.tr(
            "The curve grows while the sweep runs: first every ratio once, then again with other seeds."
        )
        self.curve = MaskCurve(words)
        column.addWidget(self.curve, 1)
        self._show_state()

    def _controls(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.run_button = QPushButton()
        self.run_button.clicked.connect(self.toggle)
        self.seeds = roomy(QSpinBox())
        self.seeds.setRange(1, 12)
        self.seeds.setValue(3)
        self.seeds.setAccessibleName(self.tr("Seeds of the sweep"))
        label = QLabel(self.tr("S&eeds"))
        label.setBuddy(self.seeds)
        self.state = ElidedLabel()
        self.state.setProperty("role", "muted")
        self.state.setFont(theme.number_font())
        for widget in (self.run_button, label, self.seeds):
            row.addWidget(widget)
        row.addWidget(self.state, 1)
        self.save_button = QPushButton(self.tr("Save…"))
        menu = QMenu(self.save_button)
        for what, words in (
            ("strip", self.tr("The &Strip as PNG…")),
            ("animation", self.tr("An &Animation, GIF or WebP…")),
            ("numbers", self.tr("The &Numbers as CSV…")),
        ):
            menu.addAction(words, partial(self.export_asked.emit, what))
        self.save_button.setMenu(menu)
        row.addWidget(self.save_button)
        return row

    # --- running

    @property
    def running(self) -> bool:
        """Whether a sweep is under way."""
        return self._job is not None

    def toggle(self) -> None:
        """Run, or stop what runs; what has been painted stays."""
        if self._job is not None:
            self._job.cancel()
        else:
            self.run()

    def run(self) -> None:
        """Sweep the photo in focus with the present strategy and unit."""
        seen = self._engine.now
        if seen is None or self._job is not None:
            return
        self._forget_steps()
        self._of = seen
        recipe = self._book.recipe
        seeds = tuple(recipe.seed + i for i in range(self.seeds.value()))
        request = SweepRequest(seeds=seeds, strategy=recipe.strategy, unit=self._book.unit)
        title = self.tr("Sweep of {name}").format(name=seen.photo.path.name)
        self._job = self._session.work.start_job(
            title,
            partial(self._engine.studio.sweep, seen, request),
            on_batch=partial(self._came, seen),
            on_end=self._ended,
        )
        self._show_state()
        self.running_changed.emit(True)

    def show_for(self, seen: Seen | None) -> None:
        """Another photo or model: its sweep is still to be run."""
        same = seen is not None and self._of is not None
        if same and seen is not None and self._of is not None:
            same = seen.photo is self._of.photo and seen.model is self._of.model
        if not same and self._of is not None:
            if self._job is not None:
                self._job.cancel()
            self._forget_steps()
        self._show_state()

    def set_ratio(self, ratio: float) -> None:
        """Mark the present ratio."""
        self.strip.set_ratio(ratio)
        self.curve.set_ratio(ratio)

    def _forget_steps(self) -> None:
        self.steps, self._of = [], None
        self.strip.set_shots([])
        self._show_curve(None)

    def _came(self, seen: Seen, steps: "list[SweepStep]") -> None:
        from models.tasks.masking import curve

        if seen is not self._of:
            return
        self.steps += steps
        first = self.steps[0].seed
        shown = [step for step in self.steps if step.seed == first]
        if len(shown) != self.strip.count:
            self.strip.set_shots([_shot(step) for step in shown])
        self._show_curve(curve(self.steps))
        self._show_state()

    def _ended(self, job: "Job") -> None:
        self._job = None
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("The sweep stopped")))
        self._show_state()
        self.running_changed.emit(False)

    def _show_curve(self, found: "Curve | None") -> None:
        self.curve.set_curve(found)
        self.curve_changed.emit(found)

    def _show_state(self) -> None:
        self.run_button.setText(self.tr("Stop the Sweep") if self.running else self.tr("Run the Sweep"))
        self.run_button.setEnabled(self.running or self._engine.now is not None)
        words = ""
        if self.steps:
            last = self.steps[-1]
            words = self.tr("{done} of {total} pictures").format(done=last.done, total=last.total)
        elif not self.running:
            words = self.tr("Ten to ninety percent hidden, with as many seeds as you like.")
        self.state.set_words(words)
        self.save_button.setEnabled(bool(self.steps))


def _shot(step: "SweepStep") -> Shot:
    result = step.result
    return Shot.of(step.ratio, result.masked, result.pasted, mask_words.decibel(result.score.psnr))
