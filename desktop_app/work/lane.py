"""Latest-wins lanes: per key one call runs and one waits, and a newer call replaces the waiting one.

There is no timer and no debounce constant, so the rate is whatever the machine can do. Every outcome is
delivered, whatever was raised: torch reports almost everything as RuntimeError, so none is special.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import traceback
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """What became of one call. `serial` rises with every request; `details` is the traceback of `error`."""

    key: str
    serial: int
    value: Any = None
    error: BaseException | None = None
    details: str = ""

    @property
    def ok(self) -> bool:
        """True where the call returned."""
        return self.error is None


@dataclass(frozen=True)
class Request:
    """One call that waits for its turn, and the function that wants its outcome; `must` is run even at the end."""

    key: str
    serial: int
    call: Callable[[], Any]
    done: Callable[[Outcome], None] | None = None
    must: bool = False


def attempt(request: Request) -> Outcome:
    """Run the call and return its outcome; nothing it raises escapes, not even SystemExit or MemoryError."""
    try:
        return Outcome(request.key, request.serial, request.call())
    except BaseException as error:  # noqa: BLE001 - an outcome that is not delivered leaves a panel waiting for ever
        return Outcome(request.key, request.serial, error=error, details=describe(error))


def describe(error: BaseException) -> str:
    """The traceback as text. Frees what its frames hold: after out-of-memory that is the memory in question."""
    text = "".join(traceback.format_exception(error))
    traceback.clear_frames(error.__traceback__)
    return text


class DeviceGate:
    """One model call at a time: an interactive call that waits goes before a job's next step.

    After `patience` interactive calls in a row a waiting job has its turn, so that a long drag of a slider
    slows a job down but never stops it.
    """

    def __init__(self, patience: int = 8) -> None:
        self._free = threading.Condition()
        self._busy = False
        self._urgent_waiting = 0
        self._jobs_waiting = 0
        self._passed_over = 0
        self._patience = patience

    @contextlib.contextmanager
    def turn(self, *, urgent: bool) -> Iterator[None]:
        """Hold the device for one call."""
        with self._free:
            self._enter(urgent)
        try:
            yield
        finally:
            with self._free:
                self._busy = False
                self._free.notify_all()

    def _enter(self, urgent: bool) -> None:
        if urgent:
            self._urgent_waiting += 1
            self._free.wait_for(lambda: not self._busy and not self._job_is_due())
            self._urgent_waiting -= 1
            self._passed_over += bool(self._jobs_waiting)
        else:
            self._jobs_waiting += 1
            self._free.wait_for(lambda: not self._busy and (not self._urgent_waiting or self._job_is_due()))
            self._jobs_waiting -= 1
            self._passed_over = 0
        self._busy = True

    def _job_is_due(self) -> bool:
        return self._jobs_waiting > 0 and self._passed_over >= self._patience


class Lane:
    """A few daemon threads over one table of waiting requests. `deliver` is called on those threads.

    With `newest_first` what was asked last runs first (thumbnails: what is on screen now). Calls of one key
    never overlap, so their outcomes arrive in the order of their serials.
    """

    def __init__(
        self,
        name: str,
        deliver: Callable[[Request, Outcome], None],
        *,
        gate: DeviceGate | None = None,
        threads: int = 1,
        newest_first: bool = False,
    ) -> None:
        self.name = name
        self._deliver = deliver
        self._gate = gate
        self._newest_first = newest_first
        self._limit = threads
        self._waiting: OrderedDict[str, Request] = OrderedDict()
        self._running: set[str] = set()
        self._at_gate: dict[str, Request] = {}  # taken, and waiting for the device
        self._news = threading.Condition()
        self._open = True
        self._threads: list[threading.Thread] = []

    def ask(self, request: Request) -> Request | None:
        """Let the request wait for its turn; returns the one it replaces. After `stop` nothing is taken."""
        with self._news:
            if not self._open:
                return request
            replaced = self._waiting.pop(request.key, None)
            self._waiting[request.key] = request
            if len(self._threads) < self._limit and len(self._threads) < len(self._waiting) + len(
                self._running
            ):
                self._start_thread()
            self._news.notify()
            return replaced

    def drop(self, key: str) -> Request | None:
        """Forget the waiting request of this key; one that runs goes on."""
        with self._news:
            return self._waiting.pop(key, None)

    def keep(self, keys: Collection[str]) -> list[Request]:
        """Forget every waiting request but those of `keys`; returns the forgotten ones."""
        with self._news:
            gone = [key for key in self._waiting if key not in keys]
            return [self._waiting.pop(key) for key in gone]

    def stop(self) -> list[Request]:
        """Take and start nothing more; returns what waits and must still be run. A running call ends by itself."""
        with self._news:
            self._open = False
            left = [one for one in (*self._at_gate.values(), *self._waiting.values()) if one.must]
            self._at_gate.clear()
            self._waiting.clear()
            self._news.notify_all()
            return left

    def join(self, deadline: float) -> bool:
        """Wait for the threads until `deadline` (of `time.monotonic`); True when all have ended."""
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_thread(self) -> None:
        name = f"pinhole-{self.name}-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _next(self) -> Request | None:
        order = reversed(self._waiting) if self._newest_first else iter(self._waiting)
        key = next((key for key in order if key not in self._running), None)
        return None if key is None else self._waiting.pop(key)

    def _take(self) -> Request | None:
        """Block until a request may run; None when the lane has been stopped."""
        with self._news:
            while self._open:
                request = self._next()
                if request is not None:
                    self._running.add(request.key)
                    self._at_gate[request.key] = request
                    return request
                self._news.wait()
            return None

    def _begins(self, request: Request) -> bool:
        """Whether the request is still this thread's: `stop` has given away what waited for the device."""
        with self._news:
            return self._at_gate.pop(request.key, None) is not None

    def _run(self) -> None:
        while (request := self._take()) is not None:
            turn = self._gate.turn(urgent=True) if self._gate else contextlib.nullcontext()
            with turn:
                if not self._begins(request):
                    return
                outcome = attempt(request)
            self._deliver(request, outcome)
            with self._news:
                self._running.discard(request.key)
                self._news.notify_all()
            # Between two calls the thread must not hold the last picture or tensor alive.
            del request, outcome


def serials() -> Iterator[int]:
    """The numbers that requests carry: 1, 2, 3..."""
    return itertools.count(1)
