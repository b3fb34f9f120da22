"""The one crossing from worker threads to the GUI thread: queued Qt signals of one long-lived QObject.

There is no QObject a task: such an object dies on whatever thread drops it last, and Qt forbids that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal, Slot

# A worker that outlives `Work.close` still holds its bridge; if it dropped the last reference, the QObject
# would be destroyed on that thread. So bridges are kept until every worker of theirs has ended.
_KEPT: set[Bridge] = set()


def _nothing() -> None:
    """A call without effect."""


class Bridge(QObject):
    """Runs calls on the thread that made it. `job_changed` carries a Job with every change of its state."""

    _arrived = Signal(object)
    job_changed = Signal(object)
    idle = Signal()

    def __init__(self, owner: QObject | None = None) -> None:
        super().__init__()
        self._open = True
        self._lock = threading.Lock()
        self._arrived.connect(self._run, Qt.ConnectionType.QueuedConnection)
        if owner is not None:
            owner.destroyed.connect(self.shut)
        _KEPT.add(self)
        # What PySide prepares when a signal is first emitted it had better not prepare on two workers at once.
        self._arrived.emit(_nothing)

    def post(self, call: Callable[[], None]) -> None:
        """Let `call` run on the GUI thread; from any thread. Silently nothing after `shut`."""
        with self._lock:
            if self._open:
                self._arrived.emit(call)

    @Slot()
    def shut(self) -> None:
        """Let nothing through any more, what is already queued included."""
        with self._lock:
            self._open = False

    def let_go(self) -> None:
        """Every worker has ended: the object may be destroyed where it was made."""
        _KEPT.discard(self)

    @Slot(object)
    def _run(self, call: Callable[[], None]) -> None:
        if self._open:
            call()
