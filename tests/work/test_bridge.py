"""Work with PySide6 and a real torch model: the storm, the errors, and closing in the middle of everything."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PySide6.QtCore import QCoreApplication, QObject, QThread
from pytestqt.qtbot import QtBot

from desktop_app.work import Job, JobState, Outcome, Work


class Model(torch.nn.Module):
    """A small real network: convolutions and an attention layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = torch.nn.Conv2d(3, 32, 4, 4)
        self.block = torch.nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
        self.head = torch.nn.Linear(32, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(pixels).flatten(2).transpose(1, 2)
        return self.head(self.block(tokens).mean(1))


@pytest.fixture
def work(qtbot: QtBot, tmp_path: Path) -> Iterator[Work]:
    work = Work(journal=tmp_path / "jobs")
    yield work
    assert work.close(20)


@pytest.fixture
def model() -> Model:
    return Model().eval()


def answer(model: Model, level: float) -> float:
    with torch.inference_mode():
        return float(model(torch.full((1, 3, 64, 64), level)).sum())


def labelling(model: Model, batches: int = 1_000_000) -> Iterator[int]:
    """A job as auto-label is: a batch through the model, then an event."""
    for batch in range(batches):
        with torch.inference_mode():
            model(torch.rand(2, 3, 64, 64))
        yield batch


def test_a_storm_of_300_slider_requests_beside_a_running_job(qtbot: QtBot, work: Work, model: Model) -> None:
    events: list[int] = []
    job = work.start_job("label", lambda: labelling(model), events.append)
    qtbot.waitUntil(lambda: bool(events), timeout=20_000)
    at_the_beginning = job.last
    shown: list[Outcome] = []
    ran: list[int] = []

    free = threading.Event()

    def call(tick: int) -> float:
        ran.append(tick)
        assert free.wait(20)
        return answer(model, tick / 300)

    for tick in range(300):
        # A third of them come while one call takes its time, so that some are replaced however fast the machine is.
        free.clear() if 100 <= tick < 200 else free.set()
        work.latest("slider", lambda tick=tick: call(tick), shown.append)
        QCoreApplication.processEvents()
    qtbot.waitUntil(lambda: bool(shown) and ran[-1] == 299 and len(shown) == len(ran), timeout=20_000)
    serials = [outcome.serial for outcome in shown]
    assert serials == sorted(serials)
    assert all(outcome.ok for outcome in shown)
    assert shown[-1].value == pytest.approx(answer(model, 299 / 300), abs=1e-4)
    assert len(ran) < 300
    qtbot.waitUntil(lambda: job.last > at_the_beginning, timeout=20_000)
    assert job.state is JobState.RUNNING
    job.cancel()
    qtbot.waitUntil(lambda: job.state.ended, timeout=20_000)


def test_outcomes_and_events_arrive_on_the_gui_thread(qtbot: QtBot, work: Work) -> None:
    here = QThread.currentThread()
    seen: list[Any] = []

    def note(*_: Any) -> None:
        seen.append(QThread.currentThread())

    work.latest("a", lambda: threading.current_thread().name, note)
    work.once(lambda: 1, note)
    assert work.bridge is not None
    work.bridge.job_changed.connect(note)
    work.start_job("job", lambda: [1], note, note, on_batch=note)
    work.once(lambda: work.post(note), note)
    qtbot.waitUntil(lambda: work.idle and len(seen) >= 9, timeout=20_000)
    assert set(seen) == {here}


def test_what_torch_raises_is_delivered_and_the_lane_lives_on(qtbot: QtBot, work: Work, model: Model) -> None:
    shown: list[Outcome] = []
    work.latest("shape", lambda: model(torch.zeros(1, 5, 8, 8)), shown.append)
    qtbot.waitUntil(lambda: len(shown) == 1, timeout=20_000)
    work.latest("memory", lambda: torch.empty(1 << 60), shown.append)
    qtbot.waitUntil(lambda: len(shown) == 2, timeout=20_000)
    work.latest("out", lambda: _raise(torch.OutOfMemoryError("CUDA out of memory")), shown.append)
    qtbot.waitUntil(lambda: len(shown) == 3, timeout=20_000)
    work.latest("fine", lambda: answer(model, 0.5), shown.append)
    qtbot.waitUntil(lambda: len(shown) == 4, timeout=20_000)
    assert [isinstance(outcome.error, RuntimeError) for outcome in shown] == [True, True, True, False]
    assert "channels" in shown[0].details
    assert shown[3].ok


def _raise(error: BaseException) -> None:
    raise error


def test_a_job_that_torch_stops_is_failed(qtbot: QtBot, work: Work, model: Model) -> None:
    def breaks() -> Iterator[int]:
        yield from labelling(model, 3)
        model(torch.zeros(1, 5, 8, 8))

    shown: list[int] = []
    ended: list[Job] = []
    work.start_job("breaks", breaks, shown.append, ended.append)
    qtbot.waitUntil(lambda: bool(ended), timeout=20_000)
    assert ended[0].state is JobState.FAILED
    assert isinstance(ended[0].error, RuntimeError)
    assert shown[-1] == 2


def test_an_outcome_whose_panel_fails_does_not_stop_the_next_one(qtbot: QtBot, work: Work) -> None:
    shown: list[Any] = []

    def fails(outcome: Outcome) -> None:
        raise ZeroDivisionError("a panel's own mistake")

    with qtbot.captureExceptions() as caught:
        work.once(lambda: 1, fails)
        qtbot.waitUntil(lambda: bool(caught), timeout=20_000)
    work.once(lambda: 2, shown.append)
    qtbot.waitUntil(lambda: bool(shown), timeout=20_000)
    assert work.idle


def test_pause_and_resume_a_torch_job(qtbot: QtBot, work: Work, model: Model) -> None:
    every: list[int] = []
    ended: list[Job] = []
    job = work.start_job("label", lambda: labelling(model, 200), on_batch=every.extend, on_end=ended.append)
    qtbot.waitUntil(lambda: bool(every), timeout=20_000)
    job.pause()
    qtbot.waitUntil(lambda: job.state in (JobState.PAUSED, JobState.DONE), timeout=20_000)
    if job.state is JobState.PAUSED:
        stood = job.last
        shown: list[Outcome] = []
        work.latest("slider", lambda: answer(model, 0.1), shown.append)
        qtbot.waitUntil(lambda: bool(shown), timeout=20_000)
        assert job.last == stood
    job.resume()
    qtbot.waitUntil(lambda: bool(ended), timeout=20_000)
    assert every == list(range(200))


def test_closing_in_the_middle_of_everything_is_clean(qtbot: QtBot, tmp_path: Path, model: Model) -> None:
    for _ in range(5):
        work = Work(journal=tmp_path / "jobs")
        after: list[Any] = []
        seen: list[int] = []
        job = work.start_job("label", lambda: labelling(model), seen.append, after.append, kind="label")
        qtbot.waitUntil(lambda seen=seen: bool(seen), timeout=20_000)
        for tick in range(50):
            work.latest(f"slider {tick % 3}", lambda tick=tick: answer(model, tick), after.append)
            work.once(lambda: 1, after.append)
            work.latest(f"thumb {tick}", lambda: 1, after.append, lane="thumbs")
        assert work.close(20)
        count = len(after)
        QCoreApplication.processEvents()
        assert len(after) == count == 0
        assert job.state is JobState.INTERRUPTED
        work.latest("late", lambda: 1, after.append)
        work.post(partial(after.append, "late"))
        QCoreApplication.processEvents()
        assert after == []
        del work
        gc.collect()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("pinhole")]


