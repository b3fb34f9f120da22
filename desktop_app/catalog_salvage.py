"""Bring what persons said out of a broken catalogue: the one thing in it that no machine can compute again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WORDS = (
    "SELECT p.path, p.size, p.mtime_ns, k.label, k.who, k.time"
    " FROM confirmed k JOIN photos p ON p.id = k.photo"
)


def salvage(broken: Path, db: sqlite3.Connection) -> int:
    """Copy the confirmed labels that can still be read into `db`, inside its transaction; returns how many."""
    saved = 0
    for path, size, mtime, label, who, when in _readable(broken):
        if not (isinstance(path, bytes) and isinstance(label, str) and isinstance(size, int)):
            continue
        if db.execute("SELECT 1 FROM photos WHERE path = ?", (path,)).fetchone():
            continue
        content = db.execute("INSERT INTO contents (size) VALUES (?) RETURNING id", (size,)).fetchone()[0]
        photo = db.execute(
            "INSERT INTO photos (path, size, mtime_ns, content, seen) VALUES (?, ?, ?, ?, 0) RETURNING id",
            (path, size, int(mtime), content),
        ).fetchone()[0]
        db.execute("INSERT INTO confirmed VALUES (?, ?, ?, ?)", (photo, label, str(who), float(when)))
        saved += 1
    return saved


def _readable(broken: Path) -> Iterator[tuple[Any, ...]]:
    """The rows up to the first page that cannot be read."""
    with (
        contextlib.suppress(sqlite3.Error, ValueError),
        contextlib.closing(sqlite3.connect(broken)) as source,
    ):
        yield from source.execute(_WORDS)
