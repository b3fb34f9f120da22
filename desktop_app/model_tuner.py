"""Finds out in the background, once a model and machine, which engine and precision run a model fastest."""

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from desktop_app import paths
from desktop_app.work import JobState
from models.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from desktop_app.model_shelf import ModelShelf
    from desktop_app.notify import Notify
    from desktop_app.settings import Settings
    from desktop_app.work import Job, Outcome, Work
    from models.runtime import Model
    from models.spec import ModelSpec
    from models.tuning import Step

# Features are walked through in torch itself, whatever the engine: nothing would come of measuring them.
_RUN_BY_ENGINES = (Capability.ZERO_SHOT, Capability.MASKING)
_SECONDS = 1.0  # of measuring a candidate
_BATCH = 2  # small, because a slider waits for one run at most


class ModelTuner(QObject):
    """Begins when nothing else goes on, stands aside for every other job, and lets interactive calls in between runs.

    What it finds is used when the model is next opened: exchanging one under somebody's hands would help nobody.
    """

    def __init__(
        self, settings: "Settings", work: "Work", shelf: "ModelShelf", notify: "Notify", parent: QObject
    ) -> None:
        super().__init__(parent)
        self._settings, self._work, self._shelf, self._notify = settings, work, shelf, notify
        self._asked: set[tuple[str, str]] = set()  # folder and device
        self._asking = self._held = False
        self._job: Job | None = None
        self._gave_way: set[Job] = set()  # to these, since something else than measuring began
        if work.bridge is not None:
            work.bridge.idle.connect(self._go_on)
            work.bridge.job_changed.connect(self._stand_aside)
        for key in ("measure_models", "device", "precision", "engine"):
            settings.watch(key, lambda *_: self._begin_anew())

    @property
    def running(self) -> bool:
        """Whether a measurement is under way, or stands aside."""
        return self._job is not None

    def _wanted(self) -> bool:
        automatic = self._settings.engine == self._settings.precision == "auto"
        return bool(self._settings.measure_models) and automatic

    def _go_on(self) -> None:
        """Nothing else goes on now."""
        self._gave_way.clear()
        if self._job is not None:
            if self._held and self._job.pausing:
                self._job.resume()
            self._held = False
            return
        if self._asking or not self._wanted():
            return
        device = str(self._settings.device)
        for capability, model in self._shelf.loaded().items():
            key = str(model.spec.folder), device
            if capability in _RUN_BY_ENGINES and key not in self._asked:
                self._asked.add(key)
                self._asking = True
                ask = partial(_is_measured, model.spec, device)
                self._work.once(ask, partial(self._answered, model, device), lane="io")
                return

    def _answered(self, model: "Model", device: str, outcome: "Outcome") -> None:
        self._asking = False
        if outcome.error is not None or outcome.value or not self._wanted():
            return
        self._begin(model, device)

    def _begin(self, model: "Model", device: str) -> None:
        self._job = self._work.start_job(
            self.tr("Measuring how {model} runs fastest here").format(model=model.spec.title),
            _steps(model.spec, device, self._work),
            on_end=partial(self._ended, model),
            # Not in the queue of the jobs that use the device: labelling must not wait for a measurement to end.
            device=False,
        )

    def _stand_aside(self, job: "Job") -> None:
        """Another job begins, beside which nothing could be measured. Once for each: what a hand lets go on goes on."""
        if self._job is None:
            return
        if not self._job.pausing:
            self._held = False  # a person lets it go on, or it was never held
        active = job.state in (JobState.QUEUED, JobState.RUNNING)
        if job is self._job or not active or job in self._gave_way:
            return
        self._gave_way.add(job)
        if not self._job.pausing:
            self._held = True
            self._job.pause()

    def _begin_anew(self) -> None:
        """Other settings: what is under way is of no use, and what was turned off may be wanted again."""
        self._asked.clear()
        if self._job is not None:
            self._job.cancel()

    def _ended(self, model: "Model", job: "Job") -> None:
        self._job, self._held = None, False
        self._gave_way.clear()
        title = model.spec.title
        choice = job.last.choice if job.state is JobState.DONE else None
        if job.error is not None:
            self._notify.info(self.tr("{model} could not be measured").format(model=title), str(job.error))
        elif choice is not None and (choice.engine, choice.precision) != (model.engine, model.precision):
            words = self.tr("{model} runs fastest with {engine} in {precision}: from the next start")
            self._notify.info(words.format(model=title, engine=choice.engine, precision=choice.precision))
        self._work.forget_job(job)


def _is_measured(spec: "ModelSpec", device: str) -> bool:
    from models.tuning import is_measured

    return is_measured(spec, device=device, cache=paths.cache_dir())


def _steps(spec: "ModelSpec", device: str, work: "Work") -> "Callable[[], Iterator[Step]]":
    def make() -> "Iterator[Step]":
        from models import tuning

        return tuning.steps(
            spec, device=device, cache=paths.cache_dir(), seconds=_SECONDS, batch=_BATCH, turn=work.turn
        )

    return make
