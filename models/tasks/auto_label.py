"""Label every photo under some paths: a generator of frozen events that can stop anywhere and start again.

What is known goes through a ``Store``, written about once a second, so that a kill loses a second of work. Starting
again is running again: answers come from the stored embeddings, in the precision they are stored in, so a resumed
run ends exactly where an uninterrupted one does. A label that a person confirmed is never touched.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from time import monotonic
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.tasks.export import Answer
from models.walk import walk

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]

_LOT = 512  # photos asked about, and scored from cached embeddings, at a time
_WINDOW = 64  # the photos over which the speed is measured
_FEWEST = 8  # with fewer, one batch that has only just begun to be told would pass for the speed


class State(StrEnum):
    """What the store holds about a photo's label."""

    NEW = "new"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Config:
    """What to label. ``only_new`` leaves photos alone that have a proposal already; ``retry_skipped`` takes only those
    that could not be read before; ``commit_every`` and ``progress_every`` are seconds."""

    paths: tuple[Path, ...]
    recursive: bool = True
    only_new: bool = False
    retry_skipped: bool = False
    commit_every: float = 1.0
    progress_every: float = 0.1


@dataclass(frozen=True, eq=False)
class Known:
    """What the store knows of one photo as it is on the disk now; no embedding where it changed or was never seen."""

    state: State = State.NEW
    embedding: Halves | None = None  # (d,) unit row
    same_question: bool = (
        True  # False where the proposal answers other labels, sentences, bars or another model
    )


@dataclass(frozen=True)
class Verdict:
    """The answer for one photo: the best label, its probability among the labels, the margin to the second, the
    decision (label, unsure, unknown), and the best answers in order."""

    label: str
    probability: float
    margin: float
    decision: str
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, eq=False)
class Outcome:
    """One photo to store: an answer with the embedding it came from, or the reason why there is none."""

    path: Path
    verdict: Verdict | None = None
    embedding: Halves | None = None  # None where the store has it already
    full_size: tuple[int, int] | None = None
    error: str = ""
    kind: str = ""


class Result(Protocol):
    """One photo from the model: its embedding (d,), or the error that says why not."""

    @property
    def path(self) -> Path: ...
    @property
    def embedding(self) -> Floats | None: ...
    @property
    def full_size(self) -> tuple[int, int] | None: ...
    @property
    def error(self) -> Exception | None: ...


class Store(Protocol):
    """Where embeddings and proposals live. ``save`` is one transaction and leaves confirmed labels alone."""

    def known(self, paths: Sequence[Path]) -> Sequence[Known]: ...
    def save(self, outcomes: Sequence[Outcome]) -> None: ...


Embed = Callable[[Sequence[Path]], Iterator[Result]]
Judge = Callable[[Floats], Sequence[Verdict]]


@dataclass(frozen=True)
class Counts:
    """How the photos came out. ``kept`` were left as they are: confirmed, or not new when only new ones count; of
    these, ``other`` have an answer to another question than the one that is asked now."""

    labelled: int = 0
    unsure: int = 0
    unknown: int = 0
    skipped: int = 0
    kept: int = 0
    other: int = 0

    @property
    def done(self) -> int:
        return self.labelled + self.unsure + self.unknown + self.skipped + self.kept


@dataclass(frozen=True)
class Started:
    """How many photos there are."""

    total: int


@dataclass(frozen=True)
class Progress:
    """Where the job is; ``rate`` in photos per second of work (0 until measured), ``left_s`` None until known."""

    done: int
    total: int
    rate: float
    left_s: float | None
    path: Path | None


@dataclass(frozen=True)
class Labelled:
    """A photo got an answer; ``cached`` where no pixel was touched for it."""

    path: Path
    verdict: Verdict
    cached: bool = False


@dataclass(frozen=True)
class Skipped:
    """A photo (or folder) that could not be read, with the reason in words and its kind."""

    path: Path
    reason: str
    kind: str = "other"


@dataclass(frozen=True)
class Stored:
    """Everything told before this is in the store now: who shows it may look it up there."""


@dataclass(frozen=True)
class Finished:
    """The end: everything is stored."""

    counts: Counts
    seconds: float


Event = Started | Progress | Labelled | Skipped | Stored | Finished


def run(
    config: Config, *, store: Store, embed: Embed, judge: Judge, clock: Callable[[], float] = monotonic
) -> Iterator[Event]:
    """Label the photos of ``config``; closing the generator between two events stores what there is."""
    job = _Job(config, store, embed, judge, clock)
    try:
        yield from job.events()
    finally:
        job.flush()


