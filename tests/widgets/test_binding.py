"""What the Qt binding itself must not do to us."""

import sys

from PySide6.QtCore import QObject


def test_calls_that_return_nothing_leave_the_reference_count_of_none_alone(qapp: object) -> None:
    """PySide6 6.12.0 took one away with each such call; Python 3.11 dies of it after some thousand of them."""
    thing = QObject()
    thing.setObjectName("x")
    before = sys.getrefcount(None)
    for _ in range(200):
        thing.setObjectName("x")
    assert sys.getrefcount(None) > before - 100