def test_a_window_that_is_destroyed_hears_nothing_any_more(qtbot: QtBot) -> None:
    window = QObject()
    work = Work(window)
    inside, free = threading.Event(), threading.Event()
    shown: list[Any] = []
    work.once(lambda: (inside.set(), free.wait(20)), shown.append)
    assert inside.wait(20)
    window.deleteLater()
    del window
    gc.collect()
    QCoreApplication.sendPostedEvents()
    QCoreApplication.processEvents()
    free.set()
    assert work.close(20)
    QCoreApplication.processEvents()
    assert shown == []


def test_a_worker_that_outlives_its_work_touches_no_dead_object(qtbot: QtBot) -> None:
    work = Work()
    inside, free = threading.Event(), threading.Event()
    shown: list[Any] = []
    work.once(lambda: (inside.set(), free.wait(20)), shown.append)
    assert inside.wait(20)
    assert work.close(0.01) is False
    lanes = list(work._lanes.values())
    del work
    gc.collect()
    free.set()
    for lane in lanes:
        for thread in lane._threads:
            thread.join(20)
    QCoreApplication.processEvents()
    assert shown == []


def test_the_end_of_all_work_is_announced(qtbot: QtBot, work: Work) -> None:
    assert work.bridge is not None
    with qtbot.waitSignal(work.bridge.idle, timeout=20_000):
        work.once(lambda: 1, lambda outcome: None)
    with qtbot.waitSignal(work.bridge.idle, timeout=20_000):
        job = work.start_job("job", lambda: [1, 2, 3])
    assert job.state is JobState.DONE
    work.forget_job(job)
    assert work.jobs == []
