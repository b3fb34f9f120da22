"""Everything that runs beside the GUI thread: `Work` is the one door, and the only place with threads.

No Qt is imported here before a `Work` asks for it, so the command line can use the parts.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from desktop_app.work.job import Job, JobState, Slots
from desktop_app.work.journal import JobJournal, JobRecord, Journal
from desktop_app.work.lane import DeviceGate, Lane, Outcome, Request, attempt, serials
from desktop_app.work.pacer import Mailbox, Pacer
from desktop_app.work.turns import TurnTaking
from models.errors import UserError

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from desktop_app.work.bridge import Bridge

__all__ = ["DeviceGate", "Job", "JobRecord", "JobState", "Journal", "Outcome", "Work"]

LOG = logging.getLogger(__name__)
Done = Callable[[Outcome], None]
Post = Callable[[Callable[[], None]], None]


class Work:
    """Calls and jobs beside the GUI thread; `done`, `on_event` and `on_end` run on the GUI thread.

    Lanes: "io" (decoding, disk; two threads), "thumbs" (newest first, two threads), "model" (one thread,
    sharing the device with jobs). With `post` given, outcomes go there instead of through Qt.
    Its methods belong to the GUI thread, but for `post`.
    """

    def __init__(
        self,
        parent: QObject | None = None,
        *,
        journal: Path | None = None,
        post: Post | None = None,
    ) -> None:
        self.gate = DeviceGate()
        self.journal = Journal(journal) if journal else None
        self.jobs: list[Job] = []
        self.bridge: Bridge | None = None
        if post is None:
            from desktop_app.work.bridge import Bridge

            self.bridge = Bridge(parent)
            post = self.bridge.post
        self._post = post
        self._closed = False
        self._serials = serials()
        # Asked and neither delivered nor dropped: key -> serials. What is not in here is never delivered.
        self._pending: dict[str, set[int]] = {}
        self._book = threading.Lock()
        self._watchers: list[Callable[[Job], None]] = []
        self._pacer = Pacer()
        self._device_slots, self._other_slots = Slots(1), Slots(4)
        self._lanes = {
            "io": Lane("io", self._deliver, threads=2),
            "thumbs": Lane("thumbs", self._deliver, threads=2, newest_first=True),
            "model": Lane("model", self._deliver, gate=self.gate),
        }

    # Calls

    def latest(self, key: str, call: Callable[[], Any], done: Done, lane: str = "model") -> int:
        """Run `call` on the lane; a newer call of the same key replaces it while it waits. Returns the serial.

        A call that already runs is finished and its outcome shown: it is real feedback.
        """
        serial = next(self._serials)
        self._ask(lane, Request(key, serial, call, done))
        return serial

    def once(self, call: Callable[[], Any], done: Done, lane: str = "io", *, must: bool = False) -> str:
        """Run `call` on the lane, replacing nothing. Returns a key for `drop`.

        With `must` (a person's word that is to be kept) `close` runs it if it still waits then.
        """
        serial = next(self._serials)
        key = f"once-{serial}"
        self._ask(lane, Request(key, serial, call, done, must))
        return key

    def drop(self, key: str) -> None:
        """Forget what was asked under this key: what waits never runs, what runs is never delivered."""
        for lane in self._lanes.values():
            lane.drop(key)
        with self._book:
            self._pending.pop(key, None)
        self._say_if_idle()

    def keep(self, lane: str, keys: Collection[str]) -> None:
        """Forget everything that waits on the lane but these keys: what has scrolled out of sight."""
        for request in self._lanes[lane].keep(keys):
            self._forget(request)
        self._say_if_idle()

    def post(self, call: Callable[[], None]) -> None:
        """Run `call` on the GUI thread, from any thread (progress of a loading model). Nothing after `close`."""
        self._post(partial(self._if_open, call))

    @property
    def idle(self) -> bool:
        """True when every call has been delivered or dropped and no job runs or is queued."""
        with self._book:
            waiting = bool(self._pending)
        return not waiting and not any(job.state in (JobState.RUNNING, JobState.QUEUED) for job in self.jobs)

    # Jobs

    def start_job(
        self,
        title: str,
        make_generator: Callable[[], Iterable[Any]],
        on_event: Callable[[Any], None] | None = None,
        on_end: Callable[[Job], None] | None = None,
        *,
        on_batch: Callable[[list[Any]], None] | None = None,
        kind: str = "",
        config: dict[str, Any] | None = None,
        resume: JobRecord | None = None,
        device: bool = True,
        gated: bool = True,
    ) -> Job:
        """Run the generator as a job. `on_event` gets the newest event at most ten times a second and the last
        one always; `on_batch` gets all of them at that pace; `on_end` gets the job in its final state.

        With `kind` the job is journalled and can be resumed after a kill; `resume` goes on with such a job.
        A job with `device=False` (a download) waits neither for the device nor for the jobs that use it. One with
        `gated=False` takes its turns at the device itself, with `taking_turns`, and not for every whole step.
        """
        if self._closed:
            raise RuntimeError("Work is closed: no job can start")
        open_journal: Callable[[], JobJournal | None] | None = None
        if self.journal and resume:
            open_journal = partial(_reopened, self.journal, resume)
        elif self.journal and kind:
            open_journal = partial(self.journal.open, kind, title, config or {})
        job = Job(
            title,
            make_generator,
            mailbox=Mailbox(partial(self._hand_over, on_event, on_batch), self._pacer),
            say=partial(self._job_said, on_end),
            slots=self._device_slots if device else self._other_slots,
            gate=self.gate if device and gated else None,
            open_journal=open_journal,
            kind=kind or (resume.kind if resume else ""),
        )
        self.jobs.append(job)
        self._tell(job)
        job.start()
        return job

    def taking_turns(self, model: Any) -> Any:
        """The model, for a job with `gated=False`: each of its calls lets interactive ones in first."""
        return TurnTaking(model, self.gate)

    def turn(self) -> AbstractContextManager[None]:
        """A turn at the device, for a job that holds none for its whole step: interactive calls go first."""
        return self.gate.turn(urgent=False)

    def forget_job(self, job: Job) -> None:
        """Take an ended job off the list."""
        if job.state.ended and job in self.jobs:
            self.jobs.remove(job)
            self._tell(job)

    def unfinished(self) -> list[JobRecord]:
        """Jobs of earlier runs that were killed or interrupted, oldest first. Reads the disk: ask on the io lane.

        Long-ended jobs are deleted on the way.
        """
        if self.journal is None:
            return []
        self.journal.prune()
        return self.journal.unfinished()

    def watch(self, callback: Callable[[Job], None]) -> Callable[[], None]:
        """Call back on the GUI thread with every job that is new, changes or is forgotten; returns the undoing."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback) if callback in self._watchers else None

    # The end

    def close(self, timeout: float = 5.0) -> bool:
        """Stop everything: jobs keep their place for resuming, and no outcome is delivered any more.

        Returns whether every thread ended in time; one that did not is a daemon and dies with the process.
        """
        deadline = monotonic() + timeout
        self._closed = True
        if self.bridge:
            self.bridge.shut()
        left = [request for lane in self._lanes.values() for request in lane.stop()]
        for job in self.jobs:
            job.interrupt()
        ended = [lane.join(deadline) for lane in self._lanes.values()]
        # After the join, so that nothing overtakes a call of the same lane that was running.
        for request in sorted(left, key=lambda one: one.serial):
            outcome = attempt(request)
            if outcome.error is not None:
                LOG.error("what had to be kept could not be: %s", outcome.details)
        ended += [job.join(max(0.0, deadline - monotonic())) for job in self.jobs]
        ended.append(self._pacer.close(deadline))
        with self._book:
            self._pending.clear()
        if self.bridge and all(ended):
            self.bridge.let_go()
        return all(ended)

    # Between the threads

    def _ask(self, lane: str, request: Request) -> None:
        with self._book:
            self._pending.setdefault(request.key, set()).add(request.serial)
        self._forget(self._lanes[lane].ask(request))

    def _forget(self, request: Request | None) -> bool:
        """Take the request out of the book; returns whether it was still in it."""
        if request is None:
            return False
        with self._book:
            serials_of_key = self._pending.get(request.key, set())
            known = request.serial in serials_of_key
            serials_of_key.discard(request.serial)
            if not serials_of_key:
                self._pending.pop(request.key, None)
            return known

    def _deliver(self, request: Request, outcome: Outcome) -> None:
        self._post(partial(self._arrive, request, outcome))

    def _arrive(self, request: Request, outcome: Outcome) -> None:
        wanted = self._forget(request)
        if self._closed:
            return
        try:
            if wanted and request.done:
                request.done(outcome)
        finally:
            self._say_if_idle()

    def _hand_over(
        self,
        on_event: Callable[[Any], None] | None,
        on_batch: Callable[[list[Any]], None] | None,
        events: list[Any],
    ) -> None:
        if on_batch:
            self.post(partial(on_batch, events))
        if on_event:
            self.post(partial(on_event, events[-1]))

    def _job_said(self, on_end: Callable[[Job], None] | None, job: Job) -> None:
        self.post(partial(self._job_arrived, on_end, job, job.state))

    def _job_arrived(self, on_end: Callable[[Job], None] | None, job: Job, state: JobState) -> None:
        self._tell(job)
        try:
            if state.ended and on_end:
                on_end(job)
        finally:
            self._say_if_idle()

    def _tell(self, job: Job) -> None:
        if self.bridge:
            self.bridge.job_changed.emit(job)
        for callback in list(self._watchers):
            callback(job)

    def _if_open(self, call: Callable[[], None]) -> None:
        if not self._closed:
            call()

    def _say_if_idle(self) -> None:
        if self.bridge and not self._closed and self.idle:
            self.bridge.idle.emit()


def _reopened(journal: Journal, record: JobRecord) -> JobJournal:
    found = journal.reopen(record)
    if found is None:
        # Two of them would write under one name, and what one takes back the other would fill again.
        raise UserError("This job goes on in another window", "", "Wait for it there, or close that window")
    return found