@dataclass
class _Job:
    config: Config
    store: Store
    embed: Embed
    judge: Judge
    clock: Callable[[], float]
    counts: Counts = Counts()
    total: int = 0
    unsaved: list[Outcome] = field(default_factory=list)
    laps: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def __post_init__(self) -> None:
        self.began = self.saved = self.clock()
        self.told = float("-inf")
        self.flushed = False  # since the last Stored

    def events(self) -> Iterator[Event]:
        refused: list[tuple[Path, OSError]] = []
        photos = list(
            walk(
                self.config.paths,
                recursive=self.config.recursive,
                refused=lambda p, e: refused.append((p, e)),
            )
        )
        self.total = len(photos) + len(refused)
        yield Started(self.total)
        for folder, error in refused:
            yield self._skip(folder, f"The folder cannot be listed. {error.strerror or error}.", "permission")
        fresh: list[Path] = []
        for start in range(0, len(photos), _LOT):
            yield from self._plan(photos[start : start + _LOT], fresh)
            yield from self._tell(photos[start])
        yield from self._work_off(fresh)
        self.flush()
        yield from self._say_stored()
        yield self._progress(None)
        yield Finished(self.counts, self.clock() - self.began)

    def _plan(self, lot: list[Path], fresh: list[Path]) -> Iterator[Event]:
        """Answer what has an embedding, leave what is to be left, note in ``fresh`` what needs the model."""
        cached: list[tuple[Path, Halves]] = []
        for path, known in zip(lot, self.store.known(lot), strict=True):
            if self._is_kept(known.state):
                other = known.state is State.PROPOSED and not known.same_question
                self.counts = replace(self.counts, kept=self.counts.kept + 1, other=self.counts.other + other)
            elif known.embedding is None:
                fresh.append(path)
            else:
                cached.append((path, known.embedding))
        if not cached:
            return
        verdicts = self.judge(np.stack([row for _, row in cached]).astype(np.float32))
        for (path, _), verdict in zip(cached, verdicts, strict=True):
            yield self._answer(Outcome(path, verdict), verdict, cached=True)

    def _is_kept(self, state: State) -> bool:
        if self.config.retry_skipped:
            return state is not State.SKIPPED
        return state is State.CONFIRMED or (self.config.only_new and state is State.PROPOSED)

    def _work_off(self, fresh: list[Path]) -> Iterator[Event]:
        results = iter(self.embed(fresh)) if fresh else iter(())
        while True:
            begun = self.clock()
            result = next(results, None)
            if result is None:
                return
            self.laps.append(self.clock() - begun)  # the work alone: a pause between events is not slowness
            yield self._take(result)
            yield from self._say_stored()
            yield from self._tell(result.path)

    def _say_stored(self) -> Iterator[Stored]:
        if self.flushed:
            self.flushed = False
            yield Stored()

    def _take(self, result: Result) -> Event:
        if result.embedding is None:
            return self._skip(result.path, str(result.error), getattr(result.error, "kind", "other"))
        # Judged as it is stored, so that the answer is the same when it comes from the store.
        row = result.embedding.astype(np.float16)
        verdict = self.judge(row[None].astype(np.float32))[0]
        return self._answer(Outcome(result.path, verdict, row, result.full_size), verdict, cached=False)

    def _answer(self, outcome: Outcome, verdict: Verdict, *, cached: bool) -> Labelled:
        name = "labelled" if verdict.decision == "label" else verdict.decision
        self.counts = replace(self.counts, **{name: getattr(self.counts, name) + 1})
        self._keep(outcome)
        return Labelled(outcome.path, verdict, cached)

    def _skip(self, path: Path, reason: str, kind: str) -> Skipped:
        self.counts = replace(self.counts, skipped=self.counts.skipped + 1)
        self._keep(Outcome(path, error=reason, kind=kind))
        return Skipped(path, reason, kind)

    def _keep(self, outcome: Outcome) -> None:
        self.unsaved.append(outcome)
        if self.clock() - self.saved >= self.config.commit_every:
            self.flush()

    def flush(self) -> None:
        """Store what is not stored yet."""
        waiting, self.unsaved = self.unsaved, []
        if waiting:
            self.store.save(waiting)
            self.flushed = True
        self.saved = self.clock()

    def _tell(self, path: Path) -> Iterator[Progress]:
        if self.clock() - self.told >= self.config.progress_every:
            yield self._progress(path)
            self.told = self.clock()

    def _progress(self, path: Path | None) -> Progress:
        spent = sum(self.laps)
        rate = len(self.laps) / spent if spent > 0 and len(self.laps) >= _FEWEST else 0.0
        left = self.total - self.counts.done
        return Progress(self.counts.done, self.total, rate, left / rate if rate else None, path)
