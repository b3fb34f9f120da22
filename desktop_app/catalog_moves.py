"""Whose picture lies at a path now: photos that changed places, and what was said of them following the content.

A record keeps its number and its path; what was said (labels, refusals, proposals, undo) is what moves. `photos.was`
names the content that it is about, where the file is another one by now: NULL where it is about the file's own, 0
where what was said here has gone to another path. What was said of a photo that is nowhere waits in a record whose path
no file can have.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from desktop_app.catalog_photos import PHOTO, follow, ids_json, merge, one_photo, spoken_for, sync_one

Row = tuple[Any, ...]
_NOWHERE = b"\0"
_PERSONS = ("confirmed", "rejected", "history_items")
_MACHINES = ("proposals", "replaced")


def owners(db: sqlite3.Connection, photo: int, digest: bytes) -> list[Row]:
    """The other photos of which what was said is about this content (hash), then those whose file has become it."""
    rows = db.execute(
        f"{PHOTO}, contents h WHERE h.sha256 = ?1 AND p.id <> ?2 AND (p.was = h.id OR p.content = h.id)"
        " ORDER BY ifnull(p.was, p.content) <> h.id, p.id",
        (digest, photo),
    )
    return rows.fetchall()


def look_at(rows: Iterable[Row], there: Callable[[Path], bool]) -> dict[Row, tuple[int, int] | None]:
    """Size and mtime that each photo's file has now: None for what is surely gone, as it was where nobody can tell.

    Asks the disk: never within a transaction.
    """
    found: dict[Row, tuple[int, int] | None] = {}
    for row in rows:
        path = Path(os.fsdecode(row[1]))
        found[row] = (row[2], row[3])
        if not there(path):
            found[row] = None
            continue
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            continue
        found[row] = (stat.st_size, stat.st_mtime_ns)
    return found


def settle(db: sqlite3.Connection, photo: int, digest: bytes, seen: dict[Row, tuple[int, int] | None]) -> int:
    """Let what was said follow the pictures, now that the content of this photo is known; its number afterwards.

    `seen` is what `look_at` said of its `owners`; of any that was written since, the next look will tell.
    """
    gone: set[int] = set()
    sure = {photo}
    for row in owners(db, photo, digest):
        if row not in seen:
            continue
        now = seen[row]
        sure.add(row[0])
        if now is None:
            gone.add(row[0])
        elif now[0] >= 0:
            sync_one(db, {row[1]: row}, row[1], *now, time.time())
    before = one_photo(db, photo)[9]
    todo = [photo, *_holding(db, before)]
    while todo:
        displaced = _settle_one(db, todo.pop(0), sure, gone)
        todo += _holding(db, displaced)
    return follow(db, [photo])[photo]


def awaited(db: sqlite3.Connection, photo: int) -> list[Path]:
    """The files that were changed and not hashed since, of which was said what may be this photo's."""
    rows = db.execute(
        "SELECT o.path FROM photos p JOIN photos o ON o.was = p.content AND o.id <> p.id"
        " JOIN contents c ON c.id = o.content WHERE p.id = ? AND o.size >= 0 AND c.sha256 IS NULL",
        (photo,),
    ).fetchall()
    return [Path(os.fsdecode(path)) for (path,) in rows]


def _holding(db: sqlite3.Connection, content: int | None) -> list[int]:
    return [row[0] for row in db.execute("SELECT id FROM photos WHERE content = ? ORDER BY id", (content,))]


def _settle_one(db: sqlite3.Connection, photo: int, sure: set[int], gone: set[int]) -> int | None:
    """Returns the content of which what was said has lost its place, where it was taken by something else."""
    if db.execute("SELECT 1 FROM photos WHERE id = ?", (photo,)).fetchone() is None:
        return None  # found to be another photo a moment ago
    row = one_photo(db, photo)
    digest, content, was = row[4], row[8], row[9]
    if digest is None or (not was and spoken_for(db, photo)):
        return None
    if was == content:
        db.execute("UPDATE photos SET was = NULL WHERE id = ?", (photo,))
        return None
    blank = not was or not _has_words(db, photo, content)
    for owner in _best_first(db, owners(db, photo, digest), content):
        nowhere = owner[1].startswith(_NOWHERE)
        if nowhere or owner[0] in gone:
            if blank:
                _become(db, row, owner)
                return None
        elif was is None or owner[0] not in sure or not _is_another(owner, row):
            continue  # as likely edited, with the original kept beside it; or nobody knows yet what it is
        if not blank:
            _send_away(db, photo, content, was)
        _take(db, photo, content, owner, nowhere=nowhere, gone=owner[0] in gone)
        return None if blank else was
    return None


