"""The pace of events, with a clock and a pacer that the test holds in its hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from desktop_app.work import pacer
from desktop_app.work.pacer import Mailbox, Pacer


class Hand:
    """A clock, and calls that are due when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None]]] = []

    def at(self, when: float, call: Callable[[], None]) -> None:
        self.due.append((when, call))

    def go_to(self, now: float) -> None:
        self.now = now
        ready = [item for item in self.due if item[0] <= now]
        self.due = [item for item in self.due if item[0] > now]
        for _, call in ready:
            call()


@pytest.fixture
def hand(monkeypatch: pytest.MonkeyPatch) -> Hand:
    hand = Hand()
    monkeypatch.setattr(pacer, "monotonic", lambda: hand.now)
    return hand


def test_events_go_over_at_most_ten_times_a_second_and_all_of_them(hand: Hand) -> None:
    handed: list[tuple[float, list[Any]]] = []
    box = Mailbox(lambda events: handed.append((hand.now, events)), hand)  # type: ignore[arg-type]
    for tick in range(100):
        hand.go_to(tick / 50)
        box.put(tick)
    hand.go_to(5.0)
    times = [when for when, _ in handed]
    assert all(later - earlier >= 0.1 - 1e-9 for earlier, later in itertools.pairwise(times))
    assert [event for _, events in handed for event in events] == list(range(100))
    assert hand.due == []


def test_a_flush_hands_over_at_once_and_starts_the_pace_anew(hand: Hand) -> None:
    handed: list[tuple[float, list[Any]]] = []
    box = Mailbox(lambda events: handed.append((hand.now, events)), hand)  # type: ignore[arg-type]
    box.put(1)
    hand.go_to(0.0)
    box.put(2)
    hand.go_to(0.09)
    box.flush()
    box.put(3)
    hand.go_to(0.11)  # what was due for 2 comes too early for 3
    assert handed == [(0.0, [1]), (0.09, [2])]
    hand.go_to(0.2)
    assert handed[2:] == [(0.2, [3])]
    box.flush()
    assert len(handed) == 3


def test_a_closed_pacer_runs_nothing_and_ends() -> None:
    pace = Pacer()
    ran: list[int] = []
    pace.at(monotonic() + 3600, lambda: ran.append(1))
    assert pace.close(monotonic() + 20)
    pace.at(0.0, lambda: ran.append(2))
    assert ran == []
    assert Pacer().close(0.0)
