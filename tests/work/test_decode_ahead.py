"""decode_ahead: in order, bounded, every error in its place, and no thread left behind."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktop_app.work.decode_ahead import decode_ahead
from tests.waiting import until


@given(st.lists(st.integers(), max_size=40), st.integers(1, 4), st.integers(1, 6))
def test_it_is_map(items: list[int], workers: int, ahead: int) -> None:
    assert list(decode_ahead(lambda item: item * 2, items, workers, ahead)) == [item * 2 for item in items]


def test_order_holds_where_later_ones_are_ready_first() -> None:
    second = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second.wait(20)
        second.set()
        return item

    assert list(decode_ahead(work, range(8), workers=2)) == list(range(8))


def test_it_never_runs_further_ahead_than_it_may() -> None:
    begun: list[int] = []
    results = decode_ahead(lambda item: begun.append(item) or item, itertools.count(), workers=3, ahead=4)
    assert next(results) == 0
    until(lambda: len(begun) == 5)
    assert next(results) == 1
    until(lambda: len(begun) == 6)
    results.close()
    assert len(begun) <= 6


class _Odd(BaseException):
    """An error that is no Exception."""


@pytest.mark.parametrize(
    "error", [RuntimeError("r"), MemoryError(), _Odd()], ids=lambda error: type(error).__name__
)
def test_an_error_comes_in_its_place(error: BaseException) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise error
        return item

    results = decode_ahead(work, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(error)):
        next(results)
    assert list(results) == []


def test_an_error_of_the_source_comes_after_what_was_read_before() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("the folder vanished")

    results = decode_ahead(lambda item: item, source(), workers=2)
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(OSError, match="vanished"):
        next(results)


def test_closing_early_ends_the_threads() -> None:
    before = threading.active_count()
    results = decode_ahead(lambda item: item, itertools.count(), workers=3)
    assert next(results) == 0
    assert threading.active_count() == before + 3
    results.close()
    assert threading.active_count() == before


def test_nothing_starts_before_the_first_result_is_wanted() -> None:
    before = threading.active_count()
    results = decode_ahead(lambda item: item, range(3))
    assert threading.active_count() == before
    assert list(results) == [0, 1, 2]
