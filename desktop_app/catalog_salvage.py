"""Bring what persons said out of a broken catalogue: the one thing in it that no machine can compute again."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The pages of one table or index may be damaged and those of the next not, so nothing is joined.
_PHOTOS = "SELECT id, path, size, mtime_ns FROM photos WHERE id BETWEEN ? AND ?"
_PHOTOS_BY_PATH = "SELECT id, path, -1, -1 FROM photos INDEXED BY sqlite_autoindex_photos_1"
_WORDS = {
    table: f"SELECT photo, label, who, time FROM {table} WHERE photo BETWEEN ? AND ?"
    for table in ("confirmed", "rejected")
}
_MOST_LOOKS = 1_000_000  # of some 15 microseconds each where all is damaged


def salvage(broken: Path, db: sqlite3.Connection) -> dict[str, int]:
    """Copy what can still be read of the tables "confirmed" and "rejected" into `db`, inside its transaction; returns
    how many rows of each."""
    with contextlib.closing(sqlite3.connect(broken)) as source:
        # Lets a file that was cut off be read as far as it goes; nothing is written.
        source.execute("PRAGMA writable_schema = ON")
        by_path = list(_by_path(source))
        last = max([_last_photo(source), *(row[0] for row in by_path)])
        photos = {row[0]: row[1:] for row in (*by_path, *_rows(source, _PHOTOS, last))}
        words = {table: _rows(source, sql, last) for table, sql in _WORDS.items()}
    numbers: dict[bytes, int] = {}
    saved = dict.fromkeys(words, 0)
    for table, rows in words.items():
        for photo, label, who, when in rows:
            path, size, mtime = photos.get(photo, (None, None, None))
            if not (isinstance(path, bytes) and isinstance(size, int) and isinstance(mtime, int)):
                continue
            if not (isinstance(label, str) and isinstance(when, float)):
                continue
            if path not in numbers:
                numbers[path] = _add_photo(db, path, size, mtime)
            row = (numbers[path], label, str(who), when)
            saved[table] += db.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)", row).rowcount
    return saved


def _last_photo(source: sqlite3.Connection) -> int:
    for sql in ("SELECT seq FROM sqlite_sequence WHERE name = 'photos'", "SELECT max(id) FROM photos"):
        with contextlib.suppress(sqlite3.Error):
            row = source.execute(sql).fetchone()
            if row and isinstance(row[0], int):
                return row[0]
    return 0


def _by_path(source: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """The photos as the index of their paths has them, without size and mtime, up to the first damage in it."""
    with contextlib.suppress(sqlite3.Error):
        yield from source.execute(_PHOTOS_BY_PATH)


def _rows(source: sqlite3.Connection, sql: str, last: int) -> list[tuple[Any, ...]]:
    """The rows of the photos 1 to `last`, on both sides of every damage: a span that cannot be read is halved."""
    rows: list[tuple[Any, ...]] = []
    spans, looks = [(1, last)], 0
    while spans and looks < _MOST_LOOKS:
        first, last = spans.pop()
        looks += 1
        try:
            rows += source.execute(sql, (first, last)).fetchall()
        except sqlite3.Error:
            if first < last:
                middle = (first + last) // 2
                spans += [(middle + 1, last), (first, middle)]
    return rows


def _add_photo(db: sqlite3.Connection, path: bytes, size: int, mtime: int) -> int:
    row = db.execute("SELECT id FROM photos WHERE path = ?", (path,)).fetchone()
    if row is not None:
        return int(row[0])
    content = db.execute("INSERT INTO contents (size) VALUES (?) RETURNING id", (size,)).fetchone()[0]
    row = db.execute(
        "INSERT INTO photos (path, size, mtime_ns, content, seen) VALUES (?, ?, ?, ?, 0) RETURNING id",
        (path, size, mtime, content),
    ).fetchone()
    return int(row[0])
