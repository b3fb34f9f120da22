"""One line on the terminal that is drawn over and over; nothing at all where nobody watches."""

import shutil
import sys
import time
import unicodedata
from typing import TextIO

_EVERY = 0.08  # seconds; a terminal over a slow line must not hold the work up


class ProgressLine:
    """A bar on stderr when that is a terminal: done/total, photos per second, time left, the current file."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._shown = not quiet and self._stream.isatty()
        self._last = 0.0
        self._drawn = False

    def show(self, done: int, total: int, rate: float, left_s: float | None, name: str) -> None:
        """Draw, unless that was done a moment ago."""
        now = time.monotonic()
        if not self._shown or (now - self._last < _EVERY and done < total):
            return
        self._last = now
        width = max(shutil.get_terminal_size().columns - 1, 20)
        self._draw(progress_text(done, total, rate, left_s, name, width, blocks=self._has_blocks()))

    def say(self, words: str) -> None:
        """Draw a few words instead of the bar, while nothing can be counted."""
        if self._shown:
            self._draw(printable(words))

    def clear(self) -> None:
        """Take the line away, so that other text can be printed."""
        if self._drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._drawn = False

    def _draw(self, text: str) -> None:
        self._stream.write("\r\x1b[K" + text)
        self._stream.flush()
        self._drawn = True

    def _has_blocks(self) -> bool:
        return (getattr(self._stream, "encoding", "") or "").lower().replace("-", "").startswith("utf")


def progress_text(
    done: int, total: int, rate: float, left_s: float | None, name: str, width: int, *, blocks: bool = True
) -> str:
    """The line in at most ``width`` columns; the file name gives way first, then the bar."""
    numbers = f"{done}/{total}"
    speed = f"{rate:.0f} photos/s" if rate >= 10 else f"{rate:.1f} photos/s" if rate else ""
    left = f"{duration(left_s)} left" if left_s is not None else ""
    tail = "  ".join(filter(None, (numbers, speed, left)))
    bar_width = max(0, min(30, width - columns(tail) - 2))
    part = done / total if total else 1.0
    full, empty = ("█", "░") if blocks else ("#", ".")
    filled = int(part * bar_width)
    line = full * filled + empty * (bar_width - filled) + "  " + tail
    room = width - columns(line) - 2
    return (
        line + ("  " + shorten(printable(name), room) if room >= 8 and name else "")
        if bar_width >= 4
        else tail[:width]
    )


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def printable(text: str) -> str:
    """File names may hold newlines, escape sequences and bytes that are no text: none of them may reach a terminal."""
    safe = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in safe)


def columns(text: str) -> int:
    """How many terminal columns the text takes: two for a wide character, none for a combining one."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def shorten(text: str, room: int) -> str:
    """The text in at most ``room`` columns, its middle left out."""
    if columns(text) <= room:
        return text
    head = tail = ""
    for i in range(len(text)):
        if columns(head + tail) + 3 > room:
            break
        if i % 2:
            tail = text[-1 - i // 2] + tail
        else:
            head += text[i // 2]
    return f"{head}…{tail}"
