"""A lock between processes that the system takes back by itself when its holder is killed."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

_THREADS: dict[str, threading.Lock] = {}
_TABLE = threading.Lock()


def _system_lock(handle: int, wait: bool) -> bool:
    """Lock the open file; False where another process holds it and `wait` is False."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


class HeldLock:
    """A lock held until `release`, or until this process ends in whatever way."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def release(self) -> None:
        """Give the lock back; twice does no harm."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def try_lock(path: Path) -> HeldLock | None:
    """Take the lock of `path`, or None where somebody else (another process, or this one) holds it.

    Raises OSError where the lock file cannot be made.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if _system_lock(handle, wait=False):
        return HeldLock(handle)
    os.close(handle)
    return None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path` between threads and processes for one short change of a file.

    Where the folder cannot hold a lock file (read-only, full) only the threads of this process are kept apart.
    """
    with _TABLE:
        thread_lock = _THREADS.setdefault(str(path), threading.Lock())
    with thread_lock:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield
            return
        try:
            _system_lock(handle, wait=True)
            yield
        finally:
            os.close(handle)
