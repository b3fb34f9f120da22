"""The one door for what the program tells a person: listeners show it, the log keeps it. No Qt in here."""

from __future__ import annotations

import logging
import logging.handlers
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from models.errors import UserError

LOG = logging.getLogger("pinhole")
_FORMAT = "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"


class Level(StrEnum):
    """How loud a message is."""

    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class Message:
    """What is told: what, why, what to do; `details` is for the dialog's Copy button and the log."""

    level: Level
    title: str
    cause: str = ""
    cure: str = ""
    details: str = ""
    when: datetime = field(default_factory=datetime.now)

    def __str__(self) -> str:
        return str(UserError(self.title, self.cause, self.cure))


class Notify:
    """Tells messages to its listeners, on the thread that speaks, and to the log.

    A window registers a listener that crosses to the GUI thread by itself (`work.post`).
    """

    def __init__(self) -> None:
        self.recent: deque[Message] = deque(maxlen=200)
        self._listeners: list[Callable[[Message], None]] = []

    def listen(self, listener: Callable[[Message], None]) -> Callable[[], None]:
        """Call `listener` with every message from now on; returns the undoing."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def info(self, title: str, cause: str = "", cure: str = "") -> Message:
        """Something went as it should and is worth a line."""
        return self._tell(Message(Level.INFO, title, cause, cure), logging.INFO)

    def warn(self, problem: BaseException | str, details: str = "") -> Message:
        """Something is not as asked for, but the program helped itself."""
        return self._tell(_message(Level.WARN, problem, details), logging.WARNING)

    def error(self, problem: BaseException | str, details: str = "") -> Message:
        """Something failed. A UserError is told in its own words; anything else as unexpected, with details."""
        return self._tell(_message(Level.ERROR, problem, details), logging.ERROR)

    def _tell(self, message: Message, level: int) -> Message:
        LOG.log(level, "%s%s", message, f"\n{message.details}" if message.details else "")
        self.recent.append(message)
        for listener in list(self._listeners):
            listener(message)
        return message


def _message(level: Level, problem: BaseException | str, details: str) -> Message:
    if isinstance(problem, str):
        return Message(level, problem, details=details)
    if isinstance(problem, UserError):
        # Its words say it all; a traceback is kept only where it comes from another failure.
        return Message(level, problem.title, problem.cause, problem.cure, details or _cause(problem))
    if isinstance(problem, MemoryError):
        cure = "Close other programs, or take a smaller model or photo."
        return Message(level, "There was not enough memory", str(problem), cure, details or _text(problem))
    words = f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
    cure = "Copy the details into a report, so that it can be mended."
    return Message(level, "Something unexpected went wrong", words, cure, details or _text(problem))


def _cause(problem: BaseException) -> str:
    inner = problem.__cause__ or problem.__context__
    return _text(inner) if inner else ""


def _text(problem: BaseException) -> str:
    return "".join(traceback.format_exception(problem))


def start_log(path: Path) -> UserError | None:
    """Write the program's log into `path` (1 MB, two older ones kept); returns why not, where it cannot be."""
    root = logging.getLogger()
    root.setLevel(min(root.level or logging.INFO, logging.INFO))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # backslashreplace: a path that is no valid UTF-8 must not make the log itself fail.
        handler = logging.handlers.RotatingFileHandler(
            path, maxBytes=1_000_000, backupCount=2, encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        return UserError(
            "There will be no log file", f"{error.strerror} ({path})", "The program runs without it."
        )
    handler.setFormatter(logging.Formatter(_FORMAT))
    # A full disk must not fill the terminal with the logging module's own tracebacks.
    handler.handleError = lambda record: None  # type: ignore[method-assign]
    root.addHandler(handler)
    return None


def stop_log() -> None:
    """Close the log file, if one is open."""
    root = logging.getLogger()
    for handler in [item for item in root.handlers if isinstance(item, logging.handlers.RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()
