"""Photos, what they hold, and vectors a content: the statements under the catalogue's verbs.

Every function works on the connection of an open transaction. A path is bytes; a content is what a file holds, so
that a moved, copied or merely touched photo keeps what was computed from it.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from desktop_app.catalog_store import CatalogError
from desktop_app.catalog_types import PhotoFacts, PhotoRecord

SPACE = 1 << 40  # a vector's key is space * SPACE + content

PHOTO = (
    "SELECT p.id, p.path, p.size, p.mtime_ns, c.sha256, p.width, p.height, p.error, p.content, p.was"
    " FROM photos p JOIN contents c ON c.id = p.content"
)


def to_bytes(path: Path | str) -> bytes:
    return os.fsencode(os.path.abspath(path))


def ids_json(ids: Iterable[int]) -> str:
    return json.dumps([int(photo) for photo in ids])


def to_record(row: tuple[Any, ...], state: str = "unchanged", wants_hash: bool = False) -> PhotoRecord:
    photo, path, size, mtime, sha256, width, height, error = row[:8]
    hashed = sha256.hex() if sha256 else ""
    return PhotoRecord(
        photo, Path(os.fsdecode(path)), size, mtime, state, wants_hash, hashed, width, height, error or ""
    )


def one_photo(db: sqlite3.Connection, photo: int) -> tuple[Any, ...]:
    row: tuple[Any, ...] | None = db.execute(f"{PHOTO} WHERE p.id = ?", (photo,)).fetchone()
    if row is None:
        raise CatalogError("The photo is no longer in the catalogue", f"its number was {photo}")
    return row


def follow(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Each number and the one to go by now: its own, or that of the photo that it was found to be (see `merge`)."""
    ids = list(ids)
    sql = "SELECT gone, photo FROM merged WHERE gone IN (SELECT value FROM json_each(?))"
    merged = dict(db.execute(sql, (ids_json(ids),)).fetchall())
    return {photo: merged.get(photo, photo) for photo in ids}


def merge(db: sqlite3.Connection, photo: int, into: int) -> None:
    """The record `photo` is the photo `into`, moved: what is asked or said of its number goes there from now on."""
    db.execute("UPDATE merged SET photo = ? WHERE photo = ?", (into, photo))
    db.execute("INSERT INTO merged VALUES (?, ?)", (photo, into))
    db.execute("UPDATE OR IGNORE history_items SET photo = ? WHERE photo = ?", (into, photo))
    db.execute("DELETE FROM photos WHERE id = ?", (photo,))


def by_path(db: sqlite3.Connection, paths: list[bytes]) -> dict[bytes, tuple[Any, ...]]:
    known: dict[bytes, tuple[Any, ...]] = {}
    for start in range(0, len(paths), 500):
        part = paths[start : start + 500]
        marks = ",".join("?" * len(part))
        known.update((row[1], row) for row in db.execute(f"{PHOTO} WHERE p.path IN ({marks})", part))
    return known


def was_before(db: sqlite3.Connection, row: tuple[Any, ...]) -> int | None:
    """What `photos.was` is to be (see `catalog_moves`) when the file of this record has become another one."""
    photo, size, digest, content, was = row[0], row[2], row[4], row[8], row[9]
    if size < 0:
        return None if was is None else int(was)
    if was is not None:
        sql = "SELECT 1 FROM photos WHERE id <> ?1 AND (was = ?2 OR content = ?2 AND was IS NULL) LIMIT 1"
        if digest is None or db.execute(sql, (photo, content)).fetchone():
            return int(was)
    return int(content)  # an edit that was looked at is what the photo is


