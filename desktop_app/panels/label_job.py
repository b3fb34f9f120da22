"""Labelling the open folder as a job: the journal, the bar under the grid, its end, taking it back, going on."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from desktop_app import label_recipe
from desktop_app.labelling import Labeller, Recipe
from desktop_app.panels.label_engine import LabelEngine
from desktop_app.panels.label_unfinished import KIND, Interrupted, unfinished_runs
from desktop_app.session import Session, as_user_error
from desktop_app.widgets.label_job_bar import JobBar, Summary
from desktop_app.work import Job, JobRecord, JobState, Outcome
from models.errors import UserError
from models.spec import Capability
from models.tasks.auto_label import Config, Event, Finished, Labelled, Progress, Skipped, Started, Stored


class LabelJob(QObject):
    """Starts, follows and ends the job; the quiet embedding job rests meanwhile.

    What a run did, and one that was interrupted, is shown where its photos are open, and not over those of another
    folder.
    """

    failed = Signal(object)  # UserError
    ended = Signal()
    reasons_asked = Signal(list)  # (path, reason) of what was skipped

    def __init__(
        self, session: Session, engine: LabelEngine, bar: JobBar, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._engine, self._bar = session, engine, bar
        self._job: Job | None = None
        self._run = ""
        self._paths: tuple[str, ...] = ()  # what the last run is about
        self._tally = Counter[str]()
        self._kept = self._other = 0
        self._paused = False
        self._progress = Progress(0, 0, 0.0, None, None)
        self._skipped: list[tuple[str, str]] = []
        self._unstored: list[int] = []  # places that are answered, but cannot be looked up yet
        self._interrupted: list[Interrupted] = []  # the newest last
        self._tell_end: Callable[[], None] | None = None  # how the last run ended, or that it was taken back
        engine.book.listen(lambda step: self.offer())  # without a label there is nothing to ask
        bar.start_asked.connect(self.start)
        bar.pause_asked.connect(self.toggle_pause)
        bar.cancel_asked.connect(self.cancel)
        bar.retry_asked.connect(self.retry)
        bar.rollback_asked.connect(self.roll_back)
        bar.resume_asked.connect(self.resume)
        bar.discard_asked.connect(self.discard)
        bar.reasons_asked.connect(lambda: self.reasons_asked.emit(list(self._skipped)))

    def wake(self) -> None:
        """Look for a run that was interrupted."""
        self._session.work.once(
            partial(unfinished_runs, self._session.work), self._found_unfinished, lane="io"
        )

    @property
    def running(self) -> bool:
        """True while a run goes on, paused or not."""
        return self._job is not None and not self._job.state.ended

    def offer(self) -> None:
        """Show how the run goes, or what it did, or what can be done now."""
        if self.running:
            self._show()
            return
        why = ""
        if self._session.shelf.error(Capability.ZERO_SHOT) is not None:
            words = self.tr("{0} could not be opened: choose another model at the right.")
            why = words.format(self._session.model_name(Capability.ZERO_SHOT))
        elif self._engine.model is None:
            why = self.tr("The model opens…")
        if not self._engine.book.state.labels:
            why = self.tr("Add a label first.")
        found = self._offered()
        if self._tell_end is not None and self._is_open(self._paths):
            self._tell_end()
        elif found is not None:
            self._bar.show_resumable(_name(found.paths), found.done, found.total)
        else:
            self._bar.show_offer(len(self._session.photos), why)
        self._bar.allow(len(self._session.photos), why)

    def _is_open(self, paths: tuple[str, ...]) -> bool:
        """Whether all of these files and folders are open, alone or among others."""
        roots = tuple(os.path.join(root, "") for root in self._session.roots)
        return bool(paths) and all(os.path.join(path, "").startswith(roots) for path in paths)

    def _elsewhere(self, paths: tuple[str, ...]) -> str:
        """What these are called, "" where exactly they are open."""
        return "" if paths == self._session.roots else _name(paths)

    def _offered(self) -> Interrupted | None:
        return next((one for one in reversed(self._interrupted) if self._is_open(one.paths)), None)

    # --- starting

    def start(self, only_new: bool = False) -> None:
        """Label every open place, or only what is new there."""
        roots = tuple(map(Path, self._session.roots))
        if roots and not self.running and self._engine.book.state.labels:
            recursive = bool(self._session.settings.recursive)
            self._begin(Config(roots, recursive, only_new=only_new), self._engine.recipe(), None)

    def retry(self) -> None:
        """Label what the last run could not read: named one by one, for a mended file no longer counts as skipped."""
        paths = tuple(Path(path) for path, _ in self._skipped)
        if paths and not self.running and self._engine.book.state.labels:
            recursive = bool(self._session.settings.recursive)
            self._begin(Config(paths, recursive), self._engine.recipe(), None)

    def resume(self) -> None:
        """Go on with the interrupted run, asking what it asked."""
        found = self._offered()
        if found is None:
            return
        about = found.record.config
        try:
            recipe = label_recipe.from_text(str(about["recipe"]), self.tr("The interrupted run"))
        except (UserError, KeyError) as error:
            self.failed.emit(as_user_error(error, self.tr("The run cannot go on")))
            self.discard()
            return
        flags = {name: bool(about.get(name)) for name in ("only_new", "retry_skipped")}
        paths = tuple(map(Path, found.paths))
        self._begin(Config(paths, bool(about.get("recursive", True)), **flags), recipe, found)

    def _begin(self, config: Config, recipe: Recipe, resumed: Interrupted | None) -> None:
        model = self._engine.model
        if model is None:
            cure = self.tr("Wait until it is, then try again.")
            self.failed.emit(UserError(self.tr("The model is not loaded yet"), "", cure))
            return
        self._engine.reader.hold(True)
        self._tally, self._skipped, self._unstored = Counter[str](), [], []
        self._kept = self._other = 0
        self._tell_end, self._paused = None, False
        self._paths = resumed.paths if resumed else self._session.roots
        self._interrupted = [one for one in self._interrupted if one is not resumed]
        self._run = str(resumed.record.config.get("run", "")) if resumed else _new_run()
        about = {
            "paths": [str(path) for path in config.paths],
            "recursive": config.recursive,
            "only_new": config.only_new,
            "retry_skipped": config.retry_skipped,
            "recipe": label_recipe.to_text(recipe),
            "run": self._run,
        }
        turns = self._session.work.taking_turns(model)
        call = partial(_events, self._session.catalog, turns, recipe, self._engine.texts, config, self._run)
        self._job = self._session.work.start_job(
            self.tr("Labelling"),
            call,
            on_batch=self._happened,
            on_end=self._ended,
            kind=KIND,
            config=about,
            resume=resumed.record if resumed else None,
            gated=False,
        )
        self._show()

    # --- while it runs

    def _happened(self, events: list[Event]) -> None:
        stored: list[int] = []
        for event in events:
            if isinstance(event, Progress):
                self._progress = event
            elif isinstance(event, Started):
                self._progress = Progress(0, event.total, 0.0, None, None)
            elif isinstance(event, Skipped):
                self._skipped.append((str(event.path), event.reason))
                self._session.report_failure(str(event.path), UserError(event.reason))
            elif isinstance(event, Labelled):
                self._tally[event.verdict.decision] += 1
                if not event.cached:
                    self._unstored.append(self._labelled(str(event.path)))
            elif isinstance(event, Stored):
                stored, self._unstored = stored + self._unstored, []
            elif isinstance(event, Finished):
                self._kept, self._other = event.counts.kept, event.counts.other
        if stored:
            self._engine.reader.look_again(stored)
        self._show()

    def _labelled(self, path: str) -> int:
        """The place of a photo that was read for the first time, or that had been mended."""
        if self._session.failures.pop(path, None) is not None:
            self._session.failures_changed.emit()
            self._session.file_read.emit(path)
        return self._session.photos.index(path)

    def _show(self) -> None:
        if self._job is None or self._job.state.ended:
            return
        at = self._progress
        name = at.path.name if at.path is not None and not self._paused else ""
        name = os.path.join(self._elsewhere(self._paths), name)
        self._bar.show_run(at.done, at.total, at.rate, at.left_s, name, paused=self._paused)

    def toggle_pause(self) -> None:
        """Hold the run, or let it go on."""
        if self._job is None:
            return
        self._paused = not self._paused
        if self._paused:
            self._job.pause()
        else:
            self._job.resume()
        self._show()

    def cancel(self) -> None:
        """End the run; what is finished is kept."""
        if self._job is not None:
            self._job.cancel()

    def _ended(self, job: Job) -> None:
        if job is not self._job:
            return
        self._session.work.forget_job(job)
        self._engine.reader.hold(False)
        tally, stopped = self._tally, job.state is not JobState.DONE
        kept = self._kept, self._other
        counts = (tally["label"], tally["unsure"], tally["unknown"], len(self._skipped), *kept)
        summary = Summary(*counts, stopped)
        self._tell_end = lambda: self._bar.show_end(summary, self._elsewhere(self._paths))
        self.offer()
        if not self._is_open(self._paths):
            words = self._bar.end_words(summary, _name(self._paths))
            self._session.notify.info(self.tr("Labelling has ended. {0}").format(words))
        if job.error is not None:
            self.failed.emit(as_user_error(job.error, self.tr("Labelling has stopped")))
        self.ended.emit()

    # --- afterwards

    def roll_back(self) -> None:
        """Remove what the last run proposed and nobody confirmed."""
        if self._run and not self.running:
            call = partial(self._session.catalog.rollback_run, self._run)
            self._session.work.once(call, self._rolled_back, lane="io", must=True)

    def _rolled_back(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.failed.emit(as_user_error(outcome.error, self.tr("The run could not be taken back")))
            return
        self._run = ""
        self._tell_end = partial(self._bar.show_rolled_back, int(outcome.value))
        self.offer()
        self.ended.emit()

    def _found_unfinished(self, outcome: Outcome) -> None:
        if outcome.error is None:
            self._interrupted = outcome.value
            self.offer()

    def discard(self) -> None:
        """Never offer the interrupted run again."""
        found = self._offered()
        if found is not None:
            self._interrupted.remove(found)
            self.discard_record(found.record)
        self.offer()

    def discard_record(self, record: JobRecord) -> None:
        """Note in the journal that this run is over."""
        journal = self._session.work.journal
        if journal is not None:
            call = partial(journal.discard, record)
            self._session.work.once(call, lambda outcome: None, lane="io", must=True)


def _new_run() -> str:
    return uuid.uuid4().hex


def _name(paths: tuple[str, ...]) -> str:
    """What a person calls these files and folders."""
    first = os.path.basename(paths[0]) or paths[0]
    return first if len(paths) == 1 else f"{first} + {len(paths) - 1:,}"


def _events(
    catalog: Any, model: Any, recipe: Recipe, texts: Any, config: Config, run: str
) -> Iterator[Event]:
    """Runs on the job's thread: the very generator that the command line runs."""
    yield from Labeller(catalog, model, recipe, texts).events(config, run)