def _best_first(db: sqlite3.Connection, rows: list[Row], content: int) -> list[Row]:
    """A copy of which nobody said anything, and that is gone too, must not be taken for the photo with the labels."""
    if len(rows) < 2:
        return rows

    def rank(row: Row) -> tuple[bool, bool, bool]:
        return row[9] not in (None, content), not spoken_for(db, row[0]), not _has_words(db, row[0], -1)

    return sorted(rows, key=rank)


def _is_another(owner: Row, row: Row) -> bool:
    """The owner's file is surely not what this photo is: by its hash, or where it has none yet by its size."""
    if owner[2] < 0 or owner[8] == row[8]:
        return False
    return owner[4] is not None or owner[2] != row[2]


def _has_words(db: sqlite3.Connection, photo: int, content: int) -> bool:
    """Whether anything was said of this record, other than of the content that its file has now."""
    said = db.execute(
        "SELECT EXISTS (SELECT 1 FROM proposals WHERE photo = ?1 AND content IS NOT ?2)"
        " OR EXISTS (SELECT 1 FROM replaced WHERE photo = ?1 AND content IS NOT ?2)"
        " OR EXISTS (SELECT 1 FROM history_items WHERE photo = ?1)",
        (photo, content),
    ).fetchone()
    return spoken_for(db, photo) or bool(said[0])


def _become(db: sqlite3.Connection, row: Row, owner: Row) -> None:
    """The record is the photo `owner`, whose own file is gone: it has a new path."""
    merge(db, row[0], owner[0])
    db.execute(
        "UPDATE photos SET path = ?, size = ?, mtime_ns = ?, seen = ?, content = ?, was = nullif(was, ?), error = NULL"
        " WHERE id = ?",
        (row[1], row[2], row[3], time.time(), row[8], row[8], owner[0]),
    )


def _send_away(db: sqlite3.Connection, photo: int, content: int, was: int) -> None:
    """Let what was said of what the file was wait, until that turns up somewhere."""
    away = db.execute(
        "INSERT INTO photos (path, size, mtime_ns, content, seen, was) VALUES (?, -1, -1, ?, ?, ?) RETURNING id",
        (_NOWHERE + uuid.uuid4().hex.encode(), _no_content(db), time.time(), was),
    ).fetchone()[0]
    _hand_over(db, photo, away, but=content)


def _take(db: sqlite3.Connection, photo: int, content: int, owner: Row, *, nowhere: bool, gone: bool) -> None:
    """What was said of the owner is said of this photo; nothing is left there."""
    _hand_over(db, owner[0], photo, but=None if owner[8] == content else owner[8])
    # An edited photo that was moved as well is still the edited one.
    was = None if owner[9] in (None, content) else owner[9]
    db.execute("UPDATE photos SET was = ? WHERE id = ?", (was, photo))
    if nowhere:
        db.execute("DELETE FROM photos WHERE id = ?", (owner[0],))
    else:
        db.execute("UPDATE photos SET was = 0 WHERE id = ?", (owner[0],))
    if gone and not nowhere:
        sql = "UPDATE photos SET size = -1, mtime_ns = -1, content = ?, width = NULL, height = NULL, error = NULL"
        db.execute(f"{sql} WHERE id = ?", (_no_content(db), owner[0]))


def _no_content(db: sqlite3.Connection) -> int:
    return int(db.execute("INSERT INTO contents (size) VALUES (-1) RETURNING id").fetchone()[0])


def _hand_over(db: sqlite3.Connection, photo: int, to: int, *, but: int | None) -> None:
    """What was said of one record is said of the other; what a machine said of the content `but` stays where it is."""
    for table in _PERSONS:
        db.execute(f"UPDATE OR REPLACE {table} SET photo = ? WHERE photo = ?", (to, photo))
    for table in _MACHINES:
        which = "photo = ?1 AND (?2 IS NULL OR content IS NOT ?2)"
        db.execute(f"UPDATE OR IGNORE {table} SET photo = ?3 WHERE {which}", (photo, but, to))
        db.execute(f"DELETE FROM {table} WHERE {which}", (photo, but))  # the other was asked since


def said_now(db: sqlite3.Connection, photos: Iterable[int]) -> None:
    """A person has just said it of these files as they are: it is no longer about what they were before."""
    sql = "UPDATE photos SET was = NULL WHERE size >= 0 AND id IN (SELECT value FROM json_each(?))"
    db.execute(sql, (ids_json(photos),))
