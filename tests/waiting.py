"""Wait for a condition, never for a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic


def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Return as soon as the condition holds; fail where it does not within `timeout` seconds."""
    deadline = monotonic() + timeout
    tick = threading.Event()
    while not condition():
        assert monotonic() < deadline, "the condition never held"
        tick.wait(0.001)
