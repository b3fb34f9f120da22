"""Messages: every listener hears, the log keeps, and neither can break the program."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest

from desktop_app.notify import Level, Message, Notify, start_log, stop_log
from models.errors import ImageError
from tests.conftest import ExpectLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "logs" / "pinhole.log"
    level = logging.getLogger().level
    assert start_log(path) is None
    yield path
    stop_log()
    logging.getLogger().setLevel(level)


def test_listeners_hear_in_order_until_they_stop(expect_log: ExpectLog) -> None:
    expect_log("gone")
    notify = Notify()
    heard: list[Message] = []
    stop = notify.listen(heard.append)
    notify.info("Exported", "300 photos")
    notify.warn("The folder is gone")
    stop()
    notify.info("Nobody hears this")
    assert [(message.level, message.title) for message in heard] == [
        (Level.INFO, "Exported"),
        (Level.WARN, "The folder is gone"),
    ]
    assert len(notify.recent) == 3


def test_an_error_in_words_is_told_in_its_own_words(expect_log: ExpectLog) -> None:
    expect_log("torn")
    notify = Notify()
    message = notify.error(
        ImageError("The photo is torn", "it ends early", "Copy it again.", kind="truncated")
    )
    assert str(message) == "The photo is torn. it ends early. Copy it again."
    assert message.details == ""


def test_anything_else_is_told_as_unexpected_with_its_traceback(expect_log: ExpectLog, log: Path) -> None:
    expect_log("unexpected", "memory")
    notify = Notify()
    try:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    except RuntimeError as error:
        message = notify.error(error)
    assert "RuntimeError: mat1" in message.cause
    assert "Traceback" in message.details
    assert "memory" in notify.error(MemoryError()).title
    text = log.read_text()
    assert "Traceback" in text
    assert "mat1 and mat2" in text


def test_the_log_takes_any_name(log: Path) -> None:
    Notify().info("Opened /photos/caf\udce9.jpg\nnext line 猫")
    assert "caf\\udce9.jpg" in log.read_text()


def test_a_log_that_cannot_be_written_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    problem = start_log(tmp_path / "file" / "pinhole.log")
    assert problem is not None
    assert "no log file" in str(problem)


def test_a_full_disk_does_not_break_the_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (handler,) = [item for item in logging.getLogger().handlers if isinstance(item, RotatingFileHandler)]

    class Full:
        def write(self, text: str) -> None:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

    stream, handler.stream = handler.stream, Full()
    Notify().info("Still here")
    handler.stream = stream
    assert "Still here" not in log.read_text()
    assert capsys.readouterr().err == ""
