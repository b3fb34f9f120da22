"""Events at a pace the eye can follow: at most ten hand-overs a second a job, and the last one never lost."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

PACE = 0.1


class Pacer:
    """One thread that runs small calls when their time has come."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._open = True
        self._thread: threading.Thread | None = None

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Run `call` at `when` (of `time.monotonic`) on the pacer's thread; it must not block or raise."""
        with self._news:
            if not self._open:
                return
            heapq.heappush(self._due, (when, next(self._order), call))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pinhole-pacer", daemon=True)
                self._thread.start()
            self._news.notify()

    def close(self, deadline: float) -> bool:
        """Forget what is still due; True when the thread has ended before `deadline`."""
        with self._news:
            self._open = False
            self._due.clear()
            self._news.notify()
        if self._thread is None:
            return True
        self._thread.join(max(0.0, deadline - monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._news:
                while self._open and (not self._due or self._due[0][0] > monotonic()):
                    self._news.wait(self._due[0][0] - monotonic() if self._due else None)
                if not self._open:
                    return
                _, _, call = heapq.heappop(self._due)
            call()


class Mailbox:
    """Gathers a job's events and hands them over in order, all of them, at most every `pace` seconds."""

    def __init__(self, hand_over: Callable[[list[Any]], None], pacer: Pacer, pace: float = PACE) -> None:
        self._hand_over = hand_over
        self._pacer = pacer
        self._pace = pace
        self._lock = threading.Lock()
        self._events: list[Any] = []
        self._last = float("-inf")
        self._scheduled = False

    def put(self, event: Any) -> None:
        """Add one event; it is handed over within `pace` seconds."""
        with self._lock:
            self._events.append(event)
            if self._scheduled:
                return
            self._scheduled = True
            when = max(monotonic(), self._last + self._pace)
        self._pacer.at(when, self._on_time)

    def flush(self) -> None:
        """Hand over what is there now: before a change of state, so that the order stays true."""
        with self._lock:
            events, self._events = self._events, []
            if events:
                self._last = monotonic()
                # Under the lock: two flushes must not hand over in the wrong order.
                self._hand_over(events)

    def _on_time(self) -> None:
        with self._lock:
            due = self._last + self._pace
            early = due > monotonic()
            self._scheduled = early
        # A flush in between has handed events over already, so these wait for the next turn.
        if early:
            self._pacer.at(due, self._on_time)
        else:
            self.flush()
