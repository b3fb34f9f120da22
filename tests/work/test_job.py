"""Jobs without Qt: states, pause, cancel, errors, the pace of events, and their order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from desktop_app.work import Job, JobState, Outcome, Work
from tests.waiting import until


class Owner:
    """The thread that owns a Work: calls posted to it are run when it is asked to wait for something."""

    def __init__(self, journal: Path | None = None) -> None:
        self._calls: list[Callable[[], None]] = []
        self._news = threading.Condition()
        self.states: list[JobState] = []
        self.work = Work(journal=journal, post=self._post)
        self.work.watch(lambda job: self.states.append(job.state))

    def _post(self, call: Callable[[], None]) -> None:
        with self._news:
            self._calls.append(call)
            self._news.notify()

    def run(self, condition: Callable[[], object], timeout: float = 20) -> None:
        deadline = monotonic() + timeout
        while not condition():
            with self._news:
                assert self._news.wait_for(lambda: self._calls, max(0.0, deadline - monotonic())), (
                    "never happened"
                )
                call = self._calls.pop(0)
            call()

    def run_rest(self) -> None:
        while self._calls:
            self._calls.pop(0)()


class Steps:
    """A generator that stands still after each step until it is let go on."""

    def __init__(self, total: int = 10_000) -> None:
        self.total = total
        self.made = 0
        self.closed = False
        self._free = threading.Semaphore(0)

    def let(self, steps: int) -> None:
        self._free.release(steps)

    def __call__(self) -> Iterator[int]:
        try:
            for step in range(self.total):
                assert self._free.acquire(timeout=20)
                self.made = step + 1
                yield step
        finally:
            self.closed = True


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    owner = Owner(tmp_path / "jobs")
    yield owner
    assert owner.work.close(20)


def test_a_job_goes_from_queued_through_running_to_done(owner: Owner) -> None:
    ended: list[Job] = []
    batches: list[int] = []
    job = owner.work.start_job("count", lambda: range(5), on_end=ended.append, on_batch=batches.extend)
    owner.run(lambda: ended)
    assert ended == [job]
    assert (
        owner.states == [JobState.QUEUED, JobState.RUNNING, JobState.DONE]
        or owner.states[-1] is JobState.DONE
    )
    assert batches == [0, 1, 2, 3, 4]
    assert job.last == 4


def test_the_newest_event_is_shown_at_a_pace_and_the_last_one_never_lost(owner: Owner) -> None:
    shown: list[int] = []
    times: list[float] = []
    every: list[int] = []
    ended: list[Job] = []

    def show(event: int) -> None:
        shown.append(event)
        times.append(monotonic())

    began = monotonic()
    owner.work.start_job("count", lambda: iter(range(20_000)), show, ended.append, on_batch=every.extend)
    owner.run(lambda: ended)
    allowed = (monotonic() - began) / 0.1 + 2
    assert shown[-1] == 19_999
    assert len(shown) <= allowed
    assert shown == sorted(shown)
    assert every == list(range(20_000))


def test_an_event_before_a_long_step_is_shown_while_the_step_runs(owner: Owner) -> None:
    steps = Steps()
    shown: list[int] = []
    job = owner.work.start_job("slow", steps, shown.append)
    steps.let(2)
    owner.run(lambda: shown and shown[-1] == 1)
    assert job.state is JobState.RUNNING
    job.cancel()
    steps.let(1)


class _Odd(BaseException):
    """An error that is no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("out of memory"),
        MemoryError(),
        _Odd("odd"),
        SystemExit(2),
        KeyboardInterrupt(),
        ValueError("v"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_of_error_ends_a_job_as_failed_with_its_details(
    owner: Owner, error: BaseException
) -> None:
    def fail() -> Iterator[int]:
        yield 1
        raise error

    ended: list[Job] = []
    shown: list[int] = []
    owner.work.start_job("fails", fail, shown.append, ended.append)
    owner.run(lambda: ended)
    assert (ended[0].state, ended[0].error) == (JobState.FAILED, error)
    assert type(error).__name__ in ended[0].details
    assert shown == [1]
    more: list[Job] = []
    owner.work.start_job("goes on", lambda: [1], on_end=more.append)
    owner.run(lambda: more)
    assert more[0].state is JobState.DONE


def test_a_generator_that_cannot_be_made_is_a_failed_job(owner: Owner) -> None:
    def make() -> Iterable[int]:
        raise RuntimeError("no such model")

    ended: list[Job] = []
    owner.work.start_job("fails", make, on_end=ended.append)
    owner.run(lambda: ended)
    assert str(ended[0].error) == "no such model"


def test_cancelling_closes_the_generator_between_two_steps(owner: Owner) -> None:
    steps = Steps()
    ended: list[Job] = []
    job = owner.work.start_job("slow", steps, on_end=ended.append)
    steps.let(3)
    until(lambda: steps.made == 3)
    job.cancel()
    steps.let(1)
    owner.run(lambda: ended)
    assert job.state is JobState.CANCELLED
    assert steps.closed
    assert steps.made <= 4


def test_a_save_that_fails_while_cancelling_is_reported(owner: Owner) -> None:
    started = threading.Event()

    def saves_badly() -> Iterator[int]:
        try:
            for step in range(1_000_000):
                started.set()
                yield step
        finally:
            raise OSError(28, "No space left on device")

    ended: list[Job] = []
    job = owner.work.start_job("saves", saves_badly, on_end=ended.append)
    assert started.wait(20)
    job.cancel()
    owner.run(lambda: ended)
    assert job.state is JobState.FAILED
    assert "No space left" in str(job.error)


def test_cancel_then_ask_again(owner: Owner) -> None:
    for _ in range(5):
        steps, ended = Steps(), list[Job]()
        job = owner.work.start_job("again", steps, on_end=ended.append)
        job.cancel()
        steps.let(1)
        owner.run(lambda ended=ended: ended)
        assert job.state is JobState.CANCELLED
    done: list[Job] = []
    owner.work.start_job("last", lambda: [1, 2], on_end=done.append)
    owner.run(lambda: done)
    assert done[0].state is JobState.DONE


def test_a_paused_job_stands_still_and_goes_on_where_it_was(owner: Owner) -> None:
    steps = Steps(6)
    ended: list[Job] = []
    every: list[int] = []
    job = owner.work.start_job("slow", steps, on_end=ended.append, on_batch=every.extend)
    steps.let(2)
    until(lambda: steps.made == 2)
    job.pause()
    steps.let(1)
    owner.run(lambda: job.state is JobState.PAUSED)
    made = steps.made
    steps.let(10)
    other: list[Job] = []
    owner.work.start_job("meanwhile", lambda: [1], on_end=other.append)
    owner.run(lambda: other)
    assert (steps.made, steps.closed) == (made, False)
    job.resume()
    owner.run(lambda: ended)
    assert job.state is JobState.DONE
    assert every == [0, 1, 2, 3, 4, 5]


def test_a_paused_job_can_be_cancelled(owner: Owner) -> None:
    steps = Steps()
    ended: list[Job] = []
    job = owner.work.start_job("slow", steps, on_end=ended.append)
    job.pause()
    steps.let(1)
    owner.run(lambda: job.state is JobState.PAUSED)
    job.cancel()
    job.resume()
    owner.run(lambda: ended)
    assert job.state is JobState.CANCELLED


def test_jobs_that_use_the_device_wait_for_each_other_and_others_do_not(owner: Owner) -> None:
    steps = Steps()
    ended: list[str] = []
    first = owner.work.start_job("first", steps, on_end=lambda job: ended.append(job.title))
    steps.let(1)
    until(lambda: steps.made == 1)
    second = owner.work.start_job(
        "second", lambda: [steps.closed], on_end=lambda job: ended.append(job.title)
    )
    owner.work.start_job("download", lambda: [1], on_end=lambda job: ended.append(job.title), device=False)
    owner.run(lambda: ended)
    assert ended == ["download"]
    assert second.state is JobState.QUEUED
    first.cancel()
    steps.let(1)
    owner.run(lambda: len(ended) == 3)
    assert sorted(ended[1:]) == ["first", "second"]  # who says first that it has ended is left to the threads
    assert second.last is True


def test_a_queued_job_can_be_cancelled_before_it_begins(owner: Owner) -> None:
    steps = Steps()
    began: list[int] = []
    first = owner.work.start_job("first", steps)
    until(lambda: first.state is JobState.RUNNING)
    ended: list[Job] = []
    second = owner.work.start_job("second", lambda: [began.append(1)], on_end=ended.append)
    second.cancel()
    owner.run(lambda: ended)
    assert second.state is JobState.CANCELLED
    assert began == []
    first.cancel()
    steps.let(1)


def test_calls_go_in_between_the_steps_of_a_job(owner: Owner) -> None:
    job = owner.work.start_job("never ends", itertools.count)
    until(lambda: job.last is not None)
    answers: list[Any] = []
    for number in range(20):
        owner.work.latest(
            f"slider {number}", lambda number=number: number, lambda outcome: answers.append(outcome)
        )
    owner.run(lambda: len(answers) == 20)
    assert [outcome.value for outcome in answers] == list(range(20))
    assert job.state is JobState.RUNNING
    step = job.last
    until(lambda: job.last > step)
    job.cancel()


def test_a_job_that_takes_its_own_turns_does_not_hold_the_device_between_them(owner: Owner) -> None:
    class Model:
        title = "a model"

        def run(self, entry: str, *, pixels: int) -> int:
            assert owner.work.gate._busy
            return pixels * 2

    reading, read = threading.Event(), threading.Event()
    every: list[Any] = []

    def label() -> Iterator[Any]:
        model = owner.work.taking_turns(Model())
        reading.set()
        assert read.wait(20)  # a slow disk
        yield model.title, model.run("image", pixels=21)

    ended: list[Job] = []
    owner.work.start_job("label", label, on_batch=every.extend, on_end=ended.append, gated=False)
    assert reading.wait(20)
    shown: list[Outcome] = []
    owner.work.latest("slider", lambda: "answered meanwhile", shown.append)
    owner.run(lambda: shown)
    assert shown[0].value == "answered meanwhile"
    read.set()
    owner.run(lambda: ended)
    assert every == [("a model", 42)]


def test_drop_then_ask_delivers_only_what_was_asked_afterwards(owner: Owner) -> None:
    inside, free = threading.Event(), threading.Event()
    shown: list[Any] = []
    owner.work.latest(
        "slider", lambda: (inside.set(), free.wait(20)), lambda outcome: shown.append("running")
    )
    assert inside.wait(20)
    owner.work.latest("slider", lambda: 1, lambda outcome: shown.append("waiting"))
    owner.work.drop("slider")
    owner.work.latest("slider", lambda: 2, lambda outcome: shown.append("asked"))
    free.set()
    owner.run(lambda: shown)
    owner.run_rest()
    assert shown == ["asked"]
    assert owner.work.idle


def test_a_dropped_once_is_never_delivered(owner: Owner) -> None:
    inside, free = threading.Event(), threading.Event()
    shown: list[str] = []
    key = owner.work.once(lambda: (inside.set(), free.wait(20)), lambda outcome: shown.append("dropped"))
    assert inside.wait(20)
    owner.work.drop(key)
    assert owner.work.idle
    free.set()
    owner.work.once(lambda: 1, lambda outcome: shown.append("kept"))
    owner.run(lambda: shown)
    until(lambda: all(lane._running == set() for lane in owner.work._lanes.values()))
    owner.run_rest()
    assert shown == ["kept"]


def test_what_scrolls_out_of_sight_is_forgotten(owner: Owner) -> None:
    free = threading.Event()
    for number in range(2):
        owner.work.latest(f"hold {number}", lambda: free.wait(20), lambda outcome: None, lane="thumbs")
    until(lambda: len(owner.work._lanes["thumbs"]._running) == 2)
    shown: list[int] = []
    for number in range(50):
        owner.work.latest(
            f"t{number}", lambda n=number: n, lambda outcome: shown.append(outcome.value), lane="thumbs"
        )
    owner.work.keep("thumbs", {"t3", "t40"})
    free.set()
    owner.run(lambda: owner.work.idle)
    assert sorted(shown) == [3, 40]


def test_nothing_is_delivered_after_close_and_jobs_keep_their_place(tmp_path: Path) -> None:
    owner = Owner(tmp_path / "jobs")
    steps = Steps()
    shown: list[Any] = []
    job = owner.work.start_job("slow", steps, shown.append, shown.append, kind="test", config={"n": 3})
    steps.let(1)
    until(lambda: steps.made == 1)
    owner.work.once(lambda: 1, shown.append)

    # The step under way ends when the job has been told to: let earlier, another one would begin.
    def let_go_then() -> None:
        until(job._stopping)
        steps.let(1)

    helper = threading.Thread(target=let_go_then)
    helper.start()
    assert owner.work.close(20)
    helper.join()
    owner.run_rest()
    assert shown == []
    assert steps.closed
    assert job.state is JobState.INTERRUPTED
    assert [record.config for record in owner.work.unfinished()] == [{"n": 3}]
    with pytest.raises(RuntimeError, match="closed"):
        owner.work.start_job("late", steps)


def test_closing_does_not_wait_longer_than_it_is_told(tmp_path: Path) -> None:
    owner = Owner()
    stuck = threading.Event()
    owner.work.once(lambda: stuck.wait(60), lambda outcome: None)
    until(lambda: owner.work._lanes["io"]._running)
    assert owner.work.close(0.05) is False
    stuck.set()
    assert owner.work.close(20)


def test_closing_runs_what_must_be_kept_and_nothing_else_that_waits() -> None:
    work = Work(post=lambda call: None)
    busy, free = threading.Event(), threading.Event()
    kept: list[str] = []

    def hold() -> None:
        busy.set()
        free.wait(20)
        kept.append("held")

    work.once(hold, lambda outcome: None, lane="model")
    assert busy.wait(20)
    for name in ("first", "second"):
        work.once(partial(kept.append, name), lambda outcome: None, lane="model", must=True)
    work.once(partial(kept.append, "look"), lambda outcome: None, lane="model")
    free.set()
    assert work.close(20)
    assert kept == ["held", "first", "second"]


def test_a_stuck_model_does_not_lose_what_must_be_kept() -> None:
    work = Work(post=lambda call: None)
    busy, free = threading.Event(), threading.Event()
    kept: list[str] = []
    work.once(lambda: (busy.set(), free.wait(20)), lambda outcome: None, lane="model")
    assert busy.wait(20)
    work.once(partial(kept.append, "word"), lambda outcome: None, lane="model", must=True)
    assert work.close(0.05) is False
    assert kept == ["word"]
    free.set()


def test_a_word_that_waits_for_the_device_is_kept_when_the_window_closes() -> None:
    work = Work(post=lambda call: None)
    busy, free = threading.Event(), threading.Event()
    kept: list[str] = []

    def long_step() -> Iterator[int]:
        busy.set()
        free.wait(20)
        yield 1

    work.start_job("A step that is longer than closing waits", long_step)
    assert busy.wait(20)
    work.once(partial(kept.append, "word"), lambda outcome: None, lane="model", must=True)
    until(lambda: work._lanes["model"]._at_gate)
    assert work.close(0.05) is False
    assert kept == ["word"]
    free.set()
    assert work.close(20)
    assert kept == ["word"], "and not twice"