def sync_one(
    db: sqlite3.Connection,
    known: dict[bytes, tuple[Any, ...]],
    path: bytes,
    size: int,
    mtime: int,
    now: float,
) -> PhotoRecord:
    row = known.get(path)
    same = row if row is not None and (row[2], row[3]) == (size, mtime) else None
    if same is not None and same[4]:
        waits = "SELECT 1 FROM photos WHERE was = ? AND id <> ? LIMIT 1"
        again = same[9] is not None and db.execute(waits, (same[8], same[0])).fetchone() is not None
        return to_record(same, wants_hash=again)
    hashed = "SELECT 1 FROM contents WHERE size = ? AND sha256 IS NOT NULL LIMIT 1"
    wants_hash = db.execute(hashed, (size,)).fetchone() is not None
    if same is not None:
        # A look that was cut off may have come no further than this: it is still to be seen what photo it was.
        return to_record(same, wants_hash=wants_hash)
    content = db.execute("INSERT INTO contents (size) VALUES (?) RETURNING id", (size,)).fetchone()[0]
    if row is None:
        db.execute(
            "INSERT INTO photos (path, size, mtime_ns, content, seen) VALUES (?, ?, ?, ?, ?)",
            (path, size, mtime, content, now),
        )
    else:
        db.execute(
            "UPDATE photos SET size = ?, mtime_ns = ?, content = ?, was = ?, width = NULL, height = NULL, error = NULL"
            " WHERE id = ?",
            (size, mtime, content, was_before(db, row), row[0]),
        )
    fresh = db.execute(f"{PHOTO} WHERE p.path = ?", (path,)).fetchone()
    known[path] = fresh
    return to_record(fresh, "new" if row is None else "changed", wants_hash)


def adopt_content(db: sqlite3.Connection, photo: int, size: int, digest: bytes) -> int:
    """Let the photo point at the content of this hash, and return it; what was known of either is kept."""
    mine, hashed = db.execute(
        "SELECT c.id, c.sha256 FROM photos p JOIN contents c ON c.id = p.content WHERE p.id = ?", (photo,)
    ).fetchone()
    row = db.execute("SELECT id FROM contents WHERE sha256 = ?", (digest,)).fetchone()
    if row is None and hashed is None:
        db.execute("UPDATE contents SET sha256 = ? WHERE id = ?", (digest, mine))
        return int(mine)
    if row is None:
        # The file was changed under an unchanged size and mtime: its old content is no longer its own.
        row = db.execute(
            "INSERT INTO contents (size, sha256) VALUES (?, ?) RETURNING id", (size, digest)
        ).fetchone()
    theirs = int(row[0])
    if theirs != mine:
        db.execute("UPDATE photos SET content = ? WHERE id = ?", (theirs, photo))
    if theirs != mine and hashed is None:
        # It was the same content all along, only not known as such.
        for table in ("proposals", "replaced"):
            sql = f"UPDATE {table} SET content = ? WHERE photo = ? AND content = ?"
            db.execute(sql, (theirs, photo, mine))
        db.execute("UPDATE photos SET was = ? WHERE was = ?", (theirs, mine))
        hand_on_vectors(db, mine, theirs)
        db.execute("DELETE FROM contents WHERE id = ? AND id NOT IN (SELECT content FROM photos)", (mine,))
    if theirs != mine:
        share_size(db, photo, theirs)
    return theirs


def share_size(db: sqlite3.Connection, photo: int, content: int) -> None:
    """A copy of what was read before is as wide and high, and nobody will open it to find out."""
    db.execute(
        "UPDATE photos SET (width, height) = (SELECT width, height FROM photos WHERE content = ? AND width NOT NULL"
        " LIMIT 1) WHERE id = ? AND width IS NULL",
        (content, photo),
    )


def hand_on_vectors(db: sqlite3.Connection, mine: int, theirs: int) -> None:
    for (space,) in db.execute("SELECT id FROM spaces").fetchall():
        old, new = space * SPACE + mine, space * SPACE + theirs
        db.execute("UPDATE OR IGNORE vectors SET key = ? WHERE key = ?", (new, old))
        db.execute("DELETE FROM vectors WHERE key = ?", (old,))


def still_so(db: sqlite3.Connection, seen: Mapping[int, tuple[int, int]]) -> set[int]:
    """The numbers of the photos that have the size and mtime that they had when somebody looked at them."""
    now = follow(db, seen)
    sql = "SELECT id, size, mtime_ns FROM photos WHERE id IN (SELECT value FROM json_each(?))"
    facts = {photo: (size, mtime) for photo, size, mtime in db.execute(sql, (ids_json(now.values()),))}
    return {photo for photo, was in seen.items() if facts.get(now[photo]) == was}


