"""Decode the next photos while the model works on these: an ordered, bounded map over a few threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class _Belt(threading.Condition):
    """What the workers and the reader share; every field is used with the condition held."""

    def __init__(self, ahead: int) -> None:
        super().__init__()
        self.ahead = ahead
        self.taken = 0
        self.read = 0
        self.total: int | None = None
        self.open = True
        self.turn = threading.Lock()
        self.results: dict[int, tuple[Any, BaseException | None]] = {}

    def may_take(self) -> bool:
        return not self.open or self.total is not None or self.taken < self.read + self.ahead

    def end(self, total: int) -> None:
        with self:
            self.total = total
            self.notify_all()

    def finish(self, index: int, result: Any, error: BaseException | None) -> None:
        with self:
            self.results[index] = result, error
            self.notify_all()


def decode_ahead(
    func: Callable[[In], Out], items: Iterable[In], workers: int = 2, ahead: int = 16
) -> Iterator[Out]:
    """Yield `func(item)` for every item, in order, with at most `ahead` results decoded or in hand.

    `items` may be endless; it is read on the workers, one at a time. What `func` or `items` raises is raised
    here in its place. Closing the iterator stops the workers after the call they are in.
    """
    belt = _Belt(max(1, ahead))
    source = iter(items)
    threads = [
        threading.Thread(
            target=_work, args=(belt, source, func), name=f"pinhole-decode-{number}", daemon=True
        )
        for number in range(max(1, workers))
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _in_order(belt)
    finally:
        with belt:
            belt.open = False
            belt.notify_all()
        for thread in threads:
            thread.join()


def _in_order(belt: _Belt) -> Iterator[Any]:
    while True:
        with belt:
            belt.wait_for(lambda: belt.read in belt.results or belt.read == belt.total)
            if belt.read not in belt.results:
                return
            result, error = belt.results.pop(belt.read)
            belt.read += 1
            belt.notify_all()
        if error is not None:
            raise error
        yield result
        # The reader is done with this one; holding it here would keep one more photo in memory.
        del result


def _take(belt: _Belt, source: Iterator[Any]) -> tuple[int, Any] | None:
    """The next item with its place in the order; the turn keeps two workers off the same iterator."""
    with belt.turn:
        with belt:
            belt.wait_for(belt.may_take)
            if not belt.open or belt.total is not None:
                return None
            index = belt.taken
        # Not under the belt itself: walking a slow folder must not keep the reader from what is ready.
        try:
            item = next(source)
        except StopIteration:
            belt.end(index)
            return None
        except BaseException as error:  # noqa: BLE001 - raised again on the reader's side, in its place
            belt.finish(index, None, error)
            belt.end(index + 1)
            return None
        with belt:
            belt.taken += 1
        return index, item


def _work(belt: _Belt, source: Iterator[Any], func: Callable[[Any], Any]) -> None:
    while (taken := _take(belt, source)) is not None:
        index, item = taken
        try:
            result = func(item)
        except BaseException as error:  # noqa: BLE001 - raised again on the reader's side, in its place
            belt.finish(index, None, error)
        else:
            belt.finish(index, result, None)
            del result
        del taken, item
