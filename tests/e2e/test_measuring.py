"""The window finds out once what runs a model fastest here: quietly, giving way, and without holding up the end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from desktop_app import model_tuner, paths
from desktop_app.work import Job, JobState
from models import choices, tuning
from models.bundle import read_spec
from tests.mask_robot import MaskRobot, remember
from tests.tiny_models import write_tiny_mae

Start = Callable[..., MaskRobot]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-mae"
    write_tiny_mae(folder)
    return folder


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Every measurement that was begun."""
    jobs: list[Job] = []
    made = model_tuner.ModelTuner._begin

    def begin(self: model_tuner.ModelTuner, *given: Any) -> None:
        made(self, *given)
        assert self._job is not None
        jobs.append(self._job)

    monkeypatch.setattr(model_tuner.ModelTuner, "_begin", begin)
    return jobs


@pytest.fixture
def start(model: Path, photos: Path, qapp: object) -> Iterator[Start]:
    """Start the program with everything automatic, as it comes."""
    open_: list[MaskRobot] = []

    def begin(**values: object) -> MaskRobot:
        while open_:
            open_.pop().close()
        remember(model, **{"precision": "auto", "engine": "auto", **values})
        open_.append(MaskRobot(photos))
        return open_[0]

    yield begin
    for robot in open_:
        robot.close()


def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first candidate is measured for ever, run after run."""
    monkeypatch.setattr(model_tuner, "_SECONDS", 1e9)
    monkeypatch.setattr(tuning, "export", lambda *_: {})


@contextlib.contextmanager
def blocked() -> Iterator[tuple[threading.Event, Callable[[], Iterator[int]]]]:
    """A job that goes on when its event is set, which the end of the block does at the latest: a story that fails must
    leave no thread behind that holds the program open. Start it with gated=False, as labelling is: else it keeps the
    device while it waits, and a measurement that wants its turn can neither run nor stand aside."""
    free = threading.Event()

    def label() -> Iterator[int]:
        free.wait()
        yield 1

    try:
        yield free, label
    finally:
        free.set()


def measured(model: Path) -> bool:
    return tuning.is_measured(read_spec(model), device="cpu", cache=paths.cache_dir())


def test_a_model_is_measured_once_and_opened_accordingly_from_then_on(
    start: Start, model: Path, begun: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_tuner, "_SECONDS", 0.001)
    # Whatever this machine finds: the second candidate, so that one sees it being used.
    monkeypatch.setattr(tuning, "pick", lambda trials: trials[1])
    app = start()
    app.wait_until(lambda: begun and not app.session.tuner.running, "nothing was measured")
    app.wait_idle()
    assert begun[0].state is JobState.DONE
    assert measured(model)
    assert app.program.work.jobs == []
    said = "Tiny MAE runs fastest with onnxruntime in float32"
    app.wait_until(lambda: said in app.status(), "the finding was never told")
    now = app.session.shelf.ready("masking")
    assert now is not None
    assert now.engine == "torch"
    app.set_mask_ratio(0.3)
    app.wait_painted()
    assert len(begun) == 1
    again = start()
    again.wait_painted()
    now = again.session.shelf.ready("masking")
    assert now is not None
    assert now.engine == "onnxruntime"
    assert len(begun) == 1


@pytest.mark.parametrize("chosen", [{"engine": "torch"}, {"precision": "float32"}, {"measure_models": False}])
def test_nothing_is_measured_where_the_person_has_chosen(
    start: Start, begun: list[Job], chosen: dict[str, object]
) -> None:
    app = start(**chosen)
    app.wait_painted()
    app.set_mask_ratio(0.3)
    app.wait_painted()
    assert begun == []


def test_a_measurement_stands_aside_for_other_jobs_and_lets_the_slider_in(
    start: Start, begun: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(monkeypatch)
    app = start()
    app.wait_until(lambda: begun and begun[0].state is JobState.RUNNING)
    app.set_mask_ratio(0.3)
    app.wait_until(lambda: app.mask.result is not None and app.mask.result.mask == app.mask.book.mask)
    with blocked() as (_, label):
        other = app.program.work.start_job("label", label, gated=False)
        app.wait_until(lambda: begun[0].state is JobState.PAUSED)
    app.wait_until(lambda: other.state.ended and begun[0].state is JobState.RUNNING)
    app.session.settings.measure_models = False
    app.wait_until(lambda: not app.session.tuner.running)
    assert begun[0].state is JobState.CANCELLED
    assert len(begun) == 1
    app.session.settings.measure_models = True
    app.set_mask_ratio(0.5)
    app.wait_until(lambda: len(begun) == 2, "what was turned off is not wanted again")


def test_a_measurement_that_a_person_lets_go_on_stands_aside_again_for_the_next_job(
    start: Start, begun: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(monkeypatch)
    app = start()
    app.wait_until(lambda: begun and begun[0].state is JobState.RUNNING)
    work = app.program.work
    with blocked() as (free, label):
        first = work.start_job("label", label, gated=False)
        app.wait_until(lambda: begun[0].state is JobState.PAUSED)
        begun[0].resume()  # in the list of jobs
        app.wait_until(lambda: begun[0].state is JobState.RUNNING)
        assert work.bridge is not None
        work.bridge.job_changed.emit(first)  # a late notice of what it gave way to before
        assert not begun[0].pausing, "what a hand lets go on goes on"
        second = work.start_job("label more", label, gated=False)
        app.wait_until(lambda: begun[0].state is JobState.PAUSED, "it ran beside the second job")
        free.set()
        app.wait_until(
            lambda: first.state.ended and second.state.ended and begun[0].state is JobState.RUNNING
        )
        begun[0].pause()  # by hand: nothing but a hand lets it go on
        app.wait_until(lambda: begun[0].state is JobState.PAUSED)
        third = work.start_job("label again", lambda: iter([1]))
        app.wait_until(lambda: third.state.ended)
        app.wait_idle()
        assert begun[0].state is JobState.PAUSED


def test_closing_in_the_middle_of_a_measurement_keeps_nothing_of_it(
    start: Start, model: Path, begun: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    endless(monkeypatch)
    app = start()
    app.wait_until(lambda: begun and getattr(begun[0].last, "what", "").endswith("run"))
    start(measure_models=False)  # which ends what is open
    assert begun[0].state is JobState.INTERRUPTED
    assert choices.recall(paths.cache_dir(), read_spec(model), "cpu") is None