def put_facts(db: sqlite3.Connection, facts: Iterable[PhotoFacts], run: str = "") -> None:
    facts = list(facts)
    now = follow(db, (fact.photo for fact in facts))
    for fact in facts:
        photo = now[fact.photo]
        db.execute(
            "UPDATE photos SET width = coalesce(?1, width), height = coalesce(?2, height),"
            " failed_in = CASE WHEN ?3 IS NULL THEN failed_in"
            " WHEN ?3 = error AND failed_in IS NOT ?4 THEN '' ELSE ?4 END,"
            " error = nullif(coalesce(?3, error), '') WHERE id = ?5",
            (fact.width, fact.height, fact.error, run, photo),
        )
        if fact.sha256:
            row = db.execute("SELECT size FROM photos WHERE id = ?", (photo,)).fetchone()
            if row is not None:
                adopt_content(db, photo, row[0], bytes.fromhex(fact.sha256))


def put_vectors(
    db: sqlite3.Connection, model: str, layer: str, rows: Sequence[tuple[int, npt.NDArray[Any]]]
) -> None:
    if not rows:
        return
    dim = int(np.asarray(rows[0][1]).size)
    space = space_of(db, model, layer, dim)
    now = follow(db, (photo for photo, _ in rows))
    sql = "SELECT id, content FROM photos WHERE id IN (SELECT value FROM json_each(?))"
    content = dict(db.execute(sql, (ids_json(now.values()),)).fetchall())
    data = [
        (space * SPACE + content[now[photo]], to_half(vector, dim))
        for photo, vector in rows
        if now[photo] in content
    ]
    db.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", data)


def spoken_for(db: sqlite3.Connection, photo: int) -> bool:
    """A person has already said something about this very record, so it must not give way to another."""
    for table in ("confirmed", "rejected"):
        if db.execute(f"SELECT 1 FROM {table} WHERE photo = ?", (photo,)).fetchone():
            return True
    return False


# A proposal holds again when the photo becomes what it was, which only the row of that content can tell.
_ORPHANS = """
    SELECT id FROM contents c WHERE id NOT IN (SELECT content FROM photos)
        AND id NOT IN (SELECT was FROM photos WHERE size < 0 AND was NOT NULL)
        AND ({unsaid} OR EXISTS (SELECT 1 FROM spaces s JOIN vectors v ON v.key = s.id * {space} + c.id))
    LIMIT ?
"""
_UNSAID = (
    "id NOT IN (SELECT content FROM proposals UNION SELECT content FROM replaced WHERE content NOT NULL"
    " UNION SELECT was FROM photos WHERE was NOT NULL)"
)


def sweep(db: sqlite3.Connection, most: int) -> int:
    """Delete the vectors of contents that no photo has, and the contents unless a proposal is about them; of at most
    so many. Returns of how many."""
    orphans = db.execute(_ORPHANS.format(unsaid=_UNSAID, space=SPACE), (most,)).fetchall()
    spaces = db.execute("SELECT id FROM spaces").fetchall()
    keys = [(space * SPACE + content,) for (space,) in spaces for (content,) in orphans]
    db.executemany("DELETE FROM vectors WHERE key = ?", keys)
    db.executemany(f"DELETE FROM contents WHERE id = ? AND {_UNSAID}", orphans)
    return len(orphans)


def space_of(db: sqlite3.Connection, model: str, layer: str, dim: int) -> int:
    row = db.execute("SELECT id, dim FROM spaces WHERE model = ? AND layer = ?", (model, layer)).fetchone()
    if row is None:
        sql = "INSERT INTO spaces (model, layer, dim) VALUES (?, ?, ?) RETURNING id, dim"
        row = db.execute(sql, (model, layer, dim)).fetchone()
    if row[1] != dim:
        raise ValueError(f"{model} {layer} has vectors of {row[1]} numbers, not {dim}")
    return int(row[0])


def to_half(vector: npt.NDArray[Any], dim: int) -> bytes:
    data = np.ascontiguousarray(vector, np.float16)
    if data.size != dim:
        raise ValueError(f"a vector of {data.size} numbers among vectors of {dim}")
    return data.tobytes()
