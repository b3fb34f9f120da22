"""Lanes and the device gate without Qt: latest wins, every outcome arrives, jobs and calls share a device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from desktop_app.work.lane import DeviceGate, Lane, Outcome, Request
from tests.waiting import until


class Desk:
    """A lane, with what it delivered and a switch that holds its calls."""

    def __init__(self, **options: Any) -> None:
        self.news = threading.Condition()
        self.outcomes: list[Outcome] = []
        self.lane = Lane("test", self._deliver, **options)
        self._serial = 0

    def _deliver(self, request: Request, outcome: Outcome) -> None:
        with self.news:
            self.outcomes.append(outcome)
            self.news.notify_all()

    def ask(self, key: str, call: Callable[[], Any]) -> int:
        self._serial += 1
        self.lane.ask(Request(key, self._serial, call))
        return self._serial

    def wait(self, count: int) -> list[Outcome]:
        with self.news:
            assert self.news.wait_for(lambda: len(self.outcomes) >= count, 10)
        return self.outcomes

    def hold(self, key: str = "hold") -> threading.Event:
        """Keep one thread of the lane busy until the event is set."""
        busy, free = threading.Event(), threading.Event()
        self.ask(key, lambda: (busy.set(), free.wait(10)))
        assert busy.wait(10)
        return free

    def close(self) -> bool:
        self.lane.stop()
        return self.lane.join(monotonic() + 10)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    assert desk.close()


def test_the_newest_of_300_requests_is_run_and_most_others_never(desk: Desk) -> None:
    free = desk.hold()
    ran: list[int] = []
    for number in range(300):
        desk.ask("slider", lambda number=number: ran.append(number))
    free.set()
    desk.wait(2)
    assert ran == [299]


def test_the_running_call_is_finished_and_delivered_before_the_newer_one(desk: Desk) -> None:
    free = desk.hold("slider")
    desk.ask("slider", lambda: "second")
    desk.ask("slider", lambda: "third")
    free.set()
    outcomes = desk.wait(2)
    assert [outcome.serial for outcome in outcomes] == [1, 3]
    assert outcomes[1].value == "third"


def test_keys_do_not_replace_each_other(desk: Desk) -> None:
    free = desk.hold()
    for key in "abc":
        desk.ask(key, lambda key=key: key)
    free.set()
    assert [outcome.value for outcome in desk.wait(4)[1:]] == ["a", "b", "c"]


class _Odd(BaseException):
    """An error that is no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error"),
        ValueError("v"),
        MemoryError("m"),
        StopIteration("s"),
        GeneratorExit("g"),
        SystemExit(3),
        KeyboardInterrupt(),
        AssertionError("a"),
        RecursionError("r"),
        OSError(28, "full"),
        _Odd("odd"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_kind_of_error_is_delivered_and_the_lane_lives_on(desk: Desk, error: BaseException) -> None:
    def fail() -> None:
        raise error

    desk.ask("fails", fail)
    desk.ask("works", lambda: "fine")
    first, second = desk.wait(2)
    assert first.error is error
    assert not first.ok
    assert type(error).__name__ in first.details
    assert (second.ok, second.value) == (True, "fine")


def test_an_error_does_not_keep_what_its_frames_held(desk: Desk) -> None:
    import weakref

    class Big:
        pass

    seen: list[weakref.ref[Big]] = []

    def fail() -> None:
        big = Big()
        seen.append(weakref.ref(big))
        raise RuntimeError("out of memory")

    desk.ask("fails", fail)
    assert isinstance(desk.wait(1)[0].error, RuntimeError)
    assert seen[0]() is None


def test_drop_then_ask_runs_only_what_was_asked_afterwards(desk: Desk) -> None:
    free = desk.hold()
    ran: list[str] = []
    desk.ask("slider", lambda: ran.append("dropped"))
    assert desk.lane.drop("slider") is not None
    assert desk.lane.drop("slider") is None
    desk.ask("slider", lambda: ran.append("asked"))
    free.set()
    desk.wait(2)
    assert ran == ["asked"]


def test_newest_first_and_keep_serve_what_is_on_screen() -> None:
    desk = Desk(newest_first=True)
    free = desk.hold()
    ran: list[int] = []
    for number in range(10):
        desk.ask(f"thumb-{number}", lambda number=number: ran.append(number))
    gone = desk.lane.keep({"thumb-7", "thumb-8"})
    free.set()
    desk.wait(3)
    assert desk.close()
    assert len(gone) == 8
    assert ran == [8, 7]


def test_two_threads_never_run_one_key_at_the_same_time() -> None:
    desk = Desk(threads=2)
    free = desk.hold("a")
    desk.ask("a", lambda: "again")
    desk.ask("b", lambda: "beside")
    assert desk.wait(1)[0].value == "beside"
    free.set()
    assert desk.wait(3)[2].value == "again"
    assert desk.close()


def test_a_stopped_lane_takes_and_starts_nothing(desk: Desk) -> None:
    free = desk.hold()
    ran: list[str] = []
    desk.ask("waits", lambda: ran.append("waits"))
    desk.lane.stop()
    assert desk.lane.ask(Request("late", 9, lambda: ran.append("late"))) is not None
    free.set()
    assert desk.close()
    assert ran == []


def test_the_gate_lets_interactive_calls_in_first_but_never_starves_a_job() -> None:
    gate = DeviceGate(patience=3)
    order: list[str] = []
    inside, go_on = threading.Event(), threading.Event()

    def holder() -> None:
        with gate.turn(urgent=True):
            inside.set()
            go_on.wait(10)

    def enter(name: str, urgent: bool) -> None:
        with gate.turn(urgent=urgent):
            order.append(name)

    threads = [threading.Thread(target=holder)]
    threads[0].start()
    assert inside.wait(10)
    threads.append(threading.Thread(target=enter, args=("job", False)))
    threads += [threading.Thread(target=enter, args=("call", True)) for _ in range(5)]
    for thread in threads[1:]:
        thread.start()
    until(lambda: gate._urgent_waiting == 5 and gate._jobs_waiting == 1)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert order == ["call", "call", "call", "job", "call", "call"]
