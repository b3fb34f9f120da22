"""A long job is a generator of frozen events; between two of them it can be paused, cancelled or let others in."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from desktop_app.work.journal import JobJournal
from desktop_app.work.lane import DeviceGate, describe
from desktop_app.work.pacer import Mailbox

LOG = logging.getLogger(__name__)
_END = object()


class JobState(StrEnum):
    """Where a job is. The last four are ends; INTERRUPTED (the program closed) can be resumed later."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """True for the states that never change again."""
        return self in (JobState.DONE, JobState.CANCELLED, JobState.FAILED, JobState.INTERRUPTED)


class Slots:
    """How many jobs may run at once; the others wait in the order in which they came."""

    def __init__(self, free: int = 1) -> None:
        self.news = threading.Condition()
        self._free = free
        self._queue: list[object] = []

    def take(self, who: object, stop: Callable[[], bool]) -> bool:
        """Wait for a slot; False where `stop` became true first. Wake it by notifying `news`."""
        with self.news:
            self._queue.append(who)
            self.news.wait_for(lambda: stop() or (self._free > 0 and self._queue[0] is who))
            self._queue.remove(who)
            taken = not stop()
            self._free -= taken
            self.news.notify_all()
            return taken

    def give(self) -> None:
        """Hand a slot back."""
        with self.news:
            self._free += 1
            self.news.notify_all()


class Job:
    """One generator on a thread of its own. Its methods may be called from any thread and return at once.

    On the job's thread `open_journal` is called before anything runs, and `say` with every change of state;
    `mailbox` carries the events.
    """

    def __init__(
        self,
        title: str,
        make: Callable[[], Iterable[Any]],
        *,
        mailbox: Mailbox,
        say: Callable[[Job], None],
        slots: Slots,
        gate: DeviceGate | None = None,
        open_journal: Callable[[], JobJournal | None] | None = None,
        kind: str = "",
    ) -> None:
        self.title = title
        self.kind = kind
        self.id = uuid.uuid4().hex
        self.state = JobState.QUEUED
        self.error: BaseException | None = None
        self.details = ""
        self.last: Any = None
        self.progress: Any = None  # the newest event that says `done` and `total`
        self._make = make
        self._mailbox = mailbox
        self._say = say
        self._slots = slots
        self._gate = gate
        self._open_journal = open_journal
        self._journal: JobJournal | None = None
        self._wanted = JobState.RUNNING
        self._thread = threading.Thread(target=self._run, name=f"pinhole-job-{title}", daemon=True)

    def start(self) -> None:
        """Begin, or wait for a slot."""
        self._thread.start()

    def pause(self) -> None:
        """Hold after the step that runs now; the slot goes to the next job."""
        self._want(JobState.PAUSED)

    def resume(self) -> None:
        """Go on after a pause, as soon as there is a slot."""
        self._want(JobState.RUNNING)

    @property
    def pausing(self) -> bool:
        """Whether a pause was asked for and not taken back, held already or not."""
        return self._wanted is JobState.PAUSED

    def cancel(self) -> None:
        """Ask for no further event and close the generator, whose `finally` saves what there is to save."""
        self._want(JobState.CANCELLED)

    def interrupt(self) -> None:
        """As `cancel`, but the journal keeps the job for resuming: the program is closing."""
        self._want(JobState.INTERRUPTED)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread; True when it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _want(self, state: JobState) -> None:
        with self._slots.news:
            if not self._wanted.ended:
                self._wanted = state
            self._slots.news.notify_all()

    def _stopping(self) -> bool:
        return self._wanted.ended

    def _become(self, state: JobState) -> None:
        self.state = state
        self._mailbox.flush()
        self._say(self)

    def _run(self) -> None:
        end = JobState.DONE
        try:
            self._begin_journal()
            end = self._drive()
        except BaseException as error:  # noqa: BLE001 - every end of a job must reach its owner
            self.error, self.details, end = error, describe(error), JobState.FAILED
        # The row of an ended job stays on the list; the model that its closure holds must not.
        self._make = tuple
        self._note_end(end)
        self._become(end)

    def _begin_journal(self) -> None:
        """On the job's own thread, since it waits for the disk; still before anything runs."""
        try:
            self._journal = self._open_journal() if self._open_journal else None
        except OSError as error:
            # The work is worth more than its diary: it runs, but cannot be resumed after a kill.
            LOG.warning("the job “%s” has no journal: %s", self.title, error)
        if self._journal:
            self.id = self._journal.id

    def _drive(self) -> JobState:
        if not self._slots.take(self, self._stopping):
            return self._wanted
        held = True
        self._become(JobState.RUNNING)
        try:
            with contextlib.closing(_closable(self._make())) as events:
                while not self._stopping():
                    if self._wanted is JobState.PAUSED:
                        held = self._hold()
                        continue
                    if self._step(events) is _END:
                        return JobState.DONE
            return self._wanted
        finally:
            if held:
                self._slots.give()

    def _step(self, events: Iterator[Any]) -> Any:
        turn = self._gate.turn(urgent=False) if self._gate else contextlib.nullcontext()
        with turn:
            event = next(events, _END)
        if event is not _END:
            self.last = event
            if hasattr(event, "done") and hasattr(event, "total"):
                self.progress = event
            if self._journal:
                self._journal.append(event)
            self._mailbox.put(event)
        return event

    def _hold(self) -> bool:
        """Wait out a pause without a slot; returns whether a slot is held again (not when stopping)."""
        self._slots.give()
        self._become(JobState.PAUSED)
        with self._slots.news:
            self._slots.news.wait_for(lambda: self._wanted is not JobState.PAUSED)
        if self._stopping():
            return False
        self._become(JobState.QUEUED)
        if not self._slots.take(self, self._stopping):
            return False
        self._become(JobState.RUNNING)
        return True

    def _note_end(self, end: JobState) -> None:
        if self._journal is None:
            return
        if end is JobState.INTERRUPTED:
            self._journal.close()
        else:
            self._journal.end(end.value, str(self.error) if self.error else "")


def _closable(events: Iterable[Any]) -> Any:
    """A generator as it is; any other iterable as one, so that `close` always exists."""
    return events if hasattr(events, "close") and hasattr(events, "__next__") else (event for event in events)
